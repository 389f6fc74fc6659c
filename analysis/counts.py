"""Item rows -> items asked and answered correctly, of every program in every run.

These counts are all that estimates need. One streaming pass makes them, and everything by which
bad rows are refused: what must be known of every row is tallied beside the counts, and judged on
the small table that they are. Texts (prompt, expected, output) are never read. Looking for repeated
items by a group for every row would cost more than all the rest, so an item sets its bit in a word
of 64: words with fewer bits than there were rows have an item twice.
"""

from __future__ import annotations

from typing import Final

import polars as pl

from analysis.curves import COMPARISON, TREATMENT
from analysis.errors import BadInput
from analysis.sources import UNREADABLE, Rows, first_line
from pbb.records import ITEM_SCHEMA, REQUIRED_COLUMNS

KEYS: Final = (
    *COMPARISON,
    *TREATMENT,
    "run",
    "seed",
    "stage1_seed",
    "split",
    "measure",
    "step",
    "program",
)
"""What a count is of."""

WORD: Final = 64
"""Items whose bits share one word."""

MOST_WORDS: Final = 8
"""Words tallied side by side; items beyond them open another group, of their own stretch."""

FEW_WORDS: Final = 32
"""Item numbers that span more words than this are given anew, so that groups stay few."""


def count(rows: Rows) -> pl.DataFrame:
    """One row per run, response format, split, measure, step and program, in any order.

    Out: the columns KEYS, defaults filled in; n_correct u32, n_items u32. Raises BadInput where
    there are no rows, a required value is missing, a number does not fit, a score is NaN or
    infinite, or an item occurs twice.
    """
    try:
        tallies = _tallies(rows)
    except UNREADABLE as error:
        raise BadInput(
            f"{rows.source}: cannot be read as item rows ({first_line(error)})"
        ) from error
    _check_present(tallies, rows)
    whole = _with_defaults(tallies, rows)
    _check_scores(whole, rows)
    _check_repeats(whole, rows)
    if whole["stretch"].n_unique() == 1:
        return whole.select(*KEYS, "n_correct", "n_items")
    return whole.group_by(KEYS).agg(pl.col("n_correct", "n_items").sum())


def _tallies(rows: Rows) -> pl.DataFrame:
    """A look at the numbers, then the pass."""
    item = pl.col("item").cast(pl.Int64)
    words = item.max() // WORD - item.min() // WORD + 1
    # Numbers that the pass does not need are read here, so that one that does not fit is found.
    idle = [n for n in rows.columns if ITEM_SCHEMA[n].is_integer() and n not in (*KEYS, "item")]
    extent = rows.frame.select(pl.len(), pl.col(idle).max(), n_words=words.fill_null(1))
    n_rows, *_, n_words = extent.collect(engine="streaming").row(0)
    if not n_rows:
        raise BadInput(f"{rows.source} holds no item rows")
    if n_words <= FEW_WORDS:
        return _tally(rows.frame, rows.columns, n_words)
    numbers = _numbers(rows.frame)
    n_words = numbers.select(pl.col("number").max() // WORD + 1).item()
    numbered = rows.frame.join(
        numbers.lazy(), on=["program", "item"], how="left", nulls_equal=True
    ).with_columns(item="number")
    return _tally(numbered, rows.columns, n_words)


def _numbers(frame: pl.LazyFrame) -> pl.DataFrame:
    """The items of each program numbered from 0: columns program, item, number."""
    items = frame.select("program", "item").unique().collect(engine="streaming")
    number = pl.col("item").rank("dense").over("program").cast(pl.Int32) - 1
    return items.with_columns(number=number)


def _tally(frame: pl.LazyFrame, columns: tuple[str, ...], n_words: int) -> pl.DataFrame:
    """The pass, by those of KEYS among the columns and by stretch of items.

    n_words: how many words the item numbers span. Out, beside the keys: n_correct; n_items, the
    rows; n_answered and n_numbered, those with a value of `correct` and `item`; n_unscored, those
    whose score is NaN or infinite; seen0, ...: the bits.
    """
    item, score, word, bit = (pl.col(name) for name in ("item", "score", "word", "bit"))
    beside = min(n_words, MOST_WORDS)
    seen = {
        f"seen{index}": pl.when(word == index).then(bit).otherwise(0).bitwise_or()
        for index in range(beside)
    }
    return (
        frame.with_columns(
            word=item // WORD % beside,
            bit=pl.lit(2, pl.UInt64).pow((item % WORD).cast(pl.UInt32)),
        )
        .group_by(*(name for name in KEYS if name in columns), stretch=item // (WORD * beside))
        .agg(
            n_correct=pl.col("correct").sum(),
            n_items=pl.len(),
            n_answered=pl.col("correct").count(),
            n_numbered=item.count(),
            n_unscored=(~score.is_finite()).sum() if "score" in columns else pl.lit(0),
            **seen,
        )
        .collect(engine="streaming")
    )


def _check_present(tallies: pl.DataFrame, rows: Rows) -> None:
    """Raises BadInput where a required column lacks a value."""
    known = {"correct": "n_answered", "item": "n_numbered"}
    n_items = pl.col("n_items")
    lacking = tallies.select(
        (n_items.sum() - pl.col(known[name]).sum()).alias(name)
        if name in known
        else n_items.filter(pl.col(name).is_null()).sum().alias(name)
        for name in REQUIRED_COLUMNS
    )
    for name, n in lacking.row(0, named=True).items():
        if n:
            raise BadInput(f"{rows.source}: column {name!r} has missing values; fill them in")


def _with_defaults(tallies: pl.DataFrame, rows: Rows) -> pl.DataFrame:
    """The same by KEYS and stretch; groups that a default made equal are joined."""
    whole = tallies.with_columns(rows.filled(KEYS))
    given = [name for name in KEYS if name in rows.columns]
    if tallies.select(given).null_count().equals(whole.select(given).null_count()):
        return whole
    return whole.group_by(*KEYS, "stretch").agg(
        pl.col("n_correct", "n_items", "n_unscored").sum(), pl.col("^seen.*$").bitwise_or()
    )


def _check_scores(whole: pl.DataFrame, rows: Rows) -> None:
    """Raises BadInput on a score that is no number."""
    bad = whole.filter(pl.col("n_unscored") > 0)
    if not bad.is_empty():
        raise BadInput(
            f"{rows.source}: column 'score' holds NaN or infinity, first for {_words(bad)}; leave "
            "out a score that is not known"
        )


def _check_repeats(whole: pl.DataFrame, rows: Rows) -> None:
    """Raises BadInput where an item occurs twice; rows are read again only to name it."""
    seen = pl.sum_horizontal(pl.col("^seen.*$").bitwise_count_ones())
    bad = whole.filter(seen != pl.col("n_items"))
    if bad.is_empty():
        return
    first = bad.sort(KEYS).row(0, named=True)
    same = [pl.col(name).eq_missing(pl.lit(first[name], ITEM_SCHEMA[name])) for name in KEYS]
    asked = rows.frame.select(*rows.filled(KEYS), "item").filter(same)
    items = asked.group_by("item").len("times").filter(pl.col("times") > 1)
    item = items.select(pl.col("item").min()).collect(engine="streaming").item()
    raise BadInput(
        f"{rows.source} repeats item rows, first item={item} of {_words(bad)}; remove the "
        "duplicates"
    )


def _words(groups: pl.DataFrame) -> str:
    """The first group, named as a user would look for it."""
    named = ("run", "arm", "demonstrations", "response_format", "measure", "step", "program")
    first = groups.sort(KEYS).select(named).row(0, named=True)
    return ", ".join(f"{name}={value!r}" for name, value in first.items())

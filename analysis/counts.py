"""Item rows -> items asked and answered correctly, of every program in every run.

These counts are all that estimates need. One streaming pass makes them, and everything by which
bad rows are refused: what must be known of every row is tallied beside the counts, and judged on
the small table that they are. Texts (prompt, expected, output) are never read. Looking for repeated
items by a group for every row would cost more than all the rest, so an item sets its bit in a word
of 64: words with fewer bits than there were rows have an item twice.
"""

from __future__ import annotations

from typing import Final, NoReturn

import polars as pl

from analysis.curves import COMPARISON, TREATMENT
from analysis.errors import UNREADABLE, BadInput, first_line
from analysis.sources import Rows
from pbb.records import ITEM_SCHEMA, REQUIRED_COLUMNS

KEYS: Final = (
    *COMPARISON,
    *TREATMENT,
    "run",
    "seed",
    "stage1_seed",
    "split",
    "measure",
    "stage",
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
    """One row per run, response format, split, measure, stage, step and program, in any order.

    Out: the columns KEYS, defaults filled in; n_correct u32, n_items u32. Raises BadInput where
    there are no rows, a required value is missing, a number does not fit, a score is NaN or
    infinite, or an item occurs twice.
    """
    try:
        first_word, n_words = _look(rows)
        tallies = _tallies(rows, first_word, n_words)
    except UNREADABLE as error:
        raise BadInput(
            f"{rows.source}: cannot be read as item rows ({first_line(error)})"
        ) from error
    missing = (name for name in REQUIRED_COLUMNS if name in KEYS)
    _check_present(rows, {name: tallies[name].null_count() for name in missing})
    whole = _with_defaults(tallies, rows)
    _check_repeats(whole, rows)
    if "stretch" not in whole.columns:
        return whole.select(*KEYS, "n_correct", "n_items")
    return whole.group_by(KEYS).agg(pl.col("n_correct", "n_items").sum())


def mean_scores(rows: Rows, counts: pl.DataFrame) -> pl.DataFrame:
    """Of every measure but execution: KEYS, score f64 (the mean over items) and n_items u32.

    counts: of `count`. Rows are read again, and only where they hold such a measure.
    """
    beside = counts.filter(pl.col("measure") != "execution").drop("n_correct")
    if beside.is_empty():
        return beside.with_columns(score=pl.lit(None, pl.Float64))
    found = (
        rows.frame.filter(pl.col("measure") != "execution")
        .select(rows.filled((*KEYS, "score")))
        .group_by(KEYS)
        .agg(pl.col("score").cast(pl.Float64).mean())
        .collect(engine="streaming")
    )
    return beside.join(found, on=KEYS, nulls_equal=True, maintain_order="left")


def _look(rows: Rows) -> tuple[int, int]:
    """At the columns that are no keys: the first word of item numbers, and how many they span."""
    item, score = pl.col("item").cast(pl.Int64), pl.col("score")
    # Numbers that the pass does not need are read here, so that one that does not fit is found.
    idle = [n for n in rows.columns if ITEM_SCHEMA[n].is_integer() and n not in (*KEYS, "item")]
    seen = rows.frame.select(
        pl.col(idle).max(),
        pl.col("item", "correct").null_count(),
        n_rows=pl.len(),
        first=item.min() // WORD,
        last=item.max() // WORD,
        unscored=(~score.is_finite()).any() if "score" in rows.columns else pl.lit(False),
    )
    found = seen.collect(engine="streaming").row(0, named=True)
    if not found["n_rows"]:
        raise BadInput(f"{rows.source} holds no item rows")
    _check_present(rows, {name: found[name] for name in ("item", "correct")})
    if found["unscored"]:
        _refuse_scores(rows)
    return found["first"], found["last"] - found["first"] + 1


def _tallies(rows: Rows, first_word: int, n_words: int) -> pl.DataFrame:
    """The pass; where item numbers lie far apart, after numbering them anew."""
    if n_words <= FEW_WORDS:
        return _tally(rows.frame, rows.columns, first_word, n_words)
    numbers = _numbers(rows.frame)
    n_words = numbers.select(pl.col("number").max() // WORD + 1).item()
    numbered = rows.frame.join(
        numbers.lazy(), on=["program", "item"], how="left", nulls_equal=True
    ).with_columns(item="number")
    return _tally(numbered, rows.columns, 0, n_words)


def _numbers(frame: pl.LazyFrame) -> pl.DataFrame:
    """The items of each program numbered from 0: columns program, item, number."""
    items = frame.select("program", "item").unique().collect(engine="streaming")
    number = pl.col("item").rank("dense").over("program").cast(pl.Int32) - 1
    return items.with_columns(number=number)


def _tally(
    frame: pl.LazyFrame, columns: tuple[str, ...], first_word: int, n_words: int
) -> pl.DataFrame:
    """By those of KEYS among the columns: n_correct, n_items, and the bits seen0, seen1, ...

    Where there are more than MOST_WORDS, also by the stretch that the words lie in.
    """
    item, word, bit = pl.col("item"), pl.col("word"), pl.col("bit")
    beside = min(n_words, MOST_WORDS)
    place = word % beside
    seen = {
        f"seen{index}": pl.when(place == index).then(bit).otherwise(0).bitwise_or()
        for index in range(beside)
    }
    stretch = [(word // beside).alias("stretch")] if n_words > beside else []
    return (
        frame.with_columns(
            word=item // WORD - first_word,
            bit=pl.lit(2, pl.UInt64).pow((item & (WORD - 1)).cast(pl.UInt32)),
        )
        .group_by(*(name for name in KEYS if name in columns), *stretch)
        .agg(
            n_correct=pl.col("correct").sum(),
            n_items=pl.len(),
            **(seen if beside > 1 else {"seen0": bit.bitwise_or()}),
        )
        .collect(engine="streaming")
    )


def _with_defaults(tallies: pl.DataFrame, rows: Rows) -> pl.DataFrame:
    """The same by KEYS; groups that a default made equal are joined."""
    whole = tallies.with_columns(rows.filled(KEYS))
    given = [name for name in KEYS if name in rows.columns]
    if tallies.select(given).null_count().equals(whole.select(given).null_count()):
        return whole
    stretch = [name for name in ("stretch",) if name in whole.columns]
    return whole.group_by(*KEYS, *stretch).agg(
        pl.col("n_correct", "n_items").sum(), pl.col("^seen.*$").bitwise_or()
    )


def _check_present(rows: Rows, missing: dict[str, int]) -> None:
    """Raises BadInput where a required column lacks a value. missing: how often, by column."""
    for name, times in missing.items():
        if times:
            raise BadInput(f"{rows.source}: column {name!r} has missing values; fill them in")


def _refuse_scores(rows: Rows) -> NoReturn:
    """Raises BadInput; rows are read again to name the first score that is no number."""
    bad = rows.frame.filter(~pl.col("score").is_finite()).select(*rows.filled(KEYS), "score")
    first = bad.head(1).collect(engine="streaming")
    raise BadInput(
        f"{rows.source}: column 'score' holds {first['score'][0]}, at {_words(first)}; leave out "
        "a score that is not known"
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
    of_asked = ("response_format", "measure", "stage", "step", "program")
    first = groups.sort(KEYS).select("run", "arm", "demonstrations", *of_asked).row(0, named=True)
    return ", ".join(f"{name}={value!r}" for name, value in first.items())

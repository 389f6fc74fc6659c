"""Item rows from a study folder, or from one Parquet or CSV file from anywhere, in one schema.

A file that pbb did not write needs the columns of `pbb.records.REQUIRED_COLUMNS`; the others have
defaults. Everything is checked by the one pass that counts.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import polars as pl

from analysis.counts import count, mean_scores
from analysis.damage import blame
from analysis.errors import BadInput as BadInput
from analysis.errors import first_line
from analysis.joint import TOLD, joint_counts
from analysis.run_rules import ASKED, check_runs, check_words, distinct_runs
from analysis.sources import Rows, scan_rows
from pbb.records import ITEM_SCHEMA

FACTOR_COLUMNS: Final = (
    "model",
    "n_params",
    "curriculum",
    "arm",
    "demonstrations",
    "demonstration_format",
    "representation",
    "domain",
    "lora_rank",
    "acquisition",
    "templates",
    "factors",
)
"""What identifies a cell: everything that was varied except the seeds."""


POINT: Final = ("stage", "step")
"""When it was asked."""


@dataclass(frozen=True)
class Evidence:
    """A source, checked.

    items: rows in `pbb.records.ITEM_SCHEMA`, each run's last step only; nothing is read until they
    are collected. history: the columns of `counts.KEYS`, n_correct and n_items, at every step that
    was evaluated. scores: of every measure but execution, `counts.KEYS`, score f64 (the mean over
    items) and n_items, at each run's last step. joint: of `joint.joint_counts`, at each run's last
    step.
    """

    items: pl.LazyFrame
    history: pl.DataFrame
    scores: pl.DataFrame
    joint: pl.DataFrame

    @property
    def counts(self) -> pl.DataFrame:
        """The history's last step of every run: what estimates are made from."""
        return at_last_step(self.history.lazy(), self.history).collect()


def load(source: Path) -> Evidence:
    """Reads what estimates need, in one pass, and checks it; measures beside execution in another.

    Raises BadInput where the source cannot be read, is empty, lacks a required column, holds a
    value of the wrong type or an unknown word, repeats a row, contradicts itself about a run, or
    was written under a newer schema.
    """
    try:
        rows = scan_rows(source)
        history = checked_counts(rows)
    except BadInput as error:
        raise blamed(source, error) from error
    runs = distinct_runs(history)
    scores = at_last_step(mean_scores(rows, history).lazy(), history).collect()
    recited = joint_counts(rows, history).lazy().with_columns(measure=pl.lit(TOLD))
    joint = at_last_step(recited, history).drop("measure").collect()
    return Evidence(at_last_step(_items(rows, runs), history), history, scores, joint)


def checked_counts(rows: Rows) -> pl.DataFrame:
    """`counts.count`, and what it tells checked. Raises BadInput."""
    history = count(rows)
    check_words(history, rows.source)
    check_runs(distinct_runs(history), rows.source)
    _check_steps(history, rows.source)
    return history


def blamed(source: Path, error: Exception) -> BadInput:
    """What reading the source raised, naming the files of a study folder that are at fault.

    error: BadInput, or one of UNREADABLE. Every file is read anew, alone, and all of it.
    """
    if isinstance(error, BadInput):
        return blame(source, error, checked_counts)
    told = BadInput(f"{source}: item rows cannot be read ({first_line(error)})")
    return blame(source, told, checked_counts)


def load_items(source: Path) -> pl.LazyFrame:
    """`load(source).items`: checked item rows, each run's last step only."""
    return load(source).items


def load_counts(source: Path) -> pl.DataFrame:
    """`load(source).counts`: right and asked items of each program in each run's last step."""
    return load(source).counts


def at_last_step(frame: pl.LazyFrame, history: pl.DataFrame) -> pl.LazyFrame:
    """Of what was asked at several points of a run's training, the last one; frame: rows or counts.

    A later stage is later than any step of an earlier one.
    """
    if _at_one_point(history):
        return frame
    last = history.lazy().group_by(ASKED).agg(pl.col(POINT).sort_by(POINT).last())
    return frame.join(last, on=[*ASKED, *POINT], how="semi", nulls_equal=True)


def _at_one_point(history: pl.DataFrame) -> bool:
    return history.select(POINT).n_unique() == 1


def _check_steps(history: pl.DataFrame, source: Path) -> None:
    """The last step is the result, so it must ask what earlier steps asked."""
    if _at_one_point(history):
        return
    programs = history.group_by(*ASKED, *POINT).agg(n=pl.col("program").n_unique())
    of_run = programs.sort(POINT).group_by(ASKED).agg(most=pl.col("n").max(), last=pl.last("n"))
    bad = of_run.filter(pl.col("last") < pl.col("most")).sort(ASKED)
    if not bad.is_empty():
        raise BadInput(
            f"{source}: run {bad['run'][0]!r} was asked {bad['most'][0]} programs at an earlier "
            f"step and {bad['last'][0]} at its last, which is the result; finish that step or "
            "leave its rows out"
        )


def _items(rows: Rows, runs: pl.DataFrame) -> pl.LazyFrame:
    """Every column of ITEM_SCHEMA. A cell without a name gets a hash of its factors."""
    items = rows.frame.with_columns(rows.filled(ITEM_SCHEMA))
    key = pl.concat_str(
        [pl.col(name).cast(pl.String).fill_null("") for name in FACTOR_COLUMNS], separator="\x1f"
    )
    keys = runs.select(FACTOR_COLUMNS).unique().select(key)[:, 0].to_list()
    names = {each: hashlib.sha256(each.encode()).hexdigest()[:16] for each in keys}
    cell = key.replace_strict(names, return_dtype=pl.String)
    return items.with_columns(cell=pl.coalesce(pl.col("cell"), cell)).select(*ITEM_SCHEMA)

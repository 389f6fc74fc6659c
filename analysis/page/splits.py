"""Every arm on every split, and by every measure: what was learnt beside the targets, what was
lost, and whether a right answer is more than one answer repeated."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from statistics import mean
from typing import Any, Final

import polars as pl

from analysis.curves import COMPARISON, TREATMENT
from analysis.factors import domain_settings, program_space
from analysis.palette import NAME
from analysis.sentences import SHOWN, comparison_labels, percent

MOST_ROWS: Final = 400
"""Rows shown; the rates table and its CSV have every comparison."""

SPLITS: Final = ("target", "composed", "validation", "acquisition")
"""Columns, in this order."""

MEASURES: Final = {
    "membership": "answers that the grammar gives",
    "novelty": "answers that no demonstration could have shown",
    "diversity": "answers that are both, and that no earlier answer to the program repeats",
    "coverage": "the grammar’s alternatives that its sentences among the answers apply",
    "ceiling": "what one who draws sentences by the rules would get right",
    "recitation": "instructions recited right",
}
"""What each measure is a share of; a domain’s own measures stand under their names alone."""


@dataclass(frozen=True)
class SplitRow:
    """One arm of one comparison; accuracies in the order of the table's columns."""

    label: str
    arm: str
    n: int
    response_format: str
    accuracies: tuple[str, ...]
    seeds: int


@dataclass(frozen=True)
class SplitTable:
    """columns: splits, or measures, by name. guesses: what a guess gets of each set of programs, as
    its name and accuracies. left_out: rows beyond MOST_ROWS. table: the data behind it, all rows.
    """

    columns: tuple[str, ...]
    rows: tuple[SplitRow, ...]
    guesses: tuple[tuple[str, tuple[str, ...]], ...]
    left_out: int
    table: pl.DataFrame


def split_table(cells: pl.DataFrame) -> SplitTable:
    """One row per comparison and treatment, a column for every split.

    cells: `curves.accuracy_by_split`.
    """
    executed = cells.filter(measure="execution")
    splits = [split for split in SPLITS if split in executed["split"]]
    chance = cells.filter(measure="chance")
    rows, left_out = _rows(executed, "split", splits)
    told = pl.concat([executed, chance])
    return SplitTable(tuple(splits), rows, _guesses(chance, splits), left_out, told)


def measure_table(cells: pl.DataFrame) -> SplitTable | None:
    """One row per comparison and treatment, on targets; a column for every measure beside
    execution, where there is one. cells: `curves.accuracy_by_split`.

    Recall is of no format, so it has a table of its own (`page.knowledge`).
    """
    asked = cells.filter(~pl.col("measure").is_in(["chance", "recall"]), split="target")
    found = asked["measure"].unique().sort().to_list()
    own = [measure for measure in found if measure not in ("execution", *MEASURES)]
    measures = [*(measure for measure in MEASURES if measure in found), *own]
    if not measures:
        return None
    keys = [*COMPARISON, *TREATMENT]
    measured = asked.filter(pl.col("measure") != "execution").select(keys).unique()
    told = asked.join(measured, on=keys, how="semi", nulls_equal=True, maintain_order="left")
    rows, left_out = _rows(told, "measure", ["execution", *measures])
    return SplitTable(("right", *measures), rows, (), left_out, told)


def _rows(
    cells: pl.DataFrame, column: str, values: Sequence[str]
) -> tuple[tuple[SplitRow, ...], int]:
    """The first MOST_ROWS, and how many more there are. values: of the column, one a column."""
    grouped: dict[tuple[Any, ...], dict[str, dict[str, Any]]] = {}
    for cell in cells.iter_rows(named=True):
        key = tuple(cell[name] for name in (*COMPARISON, *TREATMENT))
        grouped.setdefault(key, {})[cell[column]] = cell
    kept = list(grouped.items())[:MOST_ROWS]
    factors = [dict(zip(COMPARISON, key, strict=False)) for key, _ in kept]
    labels = comparison_labels(factors)
    rows = [_row(label, found, values) for (_, found), label in zip(kept, labels, strict=True)]
    return tuple(rows), len(grouped) - len(kept)


def _guesses(
    chance: pl.DataFrame, splits: Sequence[str]
) -> tuple[tuple[str, tuple[str, ...]], ...]:
    """One row for every set of programs: a guess is the same in every arm."""
    sets: dict[str, dict[str, Any]] = {}
    found: dict[str, dict[str, list[float]]] = {}
    for cell in chance.iter_rows(named=True):
        key = f"{cell['study']} {program_space(cell)}"
        settings = domain_settings(cell["factors"])
        sets[key] = {"model": cell["domain"] or "all", "study": cell["study"], **settings}
        found.setdefault(key, {}).setdefault(cell["split"], []).append(cell["accuracy"])
    rows = [
        tuple(percent(mean(of[split])) if split in of else "–" for split in splits)
        for of in found.values()
    ]
    return tuple(zip(comparison_labels(list(sets.values())), rows, strict=True))


def _row(label: str, found: dict[str, dict[str, Any]], values: Sequence[str]) -> SplitRow:
    first = next(iter(found.values()))
    shown = SHOWN.get(first["demonstration_format"] or "", "")
    name = NAME.get(first["arm"], first["arm"])
    return SplitRow(
        label,
        f"{name}, {shown}" if shown else name,
        first["demonstrations"],
        first["response_format"],
        tuple(percent(found[each]["accuracy"]) if each in found else "–" for each in values),
        max(cell["n_runs"] for cell in found.values()),
    )

"""Accuracy of every arm on every split: what was learnt beside the targets, and what was lost."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final

import polars as pl

from analysis.curves import COMPARISON, TREATMENT, accuracy_by_split
from analysis.palette import NAME
from analysis.sentences import SHOWN, comparison_labels, percent

MOST_ROWS: Final = 400
"""Rows shown; the rates table and its CSV have every comparison."""


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
    """columns: split, and measure where it is not execution. left_out: rows beyond MOST_ROWS."""

    columns: tuple[str, ...]
    rows: tuple[SplitRow, ...]
    left_out: int
    table: pl.DataFrame


def split_table(counts: pl.DataFrame) -> SplitTable:
    """One row per comparison and treatment."""
    cells = accuracy_by_split(counts)
    columns = (
        cells.select("split", "measure")
        .unique()
        .sort("split", "measure", descending=[True, False])
        .rows()
    )
    grouped: dict[tuple[Any, ...], dict[tuple[str, str], dict[str, Any]]] = {}
    for cell in cells.iter_rows(named=True):
        key = tuple(cell[name] for name in (*COMPARISON, *TREATMENT))
        grouped.setdefault(key, {})[cell["split"], cell["measure"]] = cell
    kept = list(grouped.items())[:MOST_ROWS]
    factors = [dict(zip(COMPARISON, key, strict=False)) for key, _ in kept]
    rows = [
        _row(label, found, columns)
        for (_, found), label in zip(kept, comparison_labels(factors), strict=True)
    ]
    names = [
        split if measure == "execution" else f"{split}, {measure}" for split, measure in columns
    ]
    left_out = len(grouped) - len(kept)
    return SplitTable(tuple(names), tuple(rows), left_out, cells)


def _row(
    label: str, found: dict[tuple[str, str], dict[str, Any]], columns: list[tuple[str, ...]]
) -> SplitRow:
    first = next(iter(found.values()))
    shown = SHOWN.get(first["demonstration_format"] or "", "")
    name = NAME.get(first["arm"], first["arm"])
    return SplitRow(
        label,
        f"{name}, {shown}" if shown else name,
        first["demonstrations"],
        first["response_format"],
        tuple(
            percent(found[key]["accuracy"]) if (key := (c[0], c[1])) in found else "–"
            for c in columns
        ),
        max(cell["n_runs"] for cell in found.values()),
    )

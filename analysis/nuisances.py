"""How a study's nuisances were chosen: each group's best proposal, and the others beside it."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import polars as pl

from analysis.errors import reading
from analysis.study_folder import read_study
from search_spaces.groups import Group

EDGE: Final = 0.05
"""A chosen value this near to an end of its range, in shares of the range, is at the end."""


@dataclass(frozen=True)
class Choice:
    """One group and what was chosen for it.

    score: mean share right on validation programs; low and high: of the runs it is the mean of.
    worst: least score of any proposal. at_end: nuisances whose best value may lie outside the range
    that was searched. diverged: runs of all proposals. device_s: what the search cost.
    """

    group: str
    proposals: int
    values: Mapping[str, float]
    score: float
    low: float
    high: float
    worst: float
    runs: int
    diverged: int
    at_end: tuple[str, ...]
    device_s: float


def read_choices(source: Path) -> tuple[Choice, ...]:
    """Choices of a study folder in the order they were made; none where nothing was tuned.

    Raises BadInput where the table cannot be read.
    """
    file = source / "tuning.parquet"
    if not source.is_dir() or not file.exists():
        return ()
    with reading(file):
        ranges = (read_study(source).get("tune") or {}).get("nuisances") or {}
        table = pl.read_parquet(file)
        groups = table.partition_by("model", "weights", "arms", maintain_order=True)
        return tuple(_choice(group, ranges) for group in groups)


def _choice(group: pl.DataFrame, ranges: Mapping[str, Any]) -> Choice:
    won = group.filter("chosen").row(0, named=True)
    values = {str(path): float(value) for path, value in json.loads(won["nuisances"]).items()}
    return Choice(
        group=str(Group(won["model"], won["weights"], won["arms"])),
        proposals=group.height,
        values=values,
        score=float(won["score"]),
        low=float(won["least"]),
        high=float(won["greatest"]),
        worst=float(min(group["score"])),
        runs=int(won["runs"]),
        diverged=int(group["diverged"].sum()),
        at_end=tuple(
            path for path, value in values.items() if path in ranges and _ends(value, ranges[path])
        ),
        device_s=float(group["device_s"].sum()),
    )


def _ends(value: float, searched: Mapping[str, Any]) -> bool:
    scale = math.log if searched.get("log") else float
    low, at, high = (scale(each) for each in (searched["low"], value, searched["high"]))
    return not low + EDGE * (high - low) < at < high - EDGE * (high - low)

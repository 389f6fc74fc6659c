"""Comparisons written out by hand."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from analysis.comparison import DEFAULT_HEADLINE, Contest
from analysis.curves import Level, Series

ITEMS = 20.0


def level(series: Series, n: int, accuracy: Sequence[float], seeds: int = 2) -> Level:
    """Accuracy by program; every run the same."""
    grid = np.repeat(np.array([accuracy], dtype=float), seeds, axis=0)
    return Level(
        series,
        n,
        "recite" if series in ("instruction", "both") else "cot",
        tuple(range(seeds)),
        frozenset(range(seeds)),
        tuple(f"p{index}" for index in range(len(accuracy))),
        grid,
        np.full(grid.shape, ITEMS),
        seeds,
    )


def by_hand(
    instruction: Sequence[float],
    demonstrations: Mapping[int, Sequence[float]],
    both: Mapping[int, Sequence[float]] | None = None,
    none: Sequence[float] | None = None,
) -> Contest:
    """Accuracies by program, those of the curves by n."""
    levels = [level("instruction", 0, instruction)]
    levels += [level("none", 0, none)] if none is not None else []
    levels += [level("demonstrations", n, each) for n, each in demonstrations.items()]
    levels += [level("both", n, each) for n, each in (both or {}).items()]
    return Contest({"model": "by hand"}, DEFAULT_HEADLINE, tuple(levels), "")

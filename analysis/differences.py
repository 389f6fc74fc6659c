"""Means of levels, and differences between two levels of the same runs, each with its interval.

For levels that stand by themselves, outside a comparison between arms: two formats of an arm, or an
arm before and after a stage.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from analysis.covariance import uncertainty
from analysis.curves import Level


@dataclass(frozen=True)
class Estimate:
    """A value and its 95% interval, over programs and training runs; null limits without runs."""

    value: float
    ci_low: float | None
    ci_high: float | None


def mean_of(level: Level) -> Estimate | None:
    """The level's mean; null where no program was answered in every run."""
    return _combined([level], [1.0], 0.0)


def difference(level: Level, against: Level) -> Estimate | None:
    """Level minus against, on the programs of both; null where there are none."""
    shared = [program for program in level.programs if program in set(against.programs)]
    return _combined([level.keep(shared), against.keep(shared)], [1.0, -1.0], -1.0)


def _combined(levels: list[Level], sides: list[float], least: float) -> Estimate | None:
    """least: of what is possible; the most is 1."""
    if not levels[0].programs:
        return None
    value = float(np.dot(sides, [level.mean for level in levels]))
    known = len(levels[0].programs) >= 2 and all(level.replicated for level in levels)
    if not known:
        return Estimate(value, None, None)
    margin = float(uncertainty(levels).margin(np.array(sides))[0])
    return Estimate(value, max(value - margin, least), min(value + margin, 1.0))

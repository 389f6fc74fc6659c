"""Rates of single programs: between which n each one's own curve reaches its instruction.

A program's accuracy at a few n tells between which two of them its demonstrations reach what its
instruction gives, and no more: interval-censored data, and the distribution is Turnbull's estimate.
It is wider than that of the true rates, since a program's accuracies carry the noise of its few
items and runs, and its median is not the rate of the mean accuracy (Jensen).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np

from analysis.comparison import Contest
from analysis.curves import Array
from analysis.exchange import CEILING, FLOOR
from analysis.isotonic import TIE, isotonic
from analysis.turnbull import Distribution, turnbull

MedianState = Literal["estimated", "left_censored", "right_censored", "not_comparable"]


@dataclass(frozen=True)
class ProgramRates:
    """The distribution of rates over programs.

    support: (left, right, mass) of each interval (left, right] that has mass, n ascending; left 0
    is below the smallest n, right null above the largest. below_smallest, above_largest: the mass
    there. median_low, median_high: the interval that holds the median; median: within it, as if
    its mass were spread evenly over log n; null unless estimated, that is, between two n that were
    run. n_programs: programs that say something; n_silent: those at floor or at ceiling with the
    instruction and at every n alike, which do not, and are left out.
    """

    median_state: MedianState
    median: float | None
    median_low: float | None
    median_high: float | None
    below_smallest: float | None
    above_largest: float | None
    support: tuple[tuple[float, float | None, float], ...]
    n_programs: int
    n_silent: int


def program_rates(contest: Contest) -> ProgramRates:
    """Every program weighs the same, whatever its items and runs."""
    brackets, silent = _brackets(contest)
    if not len(brackets):
        return ProgramRates("not_comparable", None, None, None, None, None, (), 0, silent)
    found = turnbull(brackets, np.ones(len(brackets)))
    smallest, largest = contest.demonstrations[0].n, contest.demonstrations[-1].n
    cell = int(np.searchsorted(np.cumsum(found.mass), 0.5 - TIE))
    low, high = float(found.left[cell]), float(found.right[cell])
    state: MedianState = "estimated"
    if low < smallest or high > largest:
        state = "left_censored" if low < smallest else "right_censored"
    return ProgramRates(
        state,
        _within(found, cell) if state == "estimated" else None,
        low,
        high if np.isfinite(high) else None,
        float(found.mass[found.right <= smallest].sum()),
        float(found.mass[found.left >= largest].sum()),
        tuple(
            (float(a), float(b) if np.isfinite(b) else None, float(mass))
            for a, b, mass in zip(found.left, found.right, found.mass, strict=True)
        ),
        len(brackets),
        silent,
    )


def _within(found: Distribution, cell: int) -> float:
    """Where in its interval the median lies, were the mass spread evenly over log n."""
    before = found.mass[:cell].sum()
    share = np.clip((0.5 - before) / found.mass[cell], 0, 1)
    ends = np.log([found.left[cell], found.right[cell]])
    return float(np.exp(ends[0] + share * (ends[1] - ends[0])))


def _brackets(contest: Contest) -> tuple[Array, int]:
    """(left, right] of the programs that say something, shape (programs, 2); how many do not.

    A program's curve is the isotonic fit of its means over runs; it reaches its instruction at the
    first n where it is no less.
    """
    shown = contest.demonstrations
    curve = np.stack([level.accuracy.mean(axis=0) for level in shown], axis=1)
    instruction = contest.levels[0].accuracy.mean(axis=0)
    either = np.column_stack([instruction, curve])
    silent = (either <= FLOOR).all(axis=1) | (either >= CEILING).all(axis=1)
    weight = np.array([float(len(level.clusters)) for level in shown])
    below = isotonic(curve[~silent], weight) < instruction[~silent, None] - TIE
    n = np.array([0.0, *(level.n for level in shown), np.inf])
    first = below.sum(axis=1)
    return np.stack([n[first], n[first + 1]], axis=1), int(silent.sum())

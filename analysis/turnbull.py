"""The distribution of what is known to lie in intervals alone.

Turnbull (1976, J. R. Statist. Soc. B 38, 290-295): the nonparametric maximum likelihood estimate
from interval-censored, right-censored and exact observations. With exact and right-censored ones it
is that of Kaplan and Meier.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise
from typing import Final

import numpy as np
from scipy.optimize import nnls

from analysis.curves import Array

CONVERGED: Final = 1e-9
"""Log-likelihood per observation that is at most still to be gained."""

LEAST_MASS: Final = 1e-6
"""Self-consistency takes mass away and never all of it; less than this is none."""

MOST_STEPS: Final = 1000


@dataclass(frozen=True, eq=False)
class Distribution:
    """Mass on intervals (left, right], ascending; right may be inf, and left = right is a point."""

    left: Array
    right: Array
    mass: Array


def turnbull(intervals: Array, weight: Array) -> Distribution:
    """The distribution under which observations in (left, right] are likeliest.

    intervals: shape (k, 2), left <= right <= inf; left = right is an exact observation, right = inf
    a right-censored one. weight: shape (k,), positive. Mass can lie on the innermost intervals
    alone, those from a left end to the next end, if that is a right one (Peto 1973); where in them
    it lies is not known. Those that get none are left out. Raises ValueError for what is no
    interval, or for none.
    """
    wrong = np.flatnonzero(~(intervals[:, 0] <= intervals[:, 1]) | ~(weight > 0))
    if not len(intervals) or len(wrong):
        found = intervals[wrong[0]].tolist() if len(wrong) else "none"
        raise ValueError(f"turnbull needs intervals left <= right with weight > 0; got {found}")
    left, right = _innermost(intervals)
    holds = _holds(intervals, left, right)
    share = weight / weight.sum()
    mass = np.full(len(left), 1 / len(left))
    for _ in range(MOST_STEPS):
        gain = (share / (holds @ mass)) @ holds
        # At the maximum no interval would gain by more mass (Gentleman & Geyer 1994).
        if gain.max() <= 1 + CONVERGED:
            kept = mass > LEAST_MASS
            return Distribution(left[kept], right[kept], mass[kept] / mass[kept].sum())
        mass = _leapt(holds, share, mass * gain)  # the self-consistent step, and further
    raise ValueError(f"turnbull: no end after {MOST_STEPS} steps on {len(intervals)} intervals")


def _leapt(holds: Array, share: Array, mass: Array) -> Array:
    """What a Newton step makes of the masses, where that is likelier; else the same.

    Self-consistency alone needs ever more steps where an interval hardly wants its mass. With S the
    slopes of the log-likelihoods the step solves min |sqrt(share) (S p - 2)| over p >= 0 of sum 1
    (Wang 2008, Comput. Statist. Data Anal. 52, 2388-2402).
    """
    slope = holds / (holds @ mass)[:, None]
    rows = np.vstack([np.sqrt(share)[:, None] * (slope - 2), np.ones(len(mass))])
    try:
        aim, _ = nnls(rows, np.append(np.zeros(len(share)), 1.0))
    except RuntimeError:  # it gave up; the slower way goes on
        return mass
    now = share @ np.log(holds @ mass)
    for length in (1.0, 0.5, 0.25):
        leap = (1 - length) * mass + length * aim / aim.sum()
        likelihood = holds @ leap
        if likelihood.min() > 0 and share @ np.log(likelihood) > now:
            return np.asarray(leap)
    return mass


def _innermost(intervals: Array) -> tuple[Array, Array]:
    """Ends in order; at one place an exact observation begins, then right ends are, then (left."""
    exact = intervals[:, 0] == intervals[:, 1]
    begins = zip(intervals[:, 0].tolist(), np.where(exact, 0, 2).tolist(), strict=True)
    ends = sorted({*begins, *((at, 1) for at in intervals[:, 1].tolist())})
    pairs = [(a, b) for (a, begin), (b, end) in pairwise(ends) if begin != 1 and end == 1]
    left, right = np.array(pairs).T
    return left, right


def _holds(intervals: Array, left: Array, right: Array) -> Array:
    """1 where an innermost interval lies within an observation's, shape (k, innermost)."""
    low, high = intervals[:, :1], intervals[:, 1:]
    point = left == right
    inside = (right <= high) & np.where(point & (low < high), left > low, left >= low)
    return np.asarray(inside, dtype=np.float64)

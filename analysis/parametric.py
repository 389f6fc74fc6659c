"""Logistic curves through a contest's levels, and the rate of one instruction that they give.

A quasi-likelihood fit with a sandwich covariance: weights are those of a binomial mean, while
variances are those of the level means, programs and runs two-way (`covariance`), never of counted
items. The rate's interval is a test inversion, as that of the primary estimate is.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from analysis.comparison import Contest
from analysis.covariance import Uncertainty, sensitivity
from analysis.curves import Array, Level
from analysis.exchange import GRID, NO_INTERVAL, estimate, gain_of, has_interval
from analysis.logistic import Curves, NoFit, fit

LEAST_N: Final = 4
"""n that a curve needs. Three would do with asymptotes known in advance, and none is: where many
demonstrations lead is an unknown of every study, and the lower one is known to arm `none` alone."""


@dataclass(frozen=True)
class ParametricRate:
    """Demonstrations that one instruction is worth, by a logistic curve.

    rate: null where refused, for the `reason`; never beyond the n that were run. low, high: 95%
    interval, null where open, or where there is none, for the `reason`. curve: (c, d, b, e) of
    `logistic`, null where none fits.
    """

    rate: float | None
    low: float | None
    high: float | None
    curve: tuple[float, float, float, float] | None
    reason: str


@dataclass(frozen=True, eq=False)
class Fitted:
    """Curves, and which of the contest's levels (`columns`) they were fitted to.

    log_n, of, mean: place, curve (1: arm `both`) and accuracy of the fitted levels.
    """

    curves: Curves
    columns: tuple[int, ...]
    n_levels: int
    log_n: Array
    of: NDArray[np.intp]
    mean: Array

    def over_levels(self, influence: Array) -> Array:
        """Influences of the fitted levels, shape (k, fitted), as contrasts of all levels."""
        found = np.zeros((len(influence), self.n_levels))
        found[:, self.columns] = influence
        return found

    def heights(self) -> Array:
        """The curves' accuracy where levels were fitted."""
        return self.curves.at(self.log_n, self.of)

    def gradient(self) -> Array:
        """What those heights owe to the fitted levels, shape (fitted, fitted)."""
        return self.curves.gradient(self.log_n, self.of)


def fitted(contest: Contest, series: Sequence[str], *, own_slopes: bool = False) -> Fitted:
    """Curves through all levels of these series. Raises NoFit."""
    columns = tuple(i for i, level in enumerate(contest.levels) if level.series in series)
    chosen: list[Level] = [contest.levels[i] for i in columns]
    with np.errstate(divide="ignore"):
        log_n = np.log([float(level.n) for level in chosen])
    of = np.array([int(level.series == "both") for level in chosen])
    mean = np.array([level.mean for level in chosen])
    weight = np.array([len(level.clusters) / sensitivity(level) for level in chosen])
    curves = fit(log_n, mean, weight, of, own_slopes=own_slopes)
    return Fitted(curves, columns, len(contest.levels), log_n, of, mean)


def parametric_rate(contest: Contest, known: Uncertainty | None) -> ParametricRate:
    """The n at which the demonstrations arm's curve reaches the instruction's accuracy.

    known: uncertainty of the contest's levels; without it there is no interval. Arm `none` is the
    curve at n = 0, so it joins the fit.
    """
    shown = contest.demonstrations
    point = estimate(contest, None, None)
    if point.state == "not_comparable":
        return _refused(point.reason)
    if len(shown) < LEAST_N:
        return _refused(f"demonstrations were run at {len(shown)} n; a curve takes {LEAST_N}")
    try:
        found = fitted(contest, ("none", "demonstrations"))
    except NoFit as error:
        return _refused(str(error))
    curves = found.curves
    b, a = float(curves.slope[0]), float(curves.intercept[0])
    curve = (curves.lower, curves.upper, b, float(np.exp(-a / b)))
    log_rate = curves.inverse(contest.levels[0].mean, 0)
    if log_rate < np.log(shown[0].n):
        return _refused(f"by the curve the rate is below {shown[0].n}, the smallest n", curve)
    if log_rate > np.log(shown[-1].n):
        return _refused(f"by the curve the rate is above {shown[-1].n}, the largest n", curve)
    if known is None or not has_interval(contest):
        return ParametricRate(float(np.exp(log_rate)), None, None, curve, NO_INTERVAL)
    low, high = _inverted(found, contest, known, log_rate)
    return ParametricRate(float(np.exp(log_rate)), low, high, curve, "")


def _refused(reason: str, curve: tuple[float, float, float, float] | None = None) -> ParametricRate:
    return ParametricRate(None, None, None, curve, reason)


def _inverted(
    found: Fitted, contest: Contest, known: Uncertainty, log_rate: float
) -> tuple[float | None, float | None]:
    """Least and greatest n at which the fitted curve and the instruction cannot be told apart."""
    shown = contest.demonstrations
    grid = np.linspace(np.log(shown[0].n), np.log(shown[-1].n), GRID)
    at = np.sort(np.append(grid, log_rate))
    of = np.zeros(len(at), dtype=np.intp)
    gap = found.over_levels(found.curves.gradient(at, of))
    gap[:, 0] -= 1
    distance = np.abs(found.curves.at(at, of) - contest.levels[0].mean)
    excess = distance - known.margin(gap)
    held = np.flatnonzero(excess <= 0)
    first, last = int(held[0]), int(held[-1])
    low = high = None
    if first > 0 and _taught(contest, known):
        low = float(np.exp(np.interp(0, -excess[first - 1 : first + 1], at[first - 1 : first + 1])))
    if last < len(at) - 1:
        high = float(np.exp(np.interp(0, excess[last : last + 2], at[last : last + 2])))
    return low, high


def _taught(contest: Contest, known: Uncertainty) -> bool:
    """Whether the instruction is clearly above arm `none`, or nothing is known of that arm.

    If not, perhaps it taught nothing; then it is worth less than any demonstration.
    """
    gain = gain_of(contest)
    means = np.array([level.mean for level in contest.levels])
    return gain is None or float(gain @ means) > float(known.margin(gain)[0])

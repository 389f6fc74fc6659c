"""What the instruction adds where demonstrations are mixed in: arm `both`.

With F0 the curve of demonstrations alone and F1(n) the accuracy of the instruction and n of them:
additive A(n) = F0^-1(F1(n)) - n, the demonstrations that the instruction still replaces, and
multiplier rho(n) = F0^-1(F1(n)) / n, what each demonstration beside it counts for (Hernandez et al.
2021, arXiv:2102.01293, has both for pretraining data). A constant A and a constant rho are
different stories, so both are shown. F0^-1 is the primary estimator's and extrapolates nothing.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from analysis.chance import baseline
from analysis.comparison import Contest
from analysis.curves import Array, Level
from analysis.exchange import CEILING, FLOOR, NO_INTERVAL, State, curve, has_interval, limits
from analysis.intervals import order_statistics
from analysis.isotonic import TIE, invert


@dataclass(frozen=True)
class MixedRate:
    """One n of arm `both`. Let N be the demonstrations alone that give the same accuracy.

    additive: N - n; multiplier: N / n; null unless estimated. bound: the largest or smallest n of
    the demonstrations arm where N is above or below it (so A is above or below bound - n, and rho
    bound / n), else null. Limits: 95% bootstrap interval, null where open or where there is none.
    """

    n: int
    state: State
    additive: float | None
    additive_low: float | None
    additive_high: float | None
    multiplier: float | None
    multiplier_low: float | None
    multiplier_high: float | None
    bound: float | None
    reason: str


def mixed_rates(contest: Contest, means: Array | None) -> tuple[MixedRate, ...]:
    """One for each n of arm `both`; none where it was not run.

    means: bootstrapped accuracies, shape (draws, levels of the contest); null: no interval.
    """
    if not contest.n_programs:
        return ()
    seen = np.array([[level.mean for level in contest.levels]])
    return tuple(
        _mixed(contest, level, column, seen, means)
        for column, level in enumerate(contest.levels)
        if level.series == "both"
    )


def _mixed(
    contest: Contest, level: Level, column: int, seen: Array, means: Array | None
) -> MixedRate:
    reason = _no_room(contest, level)
    if reason:
        return _rate(level.n, "not_comparable", None, (None, None), None, reason)
    ns = [shown.n for shown in contest.demonstrations]
    log_n = float(_equivalents(contest, seen, column)[0])
    state: State = "estimated"
    if np.isinf(log_n):
        state = "right_censored" if log_n > 0 else "left_censored"
    ends: tuple[float | None, float | None] = (None, None)
    if means is None or not (has_interval(contest) and level.replicated):
        reason = NO_INTERVAL
    else:
        ends = limits(order_statistics(_equivalents(contest, means, column)), contest)
    if state == "estimated":
        return _rate(level.n, state, float(np.exp(log_n)), ends, None, reason)
    bound = float(ns[-1] if state == "right_censored" else ns[0])
    return _rate(level.n, state, None, ends, bound, reason)


def _equivalents(contest: Contest, means: Array, column: int) -> Array:
    """Log of N, shape (draws,); -inf and inf beyond the n that were run."""
    log_n, weight, shown = curve(contest)
    return invert(log_n, means[:, shown], weight, means[:, column])


def _no_room(contest: Contest, level: Level) -> str:
    """Why the arms cannot be compared; empty where they can."""
    if contest.chance is not None and level.mean <= contest.chance.mean + TIE:
        return f"arm both, n = {level.n}, is not above {baseline(contest.chance)}"
    shown = [each.mean for each in contest.demonstrations]
    for name, values in ((f"both, n = {level.n},", [level.mean]), ("demonstrations", shown)):
        if min(values) >= CEILING:
            return f"arm {name} is at ceiling ({min(values):.0%})"
        if max(values) <= FLOOR:
            return f"arm {name} is at floor ({max(values):.0%})"
    return ""


def _rate(
    n: int,
    state: State,
    alone: float | None,
    limits: tuple[float | None, float | None],
    bound: float | None,
    reason: str,
) -> MixedRate:
    less = _each(lambda value: value - n, alone, *limits)
    times = _each(lambda value: value / n, alone, *limits)
    return MixedRate(n, state, *less, *times, bound, reason)


def _each(
    change: Callable[[float], float], value: float | None, low: float | None, high: float | None
) -> tuple[float | None, float | None, float | None]:
    """Applied to what is not null."""
    return (
        None if value is None else change(value),
        None if low is None else change(low),
        None if high is None else change(high),
    )

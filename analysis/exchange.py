"""The exchange rate: how many demonstrations give the accuracy that one instruction gives.

The curve over demonstrations is a centred isotonic regression on log n, straight in logits between
its points, inverted at the instruction
arm's accuracy. The interval is a test inversion, as Fieller's is: every n at which a t test does
not tell the curve from the instruction. Nothing is extrapolated: beyond the n that were run, a rate
is censored and a limit open.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, Literal

import numpy as np

from analysis.chance import doubtful, guessing
from analysis.comparison import Contest
from analysis.covariance import Uncertainty
from analysis.curves import Array
from analysis.intervals import Interval, order_statistics
from analysis.isotonic import TIE, curve_at, invert

State = Literal["estimated", "right_censored", "left_censored", "not_comparable"]

FLOOR: Final = 0.01
CEILING: Final = 0.99
"""An arm below the one or above the other has no room left to differ."""

NO_INTERVAL: Final = "no interval: it takes at least two stage-1 seeds and two programs"

DRAWN: Final = 49
"""Places at which a curve is drawn."""

GRID: Final = 161
"""Places between the smallest and the largest log n at which the curve is tested."""


@dataclass(frozen=True)
class ExchangeRate:
    """One instruction in demonstrations per program.

    rate: null unless estimated. bound: the censoring point (the largest or the smallest n), null
    unless censored. ci_low, ci_high: null where open. mass_below, mass_above: shares of bootstrap
    draws beyond the n that were run (null without an interval). reason: why there is no rate or no
    interval, and what to be careful about; empty where there is nothing to say.
    """

    state: State
    rate: float | None
    bound: float | None
    ci_low: float | None
    ci_high: float | None
    mass_below: float | None
    mass_above: float | None
    reason: str


def estimate(contest: Contest, known: Uncertainty | None, draws: Array | None) -> ExchangeRate:
    """The rate, its state, and its interval by test inversion (statistics: estimators 1 and 2).

    known: uncertainty of the contest's levels; null where there is none. draws: `log_rates`, which
    give the masses and no more.
    """
    point, reason = _point(contest)
    if point is None:
        return _incomparable(reason)
    state, rate, bound = _state(point, contest)
    if known is None or draws is None or not has_interval(contest):
        return ExchangeRate(state, rate, bound, None, None, None, None, NO_INTERVAL)
    interval = _inversion(contest, known, point)
    gain = gain_of(contest)
    if gain is None:
        reason = "not checked against arm 'none', which was not run"
    elif float(gain @ _means(contest) - known.margin(gain)[0]) <= 0:
        reason = "the instruction is not clearly above arm 'none'"
        # Perhaps it taught nothing; then it is worth less than any demonstration.
        interval = Interval(-np.inf, interval.high)
    low, high = limits(interval, contest)
    reasons = "; ".join(told for told in (reason, doubtful(contest)) if told)
    return ExchangeRate(state, rate, bound, low, high, *_masses(draws), reasons)


def cross_check(contest: Contest, draws: Array | None) -> ExchangeRate:
    """The same rate with the interval of the hierarchical bootstrap (statistics: estimator 3)."""
    point, reason = _point(contest)
    if point is None:
        return _incomparable(reason)
    state, rate, bound = _state(point, contest)
    if draws is None or not has_interval(contest):
        return ExchangeRate(state, rate, bound, None, None, None, None, NO_INTERVAL)
    low, high = limits(order_statistics(draws), contest)
    return ExchangeRate(state, rate, bound, low, high, *_masses(draws), "")


def log_rates(contest: Contest, means: Array) -> Array:
    """Log rate of every bootstrap draw, shape (draws,); -inf and inf beyond the n that were run.

    means: bootstrapped accuracies, shape (draws, levels of the contest). A draw in which the
    instruction taught nothing is worth less than any demonstration.
    """
    log_n, weight, columns = curve(contest)
    draws = invert(log_n, means[:, columns], weight, means[:, 0])
    gain = gain_of(contest)
    return draws if gain is None else np.where(means @ gain <= TIE, -np.inf, draws)


def curve_fit(contest: Contest) -> list[tuple[float, float]]:
    """The centred isotonic curve as (n, accuracy), flat to both ends as the method has it."""
    log_n, weight, _ = curve(contest)
    accuracy = np.array([level.mean for level in contest.demonstrations])
    at = np.unique(np.concatenate([log_n, np.linspace(log_n[0], log_n[-1], DRAWN)]))
    height, _ = curve_at(log_n, accuracy, weight, at)
    return [(float(n), float(y)) for n, y in zip(np.exp(at), height, strict=True)]


def has_interval(contest: Contest) -> bool:
    """Whether run noise can be seen: it takes two stage-1 seeds in either arm, and two programs."""
    shown = any(level.replicated for level in contest.demonstrations)
    return contest.levels[0].replicated and shown and contest.n_programs >= 2


def _incomparable(reason: str) -> ExchangeRate:
    return ExchangeRate("not_comparable", None, None, None, None, None, None, reason)


def _point(contest: Contest) -> tuple[float | None, str]:
    """The inverted log n; null with the reason where the arms cannot be compared."""
    if not contest.n_programs:
        return None, "no program was answered in every arm and run"
    log_n, weight, columns = curve(contest)
    means = _means(contest)
    value = float(invert(log_n, means[None, columns], weight, means[:1])[0])
    reason = _unfit(contest, value)
    return (None if reason else value), reason


def _state(value: float, contest: Contest) -> tuple[State, float | None, float | None]:
    """State, rate and bound of an inverted log n."""
    if value == np.inf:
        return "right_censored", None, float(contest.demonstrations[-1].n)
    if value == -np.inf:
        return "left_censored", None, float(contest.demonstrations[0].n)
    n = np.array([level.n for level in contest.demonstrations])
    rate = float(np.exp(value))
    at = int(np.abs(n - rate).argmin())
    # The logarithm and back cost the last bits of an n that was run.
    return "estimated", float(n[at]) if abs(n[at] - rate) < TIE * rate else rate, None


def _inversion(contest: Contest, known: Uncertainty, point: float) -> Interval:
    """Least and greatest log n at which curve and instruction cannot be told apart."""
    log_n, weight, columns = curve(contest)
    means = _means(contest)
    # The estimate is among the places, so that no interval can fall between two of them.
    estimated = np.clip(point, log_n[0], log_n[-1])
    at = np.sort(np.append(np.linspace(log_n[0], log_n[-1], GRID), estimated))
    height, gradient = curve_at(log_n, means[columns], weight, at)
    gap = np.zeros((len(at), len(means)))
    gap[:, columns] = gradient
    gap[:, 0] = -1
    excess = np.abs(height - means[0]) - known.margin(gap)
    held = np.flatnonzero(excess <= TIE)
    if not len(held):
        # Every n that was run differs, so the interval lies beyond them.
        return Interval(min(point, at[-1]), max(point, at[0]))
    first, last = int(held[0]), int(held[-1])
    low = -np.inf if first == 0 else _crossing(at, excess, first - 1)
    high = np.inf if last == len(at) - 1 else _crossing(at, excess, last)
    return Interval(low, high)


def _crossing(at: Array, excess: Array, left: int) -> float:
    """Where the excess passes 0 between two neighbours of the grid."""
    fall = excess[left] - excess[left + 1]
    step = np.clip(excess[left] / fall, 0, 1) if abs(fall) > TIE else 1.0
    return float(at[left] + step * (at[left + 1] - at[left]))


def curve(contest: Contest) -> tuple[Array, Array, list[int]]:
    """log n, weights (runs clustered on stage 1) and columns of the demonstrations levels."""
    shown = contest.demonstrations
    log_n = np.log([float(level.n) for level in shown])
    weight = np.array([float(len(level.clusters)) for level in shown])
    columns = [i for i, level in enumerate(contest.levels) if level.series == "demonstrations"]
    return log_n, weight, columns


def _means(contest: Contest) -> Array:
    return np.array([level.mean for level in contest.levels])


def gain_of(contest: Contest) -> Array | None:
    """Coefficients of instruction minus none; null where arm 'none' was not run."""
    none = contest.at("none")
    if none is None:
        return None
    gain = np.zeros(len(contest.levels))
    gain[[0, contest.levels.index(none)]] = 1, -1
    return gain


def _unfit(contest: Contest, value: float) -> str:
    """Why the arms cannot be compared; empty where they can."""
    instruction, none = contest.levels[0].mean, contest.at("none")
    curve = [level.mean for level in contest.demonstrations]
    guess = guessing(contest)
    if guess:
        return guess
    if none is not None and instruction <= none.mean + TIE:
        return f"the instruction ({instruction:.0%}) is not above arm 'none' ({none.mean:.0%})"
    if none is None and value == -np.inf:
        return "the instruction is below the smallest n, and without arm 'none' that says nothing"
    if np.isfinite(value) and max(curve) - min(curve) <= TIE:
        return f"every n that was run gives {max(curve):.0%}, so none can be told from another"
    for name, values in (("instruction", [instruction]), ("demonstrations", curve)):
        if min(values) >= CEILING:
            return f"the {name} arm is at ceiling ({min(values):.0%})"
        if max(values) <= FLOOR:
            return f"the {name} arm is at floor ({max(values):.0%})"
    return ""


def limits(interval: Interval, contest: Contest) -> tuple[float | None, float | None]:
    """Limits in demonstrations; null where open.

    A lower limit beyond the largest n is known to exceed it, and no more; likewise an upper one.
    """
    n_min, n_max = contest.demonstrations[0].n, contest.demonstrations[-1].n
    low = None if interval.low == -np.inf else float(min(np.exp(interval.low), n_max))
    high = None if interval.high == np.inf else float(max(np.exp(interval.high), n_min))
    return low, high


def _masses(draws: Array) -> tuple[float, float]:
    return float(np.mean(draws == -np.inf)), float(np.mean(draws == np.inf))

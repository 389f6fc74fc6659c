"""The exchange rate: how many demonstrations give the accuracy that one instruction gives.

Centred isotonic regression (Oron & Flournoy 2017, arXiv:1701.05964) of accuracy on log n, inverted
at the instruction arm's accuracy. Nothing is extrapolated: beyond the n that were run, a rate is
censored.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, Literal

import numpy as np

from analysis.comparison import Contest
from analysis.curves import Array
from analysis.intervals import Interval, order_statistics

State = Literal["estimated", "right_censored", "left_censored", "not_comparable"]

FLOOR: Final = 0.01
CEILING: Final = 0.99
"""An arm below the one or above the other has no room left to differ."""

TIE: Final = 1e-9
"""Accuracies closer than this are equal; sums of shares differ in the last bits."""


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


def isotonic(y: Array, weight: Array) -> Array:
    """Weighted non-decreasing least-squares fit along the last axis (max-min formula)."""
    size = y.shape[-1]
    total = np.concatenate([np.zeros((*y.shape[:-1], 1)), np.cumsum(y * weight, axis=-1)], axis=-1)
    mass = np.concatenate([[0.0], np.cumsum(weight)])
    fitted = np.full(y.shape, -np.inf)
    for start in range(size):
        ends = np.arange(start + 1, size + 1)
        means = (total[..., ends] - total[..., [start]]) / (mass[ends] - mass[start])
        # Least mean of a block from `start` to k or beyond, for every k >= start.
        least = np.minimum.accumulate(means[..., ::-1], axis=-1)[..., ::-1]
        fitted[..., start:] = np.maximum(fitted[..., start:], least)
    return fitted


def centres(x: Array, fitted: Array, weight: Array) -> Array:
    """For every point the weighted mean x of its flat stretch: what makes the fit invertible."""
    steps = np.diff(fitted, axis=-1) > TIE
    block = np.concatenate([np.zeros((*fitted.shape[:-1], 1)), np.cumsum(steps, axis=-1)], axis=-1)
    same = (block[..., :, None] == block[..., None, :]) * weight
    return np.asarray((same @ x) / same.sum(axis=-1))


def invert(x: Array, y: Array, weight: Array, target: Array) -> Array:
    """x at which the centred isotonic fit reaches the target; -inf below the fit, inf above it.

    x, weight: shape (levels,), x increasing. y: shape (draws, levels). target: shape (draws,).
    """
    fitted = isotonic(y, weight)
    centre = centres(x, fitted, weight)
    aim = target[:, None]
    below, above = fitted <= aim + TIE, fitted >= aim - TIE
    last = np.maximum(below.sum(axis=1) - 1, 0)
    first = np.minimum((~above).sum(axis=1), len(x) - 1)
    row = np.arange(len(y))
    rise = fitted[row, first] - fitted[row, last]
    share = np.where(rise > TIE, (target - fitted[row, last]) / np.where(rise > TIE, rise, 1), 0)
    found = centre[row, last] + share * (centre[row, first] - centre[row, last])
    return np.where(~below.any(axis=1), -np.inf, np.where(~above.any(axis=1), np.inf, found))


def estimate(contest: Contest, means: Array) -> ExchangeRate:
    """The rate of a contest, its state and its interval.

    means: bootstrapped accuracies, shape (draws, levels of the contest).
    """
    if not contest.n_programs:
        return _incomparable("no program was answered in every arm and run")
    log_n, weight, columns = _curve(contest)
    accuracy = np.array([[level.mean for level in contest.demonstrations]])
    value = float(invert(log_n, accuracy, weight, np.array([contest.levels[0].mean]))[0])
    reason = _unfit(contest, value)
    if reason:
        return _incomparable(reason)
    n_min, n_max = contest.demonstrations[0].n, contest.demonstrations[-1].n
    state, rate, bound = _state(value, n_min, n_max)
    if not _has_interval(contest):
        reason = "no interval: it takes at least two stage-1 seeds and two programs"
        return ExchangeRate(state, rate, bound, None, None, None, None, reason)
    draws = invert(log_n, means[:, columns], weight, means[:, 0])
    none = contest.at("none")
    if none is None:
        reason = "not checked against arm 'none', which was not run"
    else:
        gain = means[:, 0] - means[:, contest.levels.index(none)]
        # A draw in which the instruction taught nothing is worth less than any demonstration.
        draws = np.where(gain <= TIE, -np.inf, draws)
        if order_statistics(gain).low <= 0:
            reason = "the instruction is not clearly above arm 'none'"
    low, high = _limits(order_statistics(draws), n_min, n_max)
    below, above = float(np.mean(draws == -np.inf)), float(np.mean(draws == np.inf))
    return ExchangeRate(state, rate, bound, low, high, below, above, reason)


def _incomparable(reason: str) -> ExchangeRate:
    return ExchangeRate("not_comparable", None, None, None, None, None, None, reason)


def _state(value: float, n_min: int, n_max: int) -> tuple[State, float | None, float | None]:
    """State, rate and bound of an inverted log n."""
    if value == np.inf:
        return "right_censored", None, float(n_max)
    if value == -np.inf:
        return "left_censored", None, float(n_min)
    return "estimated", float(np.exp(value)), None


def curve_fit(contest: Contest) -> list[tuple[float, float]]:
    """The centred isotonic curve as (n, accuracy), flat to both ends as the method has it."""
    log_n, weight, _ = _curve(contest)
    accuracy = np.array([level.mean for level in contest.demonstrations])
    fitted = isotonic(accuracy[None], weight)
    centre = np.exp(centres(log_n, fitted, weight)[0])
    n = np.exp(log_n)
    points = {float(n[0]): float(fitted[0, 0])}
    points |= {float(x): float(y) for x, y in zip(centre, fitted[0], strict=True)}
    return [*points.items(), (float(n[-1]), float(fitted[0, -1]))]


def _curve(contest: Contest) -> tuple[Array, Array, list[int]]:
    """log n, weights (runs clustered on stage 1) and columns of the demonstrations levels."""
    shown = contest.demonstrations
    log_n = np.log([float(level.n) for level in shown])
    weight = np.array([float(len(level.clusters)) for level in shown])
    columns = [i for i, level in enumerate(contest.levels) if level.series == "demonstrations"]
    return log_n, weight, columns


def _has_interval(contest: Contest) -> bool:
    shown = {cluster for level in contest.demonstrations for cluster in level.clusters}
    return contest.levels[0].replicated and len(shown) >= 2 and contest.n_programs >= 2


def _unfit(contest: Contest, value: float) -> str:
    """Why the arms cannot be compared; empty where they can."""
    instruction, none = contest.levels[0].mean, contest.at("none")
    curve = [level.mean for level in contest.demonstrations]
    if none is not None and instruction <= none.mean + TIE:
        return f"the instruction ({instruction:.0%}) is not above arm 'none' ({none.mean:.0%})"
    if none is None and value == -np.inf:
        return "the instruction is below the smallest n, and without arm 'none' that says nothing"
    for name, values in (("instruction", [instruction]), ("demonstrations", curve)):
        if min(values) >= CEILING:
            return f"the {name} arm is at ceiling ({min(values):.0%})"
        if max(values) <= FLOOR:
            return f"the {name} arm is at floor ({max(values):.0%})"
    return ""


def _limits(interval: Interval, n_min: int, n_max: int) -> tuple[float | None, float | None]:
    """Limits in demonstrations; null where open.

    A lower limit beyond the largest n is known to exceed it, and no more; likewise an upper one.
    """
    low = None if interval.low == -np.inf else float(min(np.exp(interval.low), n_max))
    high = None if interval.high == np.inf else float(max(np.exp(interval.high), n_min))
    return low, high

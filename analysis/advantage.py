"""Average data advantage of an instruction, for comparison with published figures.

Le Scao & Rush (2021), How many data points is a prompt worth?, NAACL: the mean horizontal
distance between two curves, over the accuracies that both reach. Here the curves are of
the demonstrations arm, which begins at arm `none`, and of the arm `both`, which begins at the
instruction; n is linear. Unlike there, a level is the mean over runs and not their maximum, which
rises with their number; curves are isotonic fits and not running maxima; the integral is exact; and
the interval is of programs and runs.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from analysis.comparison import Contest
from analysis.curves import Array, Level, Series
from analysis.exchange import NO_INTERVAL, has_interval
from analysis.intervals import order_statistics
from analysis.isotonic import TIE, isotonic


@dataclass(frozen=True)
class Advantage:
    """value: demonstrations per program that the instruction saves, on average over `window`.

    Null where the curves have no accuracy in common, or an arm was not run, for the `reason`; so is
    window: least and greatest accuracy that both curves reach. low, high: 95% bootstrap interval;
    null where there is none, or where more than 2.5% of the draws have no window.
    """

    value: float | None
    low: float | None
    high: float | None
    window: tuple[float, float] | None
    reason: str


def average_advantage(contest: Contest, means: Array | None) -> Advantage:
    """means: bootstrapped accuracies, shape (draws, levels of the contest); null: no interval."""
    needed: tuple[Series, ...] = ("none", "both")
    for arm in needed:
        if contest.at(arm) is None:
            return Advantage(None, None, None, None, f"arm '{arm}' was not run")
    if not contest.n_programs:
        none_left = "no program was answered in every arm and run"
        return Advantage(None, None, None, None, none_left)
    shown, both = (
        _columns(contest, "none", "demonstrations"),
        _columns(contest, "instruction", "both"),
    )
    seen = np.array([[level.mean for level in contest.levels]])
    value, low, high = (float(part[0]) for part in _distance(contest.levels, seen, shown, both))
    if np.isnan(value):
        apart = f"no accuracy in common: one curve starts at {low:.0%}, one ends at {high:.0%}"
        return Advantage(None, None, None, None, apart)
    replicated = has_interval(contest) and any(level.replicated for level in contest.both)
    if means is None or not replicated:
        return Advantage(value, None, None, (low, high), NO_INTERVAL)
    draws, _, _ = _distance(contest.levels, means, shown, both)
    # A draw without a window might be anything, so it counts against either limit.
    lost = np.isnan(draws)
    least = order_statistics(np.where(lost, -np.inf, draws)).low
    most = order_statistics(np.where(lost, np.inf, draws)).high
    return Advantage(
        value,
        least if np.isfinite(least) else None,
        most if np.isfinite(most) else None,
        (low, high),
        "",
    )


def _columns(contest: Contest, first: Series, rest: Series) -> list[int]:
    """Where a curve's levels are, n = 0 first."""
    series = [level.series for level in contest.levels]
    return [series.index(first), *(i for i, name in enumerate(series) if name == rest)]


def _distance(
    levels: tuple[Level, ...], means: Array, shown: list[int], both: list[int]
) -> tuple[Array, Array, Array]:
    """Mean horizontal distance of every draw, and the window's ends; nan where it is empty."""
    curves = []
    for columns in (shown, both):
        weight = np.array([float(len(levels[column].clusters)) for column in columns])
        n = np.array([float(levels[column].n) for column in columns])
        fitted = means[:, columns]  # a copy, to be mended where it falls
        falls = (np.diff(fitted, axis=1) < 0).any(axis=1)
        fitted[falls] = isotonic(fitted[falls], weight)
        curves.append((n, fitted))
    low = np.maximum(curves[0][1][:, 0], curves[1][1][:, 0])
    high = np.minimum(curves[0][1][:, -1], curves[1][1][:, -1])
    areas = [area_under_inverse(n, fitted, low, high) for n, fitted in curves]
    height = np.where(high - low > TIE, high - low, np.nan)
    return (areas[0] - areas[1]) / height, low, high


def area_under_inverse(n: Array, fitted: Array, low: Array, high: Array) -> Array:
    """Integral over accuracies low..high of the n at which a curve has them, shape (draws,).

    fitted: rising curves at n, shape (draws, levels), straight between. low, high: within them.
    """
    ends = np.clip(fitted, low[:, None], high[:, None])
    rise = np.diff(fitted, axis=1)
    step = np.diff(n) / np.where(rise > 0, rise, 1)
    left = n[:-1] + step * (ends[:, :-1] - fitted[:, :-1])
    right = n[:-1] + step * (ends[:, 1:] - fitted[:, :-1])
    return np.asarray((np.diff(ends, axis=1) * (left + right) / 2).sum(axis=1))

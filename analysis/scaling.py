"""How the exchange rate moves with model size, LoRA rank, acquisition programs and paths.

First the trend, one number: the slope of log10 rate on log10 of the factor, every other factor
equal. Then which comparisons differ, with intervals that hold for all pairs together.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from itertools import combinations
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from analysis.comparison import Contest
from analysis.covariance import COVERAGE
from analysis.curves import COMPARISON, Array
from analysis.exchange import State
from analysis.factors import split_paths
from analysis.intervals import DRAWS, order_statistics
from analysis.paired import LogRate, domain_paths, log_rates_of
from analysis.tobit import slopes

FACTORS: Final = ("n_params", "lora_rank", "acquisition", "paths")
"""What a rate may scale with. Rank 0 trains all weights, so it has no place on the rank's axis."""

MOST_COMPARED: Final = 20
"""Points that are compared in pairs; of more, pairs are too many to read, and to hold."""

MOST_CENSORED: Final = 0.5
"""Share of censored comparisons beyond which a slope would say more about the n than the rates."""


@dataclass(frozen=True)
class ScalingPoint:
    """One comparison of a trend, as log10 rate.

    value: the factor's. log10_rate: null where censored. low, high: intervals that hold for all
    points of the trend together; null where open.
    """

    value: float
    model: str
    log10_rate: float | None
    low: float | None
    high: float | None
    state: State


@dataclass(frozen=True)
class PairDifference:
    """Difference of log10 rates, value minus against; limits hold for all pairs together."""

    value: float
    against: float
    difference: float | None
    low: float | None
    high: float | None


@dataclass(frozen=True)
class Trend:
    """The slope of log10 rate on log10 factor, and what it is made of.

    slope: null where refused, for the `reason`. ci_low, ci_high: 95%, null where open or refused.
    p_value: two-sided, of slope 0. df: degrees of freedom of the runs' noise in it. differences:
    of all pairs, of up to MOST_COMPARED points. held: factors equal throughout. n_censored:
    comparisons whose rate is a bound.
    """

    factor: str
    held: dict[str, Any]
    slope: float | None
    ci_low: float | None
    ci_high: float | None
    p_value: float | None
    df: float
    points: tuple[ScalingPoint, ...]
    differences: tuple[PairDifference, ...]
    n_censored: int
    reason: str


@dataclass(frozen=True, eq=False)
class Slope:
    """A slope, or another mean of log rates, with bounds of its draws, shape (draws,)."""

    value: float
    draws_low: Array
    draws_high: Array

    @property
    def interval(self) -> tuple[float | None, float | None]:
        """95%, null where open."""
        low, high = order_statistics(self.draws_low).low, order_statistics(self.draws_high).high
        return (low if np.isfinite(low) else None), (high if np.isfinite(high) else None)

    @property
    def p_value(self) -> float:
        """Two-sided, of 0: twice the share of draws on its other side, the estimate among them."""
        below = float((self.draws_low <= 0).sum() + 1)
        above = float((self.draws_high >= 0).sum() + 1)
        return min(1.0, 2 * min(below, above) / (len(self.draws_low) + 1))


def trends(contests: Sequence[Contest], *, draws: int = DRAWS) -> tuple[Trend, ...]:
    """Every factor that takes two values or more while the others, and the formats, are equal."""
    return tuple(
        _trend(factor, held, group, draws)
        for factor in FACTORS
        for held, group in groups(contests, factor)
    )


def groups(
    contests: Sequence[Contest], factor: str
) -> Iterator[tuple[dict[str, Any], list[Contest]]]:
    """Comparisons equal in all but one factor, the factor ascending; at least two values."""
    found: dict[tuple[Any, ...], tuple[dict[str, Any], list[Contest]]] = {}
    for contest in contests:
        if not factor_value(contest, factor):
            continue
        held = _held(contest, factor)
        found.setdefault(tuple(held.values()), (held, []))[1].append(contest)
    for held, group in found.values():
        if len({factor_value(contest, factor) for contest in group}) >= 2:
            yield held, sorted(group, key=lambda contest: factor_value(contest, factor) or 0)


def factor_value(contest: Contest, factor: str) -> float | None:
    """The factor's value; null where the rows do not say, and 0 for rank 0."""
    value = domain_paths(contest) if factor == "paths" else contest.factors.get(factor)
    return None if value is None else float(value)


def _held(contest: Contest, factor: str) -> dict[str, Any]:
    """All other factors, and the formats compared. A model is its number of parameters here."""
    varied = {"n_params": {"n_params", "model"}}.get(factor, {factor})
    paths, rest = split_paths(contest.factors.get("factors"))
    known = {**{name: contest.factors.get(name) for name in COMPARISON}, "factors": rest}
    known["paths"] = paths
    held = {name: value for name, value in known.items() if name not in varied}
    return {**held, **asdict(contest.pair)}


@dataclass(frozen=True, eq=False)
class Along:
    """The comparisons of a trend that have a rate with an interval, the factor ascending.

    values: of the factor, shape (comparisons,). left_out: comparisons that have none.
    """

    values: Array
    contests: tuple[Contest, ...]
    rates: tuple[LogRate, ...]
    left_out: int

    @property
    def censored(self) -> int:
        """Comparisons whose rate is only a bound."""
        return sum(not rate.exact for rate in self.rates)


def along_of(group: Sequence[Contest], factor: str, *, draws: int = DRAWS) -> Along:
    """The rates of a group, drawn in pairs."""
    rates = log_rates_of(group, draws=draws)
    kept = [(c, rate) for c, rate in zip(group, rates, strict=True) if rate is not None]
    values = [factor_value(contest, factor) or np.nan for contest, _ in kept]
    return Along(
        np.array(values),
        tuple(contest for contest, _ in kept),
        tuple(rate for _, rate in kept),
        len(group) - len(kept),
    )


def refused(along: Along) -> str:
    """Why no slope is given; empty where one is."""
    exact = np.array([rate.exact for rate in along.rates], dtype=bool)
    if len(np.unique(along.values)) < 2:
        return "no slope: fewer than two values have a rate"
    if along.censored > MOST_CENSORED * len(exact):
        return f"no slope: {along.censored} of {len(exact)} rates are bounds; add other n"
    if len(np.unique(along.values[exact])) < 2:
        return "no slope: fewer than two values have a rate that is no bound"
    return ""


def fit(along: Along) -> Slope:
    """The slope of log10 rate on log10 value, weighted by variances; see `analysis.tobit`."""
    low = np.stack([np.append(rate.low, rate.draws_low) for rate in along.rates], axis=1)
    high = np.stack([np.append(rate.high, rate.draws_high) for rate in along.rates], axis=1)
    spread = np.array([rate.spread for rate in along.rates])
    least, most = slopes(np.log10(along.values), low, high, spread)
    return Slope(float(least[0]), least[1:], most[1:])


def _trend(factor: str, held: dict[str, Any], group: list[Contest], draws: int) -> Trend:
    along = along_of(group, factor, draws=draws)
    refusal = refused(along)
    slope = None if refusal else fit(along)
    low, high = slope.interval if slope else (None, None)
    clusters = [len(contest.levels[0].clusters) for contest in along.contests]
    left_out = f"{along.left_out} not comparable or without an interval, left out"
    return Trend(
        factor,
        held,
        slope.value if slope else None,
        low,
        high,
        slope.p_value if slope else None,
        float(sum(clusters) - len(clusters)),
        _points(along),
        _differences(along),
        along.censored,
        "; ".join(told for told in (refusal, left_out if along.left_out else "") if told),
    )


def _points(along: Along) -> tuple[ScalingPoint, ...]:
    if not along.rates:
        return ()
    limits = simultaneous(
        np.stack([rate.draws_low for rate in along.rates], axis=1),
        np.stack([rate.draws_high for rate in along.rates], axis=1),
    )
    rows = zip(along.values, along.contests, along.rates, limits, strict=True)
    return tuple(
        ScalingPoint(
            float(value),
            str(contest.factors.get("model")),
            rate.low if rate.exact else None,
            *_open(*limit),
            rate.state,
        )
        for value, contest, rate, limit in rows
    )


def _differences(along: Along) -> tuple[PairDifference, ...]:
    values, rates = along.values, along.rates
    pairs = [(b, a) for a, b in combinations(range(len(rates)), 2)]
    if not pairs or len(rates) > MOST_COMPARED:
        return ()
    limits = simultaneous(
        np.stack([rates[i].draws_low - rates[j].draws_high for i, j in pairs], axis=1),
        np.stack([rates[i].draws_high - rates[j].draws_low for i, j in pairs], axis=1),
    )
    return tuple(
        PairDifference(
            float(values[i]),
            float(values[j]),
            rates[i].low - rates[j].low if rates[i].exact and rates[j].exact else None,
            *_open(*limit),
        )
        for (i, j), limit in zip(pairs, limits, strict=True)
    )


def _open(low: float, high: float) -> tuple[float | None, float | None]:
    return (float(low) if np.isfinite(low) else None), (float(high) if np.isfinite(high) else None)


def simultaneous(low: Array, high: Array, coverage: float = COVERAGE) -> Array:
    """Intervals that hold for all columns together, shape (columns, 2).

    The max-|t| bootstrap on ranks (Mandel & Betensky 2008, doi:10.1016/j.csda.2007.07.005): each
    draw is as extreme as its most extreme column, and the intervals hold that share of draws
    whole. Ranks, not t, since a censored draw has no distance, though it has a side.

    low, high: bounds of every draw, shape (draws, columns), equal where it is a value.
    """
    draws = len(low)
    depth = np.full(draws, draws)
    for column in range(low.shape[1]):
        for values in (low[:, column], -high[:, column]):
            depth = np.minimum(depth, _at_most(values))
    outside = int(np.floor((1 - coverage) * (draws + 1)))
    at = max(int(np.sort(depth)[outside]), 1) - 1
    limits = np.sort(low, axis=0)[at], np.sort(high, axis=0)[draws - 1 - at]
    return np.stack(limits, axis=1)


def _at_most(values: Array) -> NDArray[np.int64]:
    """For every value, how many are no greater; equal values all count."""
    order = np.argsort(values)
    ordered = values[order]
    counts = np.empty(len(values), dtype=np.int64)
    counts[order] = np.searchsorted(ordered, ordered, side="right")
    return counts

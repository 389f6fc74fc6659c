"""What a study's rows say about a claim: an estimate and its interval, in the claim's unit."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Final

import numpy as np

from analysis.cells import Cells, matched, mean_of, sloped
from analysis.comparison import Contest, Pair
from analysis.exchange import ExchangeRate
from analysis.factors import EXECUTIONS, UNSAID, laid_open
from analysis.paired import domain_paths, log_rates_of
from analysis.scaling import Slope, along_of, fit, groups, refused
from search_spaces.claims import (
    Claim,
    Difference,
    Interaction,
    Rate,
    RateTrend,
    Trend,
    Value,
    coded,
    sides,
)

Rated = tuple[Contest, ExchangeRate]
"""A comparison under a pair of formats, and its rate."""

PER_POINT: Final = 100.0
"""Percentage points in an accuracy of 1."""


@dataclass(frozen=True)
class Found:
    """An estimate and its limits, null where open; comparisons = 0 where nothing was run."""

    estimate: float | None
    low: float | None
    high: float | None
    comparisons: int
    reason: str


NOT_RUN: Final = Found(None, None, None, 0, "this study has not run its cells")


def estimate_of(claim: Claim, cells: Cells, rated: Sequence[Rated], headline: Pair) -> Found:
    """headline: the pair of formats of a claim about rates that names none."""
    if isinstance(claim, Difference | Interaction):
        return _accuracy(cells, matched(cells, sides(claim)))
    if isinstance(claim, Trend):
        return _accuracy(cells, sloped(cells, claim.along, claim.where.named()))
    asked = claim.pair or headline
    pair = Pair(asked.instruction, asked.demonstrations, asked.demonstration_format)
    named = claim.where.named()
    chosen = [each for each in rated if each[0].pair == pair and _fits(each[0], named)]
    if not chosen:
        return NOT_RUN
    if isinstance(claim, RateTrend):
        return _rate_trend(claim, [contest for contest, _ in chosen])
    if len(chosen) == 1:
        return _one_rate(claim, chosen[0][1])
    return _mean_rate(claim, [contest for contest, _ in chosen])


def _fits(contest: Contest, named: Mapping[str, Value]) -> bool:
    more = laid_open(contest.factors.get("factors"))
    known = {**UNSAID, EXECUTIONS: "all", **more, **contest.factors}
    known["paths"] = domain_paths(contest)
    return all(coded(known.get(name)) == coded(value) for name, value in named.items())


def _accuracy(cells: Cells, comparisons: Sequence[dict[int, float]]) -> Found:
    if not comparisons:
        return NOT_RUN
    found = mean_of(cells, comparisons)
    if found.value is None:
        return replace(NOT_RUN, reason=found.reason)
    low, high = (None if x is None else PER_POINT * x for x in found.interval)
    return Found(PER_POINT * found.value, low, high, len(comparisons), found.reason)


def _one_rate(claim: Rate, rate: ExchangeRate) -> Found:
    """One rate has the interval that is reported for it."""
    state = "" if rate.state == "estimated" else rate.state.replace("_", " ")
    value, low, high = (
        None if n is None else float(np.log10(n / claim.threshold))
        for n in (rate.rate, rate.ci_low, rate.ci_high)
    )
    return Found(value, low, high, 1, _joined([state, rate.reason]))


def _mean_rate(claim: Rate, contests: Sequence[Contest]) -> Found:
    """Several rates: the mean of their logarithms, which is no estimate if one is censored.

    The lower limit is open where a comparison has no rate, so that failures cannot be dropped.
    """
    rates = [rate for rate in log_rates_of(contests) if rate is not None]
    left_out = len(contests) - len(rates)
    told = f"{left_out} not comparable or without an interval, left out" if left_out else ""
    if not rates:
        return Found(None, None, None, len(contests), told)
    at = float(np.log10(claim.threshold))
    exact = all(rate.exact for rate in rates)
    mean = Slope(
        float(np.mean([rate.low for rate in rates])),
        np.mean([rate.draws_low for rate in rates], axis=0),
        np.mean([rate.draws_high for rate in rates], axis=0),
    )
    low, high = (None if x is None else x - at for x in mean.interval)
    if left_out:
        # An instruction that taught nothing is worth less than any demonstration.
        low = None
    censored = "" if exact else "some of the rates are censored"
    return Found(
        mean.value - at if exact else None, low, high, len(rates), _joined([censored, told])
    )


def _rate_trend(claim: RateTrend, contests: Sequence[Contest]) -> Found:
    """The mean slope over every setting of the other factors that has one."""
    factor = "n_params" if claim.along == "model" else claim.along
    found: list[Slope] = []
    reasons: list[str] = []
    for _, group in groups(contests, factor):
        along = along_of(group, factor)
        reasons.append(refused(along))
        if not reasons[-1]:
            found.append(fit(along))
    if not reasons:
        return NOT_RUN
    if not found:
        return Found(None, None, None, len(reasons), _joined(reasons))
    mean = Slope(
        float(np.mean([slope.value for slope in found])),
        np.mean([slope.draws_low for slope in found], axis=0),
        np.mean([slope.draws_high for slope in found], axis=0),
    )
    return Found(mean.value, *mean.interval, len(found), _joined(reasons))


def _joined(parts: Iterable[str]) -> str:
    return "; ".join(dict.fromkeys(part for part in parts if part))

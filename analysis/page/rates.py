"""The table of rates, which is also their forest: a row a comparison, its interval drawn in it."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from analysis.exchange import ExchangeRate
from analysis.figures.forest import Axis, forest_axis
from analysis.results import Result
from analysis.sentences import interval_cell, number, pair_words, rate_cell

WIDTH: Final = 240
"""Of the drawn axis, in the units of its own drawing."""

STATES: Final = {
    "estimated": "estimated",
    "right_censored": "above the largest n",
    "left_censored": "below the smallest n",
    "not_comparable": "not comparable",
}


@dataclass(frozen=True)
class Mark:
    """A rate on the axis, places in units of WIDTH; null where there is nothing to draw.

    point: where the rate, or the bound, stands. low, high: ends of the interval's bar; an open
    end lies at the edge.
    """

    point: float | None
    low: float | None
    high: float | None
    open_low: bool
    open_high: bool


@dataclass(frozen=True)
class RateRow:
    """One row of the table.

    details: the pack that holds what the row unfolds to, under `<anchor>-more`. order: sorts
    rates, censored ones after their bound. width: of the interval.
    """

    anchor: str
    details: int
    label: str
    formats: str
    kind: str
    headline: bool
    state: str
    shown_state: str
    rate: str
    interval: str
    order: float
    width: float
    reason: str
    accuracy: float | None
    n_range: str
    programs: int
    seeds: int
    mark: Mark


def rate_rows(
    results: Sequence[Result], labels: Sequence[str], details: Sequence[int]
) -> list[RateRow]:
    """One row a result, in the order given; details: the pack of each."""
    if not results:
        return []
    axis = forest_axis(results)
    return [
        _row(anchor(index), pack, result, label, axis)
        for index, (result, label, pack) in enumerate(zip(results, labels, details, strict=True))
    ]


def ticks(results: Sequence[Result]) -> list[tuple[float, str]]:
    """Places and names of the axis' round numbers."""
    axis = forest_axis(results)
    return [(round(WIDTH * axis.share(n), 1), f"{n:g}") for n in axis.ticks]


def anchor(index: int) -> str:
    """What a row is called in addresses."""
    return f"comparison-{index + 1}"


def _row(name: str, details: int, result: Result, label: str, axis: Axis) -> RateRow:
    contest, rate = result.contest, result.rate
    shown = contest.demonstrations
    notes = (rate.reason, contest.note)
    return RateRow(
        anchor=name,
        details=details,
        label=label,
        formats=pair_words(contest.pair),
        kind=contest.pair.label,
        headline=result.headline,
        state=rate.state,
        shown_state=STATES[rate.state],
        rate=rate_cell(rate),
        interval=interval_cell(rate),
        order=_order(rate),
        width=_width(rate),
        reason="; ".join(note for note in notes if note),
        accuracy=contest.levels[0].mean if contest.n_programs else None,
        n_range=f"{number(shown[0].n)} to {number(shown[-1].n)}",
        programs=contest.n_programs,
        seeds=contest.n_runs,
        mark=_mark(rate, axis),
    )


def _order(rate: ExchangeRate) -> float:
    if rate.rate is not None:
        return round(rate.rate, 6)
    if rate.bound is None:
        return 1e12
    return rate.bound * (1.0001 if rate.state == "right_censored" else 0.9999)


def _width(rate: ExchangeRate) -> float:
    """Of the interval, in dex; open and absent ones come last."""
    if rate.ci_low is None or rate.ci_high is None:
        return 1e6 if rate.mass_below is not None else 1e9
    return round(math.log10(rate.ci_high / rate.ci_low), 4)


def _mark(rate: ExchangeRate, axis: Axis) -> Mark:
    def place(n: float | None, otherwise: float) -> float:
        return round(WIDTH * (otherwise if n is None else axis.share(n)), 1)

    if rate.state == "not_comparable":
        return Mark(None, None, None, False, False)
    point = place(rate.rate if rate.rate is not None else rate.bound, 0.0)
    if rate.mass_below is None:
        return Mark(point, None, None, False, False)
    low, high = place(rate.ci_low, 0.015), place(rate.ci_high, 0.985)
    return Mark(point, low, high, rate.ci_low is None, rate.ci_high is None)

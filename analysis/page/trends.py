"""Trends of the rate: every slope in a table, the first few drawn, and which rates differ."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

from analysis.comparison import Pair
from analysis.factors import laid_open
from analysis.figures.scaling import AXIS, draw_scaling
from analysis.page.packs import Packs, Plot
from analysis.scaling import PairDifference, Trend
from analysis.sentences import named, number, pair_words

DRAWN: Final = 4
"""Trends drawn, the headline pair's first; all stand in the table."""

MOST_PAIRS: Final = 45
"""Pairs listed under a trend: of up to ten comparisons."""

PAIR: Final = ("instruction", "demonstrations", "demonstration_format")


@dataclass(frozen=True)
class PairRow:
    """Two comparisons of a trend: the ratio of their rates."""

    values: str
    ratio: str
    interval: str
    clear: bool


@dataclass(frozen=True)
class TrendRow:
    """One trend as shown. plot: null where it is not drawn."""

    factor: str
    held: str
    slope: str
    interval: str
    p_value: str
    note: str
    plot: Plot | None
    pairs: tuple[PairRow, ...]


def trend_rows(trends: Sequence[Trend], headline: Pair, packs: Packs) -> list[TrendRow]:
    """The headline pair first, then those with a slope; otherwise in the order given."""
    ordered = sorted(trends, key=lambda each: (_pair(each) != headline, each.slope is None))
    drawn = [each for each in ordered if len(each.points) >= 2][:DRAWN]
    rows = []
    for index, trend in enumerate(ordered):
        plot = None
        if any(trend is each for each in drawn):
            plot = packs.add(f"scaling-{index + 1}", draw_scaling(trend))
        rows.append(_row(trend, _held(trend, ordered), plot))
    return rows


def _row(trend: Trend, held: str, plot: Plot | None) -> TrendRow:
    return TrendRow(
        factor=AXIS.get(trend.factor, trend.factor),
        held=held,
        slope="–" if trend.slope is None else _signed(trend.slope),
        interval="–" if trend.slope is None else _between(trend.ci_low, trend.ci_high, _signed),
        p_value="–" if trend.p_value is None else f"{trend.p_value:.2g}",
        note=trend.reason,
        plot=plot,
        pairs=tuple(_pair_row(each) for each in trend.differences[:MOST_PAIRS]),
    )


def _pair_row(found: PairDifference) -> PairRow:
    apart = (found.low is not None and found.low > 0) or (found.high is not None and found.high < 0)
    return PairRow(
        f"{found.value:,.0f} over {found.against:,.0f}",
        "–" if found.difference is None else _times(found.difference),
        _between(found.low, found.high, _times),
        apart,
    )


def _pair(trend: Trend) -> Pair:
    return Pair(*(str(trend.held.get(name)) for name in PAIR))


def _held(trend: Trend, trends: Sequence[Trend]) -> str:
    """The formats, and the factors by which trends over the same factor differ."""
    held = _laid_open(trend)
    alike = [_laid_open(each) for each in trends if each.factor == trend.factor]
    varied = [
        name
        for name in held
        if name not in (*PAIR, "n_params")
        and len({str(other.get(name)) for other in alike}) > 1
        and held[name] is not None
    ]
    return ", ".join([pair_words(_pair(trend)), *(named(name, held[name]) for name in varied)])


def _laid_open(trend: Trend) -> dict[str, Any]:
    more = laid_open(trend.held.get("factors"))
    return {**trend.held, "factors": None, **more} if more else trend.held


def _times(log10: float) -> str:
    return number(10**log10)


def _signed(value: float) -> str:
    return f"{value:+.2f}".replace("-", "−")


def _between(low: float | None, high: float | None, shown: Any) -> str:
    return " to ".join("open" if end is None else shown(end) for end in (low, high))

"""The rate against model size, LoRA rank, acquisition programs or paths, with its trend."""

from __future__ import annotations

import math
from html import escape

import plotly.graph_objects as go
import polars as pl

from analysis.figures.drawing import Drawing, Trace, layout, short, whiskers
from analysis.palette import COLOUR
from analysis.scaling import ScalingPoint, Trend
from analysis.sentences import number

AXIS = {
    "n_params": "parameters",
    "lora_rank": "LoRA rank",
    "acquisition": "acquisition programs",
    "paths": "execution paths per program",
}


def scaling(trend: Trend) -> go.Figure:
    """log rate against log factor, with intervals that hold for all points together."""
    return draw_scaling(trend).figure()


def draw_scaling(trend: Trend) -> Drawing:
    """As `scaling`. Raises ValueError where no comparison of the trend has a rate."""
    if not trend.points:
        raise ValueError(f"scaling: no comparison along {trend.factor} has a rate")
    values = [math.log10(point.value) for point in trend.points]
    known = [
        limit
        for point in trend.points
        for limit in (point.log10_rate, point.low, point.high)
        if limit is not None
    ]
    low, high = (min(known), max(known)) if known else (0.0, 1.0)
    room = max(0.18 * (high - low), 0.12)
    bottom, top = low - room, high + room
    traces = [
        *_line(trend, values),
        *(_point(point, x, bottom, top) for point, x in zip(trend.points, values, strict=True)),
    ]
    name = AXIS.get(trend.factor, trend.factor)
    base = layout(f"{name} (log scale)", "rate (demonstrations, log scale)", height=360, right=24)
    base["margin"]["t"] = 16
    wide = max(0.15 * (max(values) - min(values)), 0.08)
    ticks = {x: f"{point.value:,.0f}" for point, x in zip(trend.points, values, strict=True)}
    base["xaxis"] |= {
        "range": short([min(values) - wide, max(values) + wide]),
        "tickvals": short(list(ticks)),
        "ticktext": list(ticks.values()),
        "zeroline": False,
    }
    rates = _ticks(bottom, top)
    base["yaxis"] |= {
        "range": short([bottom, top]),
        "tickvals": short([math.log10(rate) for rate in rates]),
        "ticktext": [f"{rate:g}" for rate in rates],
        "showgrid": True,
        "zeroline": False,
    }
    narrow = {"margin": {"l": 52, "r": 10, "t": 16, "b": 56}}
    return Drawing(traces, base, trend_words(trend), _table(trend), narrow)


def trend_words(trend: Trend) -> str:
    """The slope in words, or why there is none."""
    name = AXIS.get(trend.factor, trend.factor)
    if trend.slope is None:
        return f"No trend over {name}: {trend.reason}."
    low, high = (
        "open" if end is None else f"{end:+.2f}".replace("-", "−")
        for end in (trend.ci_low, trend.ci_high)
    )
    slope = f"{trend.slope:+.2f}".replace("-", "−")
    p = "" if trend.p_value is None else f", p = {trend.p_value:.2g}"
    times = number(10**trend.slope)
    note = f" ({trend.reason})" if trend.reason else ""
    return (
        f"Ten times the {name}: {times} times the rate (slope {slope} of log10 rate "
        f"on log10 {name}, 95% interval {low} to {high}{p}){note}."
    )


def _line(trend: Trend, values: list[float]) -> list[Trace]:
    """The slope, laid through the mean of the rates that are no bounds."""
    exact = [
        (x, point.log10_rate)
        for x, point in zip(values, trend.points, strict=True)
        if point.log10_rate is not None
    ]
    if trend.slope is None or not exact:
        return []
    centre_x = sum(x for x, _ in exact) / len(exact)
    centre_y = sum(y for _, y in exact) / len(exact)
    ends = [min(values), max(values)]
    return [
        {
            "x": short(ends),
            "y": short([centre_y + trend.slope * (x - centre_x) for x in ends]),
            "mode": "lines",
            "line": {"color": COLOUR["instruction"], "width": 1.5, "dash": "dash"},
            "hoverinfo": "skip",
        }
    ]


def _point(point: ScalingPoint, x: float, bottom: float, top: float) -> Trace:
    """A rate with its interval; a bound is a caret that points away from it."""
    exact = point.log10_rate
    low = bottom if point.low is None else point.low
    high = top if point.high is None else point.high
    if exact is not None:
        y, symbol = exact, "diamond"
    elif point.state == "right_censored":
        y, symbol = (low if point.low is not None else top), "triangle-up"
    else:
        y, symbol = (high if point.high is not None else bottom), "triangle-down"
    return {
        "x": short([x]),
        "y": short([y]),
        "mode": "markers",
        "marker": {"color": COLOUR["instruction"], "size": 12, "symbol": symbol},
        "error_y": whiskers(y, low, high, thickness=2),
        "text": [escape(point.model)],
        "hovertemplate": "%{text}<extra></extra>",
    }


def _ticks(bottom: float, top: float) -> list[float]:
    powers = range(math.floor(bottom), math.ceil(top) + 1)
    steps = (1, 2, 5) if top - bottom < 1.6 else (1, 3) if top - bottom < 3 else (1,)
    found = [step * 10.0**power for power in powers for step in steps]
    return [rate for rate in found if bottom <= math.log10(rate) <= top]


def _table(trend: Trend) -> pl.DataFrame:
    schema = {
        trend.factor: pl.Float64(),
        "model": pl.String(),
        "log10_rate": pl.Float64(),
        "low": pl.Float64(),
        "high": pl.Float64(),
        "state": pl.String(),
    }
    rows = [
        (point.value, point.model, point.log10_rate, point.low, point.high, point.state)
        for point in trend.points
    ]
    return pl.DataFrame(rows, schema=schema, orient="row")

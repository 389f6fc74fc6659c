"""Accuracy by stage-2 step, and training loss."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape
from typing import Any, cast

import plotly.graph_objects as go
import polars as pl

from analysis.curves import Series
from analysis.figures.drawing import (
    PERCENT_AXIS,
    Drawing,
    Trace,
    layout,
    legend_below,
    note,
    short,
    spread,
)
from analysis.palette import COLOUR, DASH, MARK, NAME


def learning_curves(points: pl.DataFrame) -> go.Figure:
    """Accuracy on targets by step; takes rows of one comparison of `learning.accuracy_by_step`."""
    return draw_learning_curves(points).figure()


def draw_learning_curves(points: pl.DataFrame) -> Drawing:
    """As `learning_curves`. Raises ValueError where no arm was evaluated at two steps."""
    if points.is_empty():
        raise ValueError("learning_curves: every run was evaluated at one step only")
    keys = ["arm", "demonstrations", "demonstration_format", "response_format"]
    drawing = _draw(points, keys, "accuracy", "accuracy on targets", "{:.1%}")
    axis = drawing.layout["yaxis"] | PERCENT_AXIS
    layout_ = drawing.layout | {"yaxis": axis}
    return Drawing(drawing.traces, layout_, drawing.words, points, drawing.narrow)


def training_loss(points: pl.DataFrame) -> go.Figure:
    """Training loss of stage 2 by step; takes rows of one model of `learning.loss_by_step`."""
    return draw_training_loss(points).figure()


def draw_training_loss(points: pl.DataFrame) -> Drawing:
    """As `training_loss`. Raises ValueError without points."""
    if points.is_empty():
        raise ValueError("training_loss: no step records")
    keys = ["arm", "demonstrations", "demonstration_format"]
    return _draw(points, keys, "loss_nats_per_token", "loss (nats per token)", "{:.3f}")


def _draw(points: pl.DataFrame, keys: Sequence[str], value: str, title: str, form: str) -> Drawing:
    groups = points.partition_by(keys, maintain_order=True)
    largest = max(int(group["demonstrations"][0]) for group in groups) or 1
    base = layout("stage-2 step", title, height=380, right=218)
    base["margin"]["t"] = 16
    traces, ends = [], []
    for group in groups:
        trace, name = _curve(group, value, largest, form)
        traces.append(trace)
        ends.append((float(group[value][-1]), name, trace["line"]["color"]))
    ends.sort()
    low, high = float(points[value].min()), float(points[value].max())  # type: ignore[arg-type]
    if value == "accuracy":
        low, high = 0.0, 1.0
    heights = spread([end for end, _, _ in ends], gap=0.062 * ((high - low) or 1), top=high)
    labels = [
        note(1.01, round(y, 4), name, colour=colour, xref="paper", xanchor="left")
        for y, (_, name, colour) in zip(heights, ends, strict=True)
    ]
    base |= {"annotations": labels}
    told = "; ".join(f"{name}, {form.format(end)}" for end, name, _ in reversed(ends))
    words = f"At the last step, from the top down: {told}."
    narrow = legend_below(base, len(traces), annotations=[])
    return Drawing(traces, base, words, points, narrow)


def _curve(group: pl.DataFrame, value: str, largest: int, form: str) -> tuple[Trace, str]:
    """One arm at one n; the more demonstrations, the stronger the line."""
    first = group.row(0, named=True)
    series = cast("Series", first["arm"])
    n = int(first["demonstrations"])
    asked = f" ({first['response_format']})" if "response_format" in first else ""
    name = escape(f"{NAME.get(series, first['arm'])}{f', n = {n}' if n else ''}{asked}")
    line: dict[str, Any] = {
        "color": COLOUR.get(series, "#808080"),
        "dash": DASH.get(series, "solid"),
        "width": 1.2 + 1.6 * (n / largest if n else 0.5),
    }
    hover = "%{y:.1%}" if form.endswith("%}") else "%{y:.3f}"
    trace: Trace = {
        "x": short(group["step"], 1),
        "y": short(group[value]),
        "mode": "lines+markers" if len(group) <= 12 else "lines",
        "name": name,
        "line": line,
        "marker": {"symbol": MARK.get(series, "circle"), "size": 6},
        "opacity": 0.55 + 0.45 * (n / largest if n else 1),
        "hovertemplate": f"{name}, step %{{x:.0f}}: {hover}<extra></extra>",
    }
    return trace, name

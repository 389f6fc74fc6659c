"""What every figure is made of: plotly's JSON, the sentence that says the same, the data behind it.

Plain values, since a report holds thousands of figures: plotly's own objects, which check every
field, are made only where a figure is asked for.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, Final

import numpy as np
import plotly.graph_objects as go
import polars as pl

TEMPLATE: Final = "simple_white"

LABEL_GAP: Final = 0.062
"""Least distance of two labels at the right edge, in accuracy."""

Trace = dict[str, Any]


@dataclass(frozen=True, eq=False)
class Drawing:
    """A figure, ready for a notebook, a page or an image.

    traces, layout: plotly's JSON, no template. narrow: what replaces parts of the layout on a
    phone. words: the figure as a sentence. table: one row per thing drawn.
    """

    traces: list[Trace]
    layout: dict[str, Any]
    words: str
    table: pl.DataFrame
    narrow: dict[str, Any] = field(default_factory=dict)

    def figure(self) -> go.Figure:
        """As plotly's own object, which validates it."""
        return go.Figure({"data": self.traces, "layout": {**self.layout, "template": TEMPLATE}})


def layout(x_title: str, y_title: str, *, height: int, right: int, left: int = 64) -> Trace:
    """The look all figures share; margins in pixels."""
    return {
        "height": height,
        "margin": {"l": left, "r": right, "t": 44, "b": 56},
        "paper_bgcolor": "rgba(0,0,0,0)",
        "plot_bgcolor": "rgba(0,0,0,0)",
        "font": {"family": "system-ui, sans-serif", "size": 13},
        "showlegend": False,
        "hovermode": "closest",
        "xaxis": {"title": {"text": x_title}},
        "yaxis": {"title": {"text": y_title}},
    }


def legend_below(base: Trace, entries: int, **changes: Any) -> Trace:
    """For narrow pages: what stood at the right edge goes into a legend below, a line an entry."""
    extra = 22 * entries + 18
    return {
        "showlegend": True,
        "legend": {"x": 0, "xanchor": "left", "y": 0, "yanchor": "bottom", "yref": "container"}
        | {"orientation": "v", "itemclick": False, "itemdoubleclick": False},
        "height": base["height"] + extra,
        "margin": {"l": 46, "r": 10, "t": base["margin"]["t"], "b": 56 + extra},
    } | changes


PERCENT_AXIS: Final = {"tickformat": ".0%", "range": [-0.02, 1.03]}


def note(x: float, y: float, text: str, **options: Any) -> Trace:
    """An annotation without an arrow; text may hold plotly's markup, so names come escaped."""
    colour = options.pop("colour", "")
    font = {"size": 12} | ({"color": colour} if colour else {})
    return {"x": x, "y": y, "text": text, "showarrow": False, "font": font} | options


def spread(heights: Sequence[float], gap: float = LABEL_GAP, top: float = 1.02) -> list[float]:
    """Heights (ascending) moved apart until labels do not overlap, keeping them on the page."""
    placed: list[float] = []
    for height in heights:
        placed.append(max(height, placed[-1] + gap) if placed else height)
    for index in range(len(placed) - 1, -1, -1):
        placed[index] = top = min(placed[index], top)
        top -= gap
    return placed


def jitter(count: int, width: float) -> np.ndarray[Any, np.dtype[np.float64]]:
    """A fixed scatter around 0, so that neighbours in a sorted row of dots do not hide each other.

    Eight places in turn: a page with thousands of figures packs what repeats.
    """
    places = np.array([0, 5, 2, 7, 4, 1, 6, 3])
    return (places[np.arange(count) % 8] / 7 - 0.5) * width


def short(values: Any, digits: int = 4) -> list[float]:
    """Coordinates to as many digits as an eye can use; a page holds many."""
    return [float(value) for value in np.round(np.asarray(values, dtype=float), digits)]


def faint(colour: str, opacity: float) -> str:
    """A hex colour at an opacity."""
    red, green, blue = (int(colour[at : at + 2], 16) for at in (1, 3, 5))
    return f"rgba({red},{green},{blue},{opacity})"


def whiskers(value: float, low: float | None, high: float | None, **options: Any) -> Trace:
    """An error bar from limits; none where a limit is null."""
    if low is None or high is None:
        return {"visible": False}
    return {
        "type": "data",
        "symmetric": False,
        "array": short([high - value]),
        "arrayminus": short([value - low]),
        "thickness": 1.6,
        "width": 0,
    } | options

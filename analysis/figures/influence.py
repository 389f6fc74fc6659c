"""How much the rate rests on any one program, or on any one training run."""

from __future__ import annotations

import math
from html import escape
from typing import Any

import numpy as np
import plotly.graph_objects as go
import polars as pl

from analysis.diagnostics import Diagnostics, LeftOut
from analysis.figures.drawing import Drawing, Trace, faint, jitter, layout, short
from analysis.palette import COLOUR
from analysis.results import Result
from analysis.sentences import number

ROWS = {"program": 1, "run": 0}
NAMES = {"program": "without one program", "run": "without one training run"}


def influence(result: Result, found: Diagnostics) -> go.Figure:
    """The rate with each program, and each run, left out."""
    return draw_influence(result, found).figure()


def draw_influence(result: Result, found: Diagnostics) -> Drawing:
    """As `influence`. Raises ValueError where nothing could be left out."""
    if not found.left_out:
        raise ValueError("influence: leaving one out leaves too little; run more seeds or programs")
    shown = result.contest.demonstrations
    first, last = math.log10(shown[0].n), math.log10(shown[-1].n)
    room = max(0.06 * (last - first), 0.05)
    traces: list[Trace] = []
    rate = result.rate
    if rate.mass_below is not None:
        low = first - 2 * room if rate.ci_low is None else math.log10(rate.ci_low)
        high = last + 2 * room if rate.ci_high is None else math.log10(rate.ci_high)
        traces.append(_band(low, high))
    if rate.rate is not None:
        traces.append(
            {
                "x": short([math.log10(rate.rate)] * 2),
                "y": [-0.6, 1.6],
                "mode": "lines",
                "line": {"color": COLOUR["instruction"], "width": 1.5},
                "hoverinfo": "skip",
            }
        )
    for kind, row in ROWS.items():
        traces += _dots([each for each in found.left_out if each.kind == kind], row, first, last)
    base = layout("rate (demonstrations, log scale)", "", height=230, right=24, left=180)
    base["margin"]["t"] = 12
    base["xaxis"] |= {
        "range": short([first - 2 * room, last + 2 * room]),
        "tickvals": short([math.log10(level.n) for level in shown]),
        "ticktext": [str(level.n) for level in shown],
        "zeroline": False,
    }
    base["yaxis"] = {
        "tickvals": list(ROWS.values()),
        "ticktext": list(NAMES.values()),
        "range": [-0.6, 1.6],
        "ticks": "",
        "showline": False,
        "zeroline": False,
    }
    narrow = {
        "margin": {"l": 84, "r": 12, "t": 12, "b": 56},
        "yaxis": base["yaxis"]
        | {"ticktext": ["without one<br>program", "without one<br>run"]}
        | {"tickfont": {"size": 11}},
    }
    return Drawing(traces, base, influence_words(found), _table(found), narrow)


def influence_words(found: Diagnostics) -> str:
    """The range of the rate when one is left out."""
    told = [
        f"{NAMES[kind]} the rate lies {_range(*span)}"
        for kind in ("program", "run")
        if (span := found.span(kind)) is not None
    ]
    words = "; ".join(told)
    return f"{words[:1].upper()}{words[1:]}." if told else "Nothing could be left out."


def _range(low: float, high: float) -> str:
    ends = [
        "below the smallest n"
        if value == -np.inf
        else "above the largest n"
        if value == np.inf
        else number(10**value)
        for value in (low, high)
    ]
    return f"between {ends[0]} and {ends[1]}"


def _table(found: Diagnostics) -> pl.DataFrame:
    """What was left out, and the rate without it; null with its state where censored."""
    states = {np.inf: "right_censored", -np.inf: "left_censored"}
    rows = [
        {
            "left_out": each.kind,
            "name": each.name,
            "log10_rate": each.log10_rate if np.isfinite(each.log10_rate) else None,
            "state": states.get(each.log10_rate, "estimated"),
        }
        for each in found.left_out
    ]
    return pl.DataFrame(rows)


def _band(low: float, high: float) -> Trace:
    return {
        "x": short([low, high, high, low]),
        "y": [-0.6, -0.6, 1.6, 1.6],
        "fill": "toself",
        "fillcolor": faint(COLOUR["instruction"], 0.11),
        "line": {"width": 0},
        "mode": "lines",
        "hoverinfo": "skip",
    }


def _dots(left_out: list[LeftOut], row: int, first: float, last: float) -> list[Trace]:
    """A dot each; one beyond the n that were run is an arrow head at that edge."""
    if not left_out:
        return []
    rates = np.array([each.log10_rate for each in left_out])
    room = max(0.06 * (last - first), 0.05)
    symbols = np.where(rates == np.inf, "triangle-right", "circle")
    symbols = np.where(rates == -np.inf, "triangle-left", symbols)
    hover: list[Any] = [escape(each.name) for each in left_out]
    return [
        {
            "x": short(np.clip(rates, first - room, last + room)),
            "y": short(row + jitter(len(rates), 0.5), 3),
            "mode": "markers",
            "text": hover,
            "marker": {
                "color": faint(COLOUR["demonstrations"], 0.6),
                "size": 8,
                "symbol": symbols.tolist(),
            },
            "hovertemplate": "%{text}<extra></extra>",
        }
    ]

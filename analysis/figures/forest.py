"""A forest of rates: every comparison's rate with its interval on one log axis."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from html import escape

import plotly.graph_objects as go

from analysis.figures.drawing import Drawing, Trace, layout, note, short
from analysis.palette import COLOUR, GREY
from analysis.results import Result, rates_frame
from analysis.sentences import comparison_labels, interval_cell, pair_words, rate_cell

HEADS = {True: "triangle-right", False: "triangle-left"}


@dataclass(frozen=True)
class Axis:
    """log10 demonstrations from the smallest to the largest n of all comparisons.

    ticks: the round n within, in demonstrations.
    """

    low: float
    high: float
    ticks: tuple[float, ...]

    def share(self, n: float) -> float:
        """Place of an n, 0 at the left end and 1 at the right."""
        return (math.log10(n) - self.low) / (self.high - self.low)


def in_order(results: Sequence[Result]) -> list[Result]:
    """The headline pair first, otherwise as they come."""
    return sorted(results, key=lambda result: not result.headline)


def forest_axis(results: Sequence[Result]) -> Axis:
    """An axis that holds every n that was run, with a little room for arrows."""
    n = [float(level.n) for result in results for level in result.contest.demonstrations]
    low, high = math.log10(min(n)), math.log10(max(n))
    room = max(0.09 * (high - low), 0.09)
    powers = range(math.floor(low), math.ceil(high) + 1)
    steps = (1, 2, 5) if high - low < 1.5 else (1, 3) if high - low < 2.5 else (1,)
    ticks = [step * 10.0**power for power in powers for step in steps]
    within = tuple(each for each in ticks if low - 1e-9 <= math.log10(each) <= high + 1e-9)
    return Axis(low - room, high + room, within or tuple(sorted({min(n), max(n)})))


def forest(results: Sequence[Result]) -> go.Figure:
    """Rates of all comparisons, headline pair first. Raises ValueError without any."""
    return draw_forest(results).figure()


def draw_forest(results: Sequence[Result]) -> Drawing:
    """As `forest`; as long as there are comparisons, so meant for dozens, not thousands."""
    if not results:
        raise ValueError("forest: no comparison has both arms")
    ordered = in_order(results)
    axis = forest_axis(ordered)
    labels = comparison_labels([result.contest.factors for result in ordered])
    traces: list[Trace] = []
    notes: list[Trace] = []
    for row, result in zip(range(len(ordered) - 1, -1, -1), ordered, strict=True):
        traces += _row(result, row, axis)
        told = f"{rate_cell(result.rate)}  ({interval_cell(result.rate)})"
        if result.rate.state == "not_comparable":
            told = "not comparable"
        notes.append(note(1.01, row, escape(told), xref="paper", xanchor="left"))
    base = layout(
        "demonstrations that one instruction is worth (log scale)",
        "",
        height=100 + 30 * len(ordered),
        right=190,
        left=300,
    )
    base |= {"annotations": notes}
    base["xaxis"] |= {
        "range": short([axis.low, axis.high]),
        "tickvals": short([math.log10(n) for n in axis.ticks]),
        "ticktext": [f"{n:g}" for n in axis.ticks],
        "showgrid": True,
        "zeroline": False,
    }
    base["yaxis"] = {
        "tickvals": list(range(len(ordered) - 1, -1, -1)),
        "ticktext": [
            f"{escape(label)}<br>{escape(pair_words(result.contest.pair))}"
            for label, result in zip(labels, ordered, strict=True)
        ],
        "range": [-0.7, len(ordered) - 0.3],
        "ticks": "",
        "showline": False,
        "zeroline": False,
        "tickfont": {"size": 11},
    }
    return Drawing(traces, base, forest_words(ordered), rates_frame(ordered))


def forest_words(results: Sequence[Result]) -> str:
    """How many rates there are of each state, and their range."""
    states = [result.rate.state for result in results]
    rates = [result.rate.rate for result in results if result.rate.rate is not None]
    names = {
        "estimated": "estimated",
        "right_censored": "above the largest n",
        "left_censored": "below the smallest n",
        "not_comparable": "not comparable",
    }
    counted = ", ".join(
        f"{states.count(state)} {name}" for state, name in names.items() if state in states
    )
    if not rates:
        return f"{len(results)} rates: {counted}."
    spread = f"from {min(rates):.3g} to {max(rates):.3g} demonstrations"
    return f"{len(results)} rates: {counted}; those estimated range {spread}."


def _row(result: Result, row: int, axis: Axis) -> list[Trace]:
    """A bar over the interval, an open end as an arrow; a diamond, or a caret at the bound."""
    rate = result.rate
    if rate.state == "not_comparable":
        return []
    colour = COLOUR["instruction"] if result.headline else GREY
    traces: list[Trace] = []
    if rate.mass_below is not None:
        low = axis.low if rate.ci_low is None else math.log10(rate.ci_low)
        high = axis.high if rate.ci_high is None else math.log10(rate.ci_high)
        heads = [
            "triangle-left" if rate.ci_low is None else "line-ns",
            "triangle-right" if rate.ci_high is None else "line-ns",
        ]
        traces.append(
            {
                "x": short([low, high]),
                "y": [row, row],
                "mode": "lines+markers",
                "line": {"color": colour, "width": 2.5},
                "marker": {"symbol": heads, "size": 9, "color": colour}
                | {"line": {"width": 1.5, "color": colour}},
                "hoverinfo": "skip",
            }
        )
    at = rate.rate if rate.rate is not None else rate.bound
    symbol = "diamond" if rate.rate is not None else HEADS[rate.state == "right_censored"]
    traces.append(
        {
            "x": short([math.log10(at or 1)]),
            "y": [row],
            "mode": "markers",
            "marker": {"color": colour, "symbol": symbol, "size": 12},
            "hovertemplate": f"{rate_cell(rate)} ({interval_cell(rate)})<extra></extra>",
        }
    )
    return traces

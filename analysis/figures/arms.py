"""Accuracy of every arm, controls and ceilings among them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from html import escape

import plotly.graph_objects as go
import polars as pl

from analysis.contrasts import LevelSummary
from analysis.figures.drawing import (
    PERCENT_AXIS,
    Drawing,
    Trace,
    layout,
    note,
    short,
    whiskers,
)
from analysis.figures.response_marks import series_name
from analysis.palette import COLOUR, DASH, MARK, NAME, ORDER
from analysis.sentences import chance_words, percent


def accuracy_by_arm(levels: Sequence[LevelSummary], chance: float | None = None) -> go.Figure:
    """Accuracy of every arm as a mark with its interval, one row an arm.

    chance: what a guess gets, drawn as a line across; null where it is not known.
    """
    return draw_accuracy_by_arm(levels, chance).figure()


def draw_accuracy_by_arm(levels: Sequence[LevelSummary], chance: float | None = None) -> Drawing:
    """As `accuracy_by_arm`. Raises ValueError where no arm was evaluated."""
    if not levels:
        raise ValueError("accuracy_by_arm: no arm was evaluated on targets")
    ordered = sorted(levels, key=lambda each: (ORDER.index(each.series), -each.n))
    rows = range(len(ordered) - 1, -1, -1)
    names = [series_name(each) for each in ordered]
    traces = [
        {
            "x": short([each.accuracy]),
            "y": [row],
            "mode": "markers",
            "marker": {"color": COLOUR[each.series], "size": 10, "symbol": MARK[each.series]},
            "error_x": whiskers(each.accuracy, each.ci_low, each.ci_high, thickness=2),
            "hovertemplate": f"{name}: %{{x:.1%}}<extra></extra>",
        }
        for each, name, row in zip(ordered, names, rows, strict=True)
    ]
    base = layout("accuracy on targets", "", height=96 + 30 * len(ordered), right=24, left=290)
    base["margin"]["t"] = 12
    base["xaxis"] |= PERCENT_AXIS | {"showgrid": True}
    base["yaxis"] = {
        "tickvals": list(rows),
        "ticktext": names,
        "range": [-0.7, len(ordered) - 0.3],
        "ticks": "",
        "showline": False,
        "zeroline": False,
    }
    narrow = {
        "height": 96 + 40 * len(ordered),
        "margin": {"l": 142, "r": 14, "t": 12, "b": 56},
        "yaxis": base["yaxis"]
        | {"ticktext": [_two_lines(each) for each in ordered], "tickfont": {"size": 11}},
    }
    shown = (
        f"{NAME[each.series]}{f', n = {each.n}' if each.n else ''}, {percent(each.accuracy)}"
        for each in ordered
    )
    words = f"Accuracy on targets, by arm: {'; '.join(shown)}."
    table = pl.DataFrame([asdict(each) for each in ordered])
    if chance is None:
        return Drawing(traces, base, words, table, narrow)
    label = note(round(chance, 4), 1, NAME["chance"], yref="paper", yanchor="bottom")
    base["annotations"] = [label | {"font": {"size": 12, "color": COLOUR["chance"]}}]
    for each in (base, narrow):
        each["margin"]["t"] = 34
    row = {"series": "chance", "n": 0, "accuracy": chance}
    return Drawing(
        [_line(chance, base["yaxis"]["range"]), *traces],
        base,
        f"{words} {chance_words(chance)}",
        pl.concat(
            [table, pl.DataFrame([row], schema_overrides={"n": table.schema["n"]})], how="diagonal"
        ),
        narrow,
    )


def _line(chance: float, ends: Sequence[float]) -> Trace:
    return {
        "x": short([chance, chance]),
        "y": list(ends),
        "mode": "lines",
        "name": NAME["chance"],
        "line": {"color": COLOUR["chance"], "width": 2, "dash": DASH["chance"]},
        "hovertemplate": f"{NAME['chance']}: %{{x:.1%}}<extra></extra>",
    }


def _two_lines(level: LevelSummary) -> str:
    name = "instruction with n" if level.series == "both" else NAME[level.series]
    shown = f"n = {level.n} " if level.n else ""
    return f"{escape(name)}<br>{escape(f'{shown}({level.response_format})')}"

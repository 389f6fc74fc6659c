"""Dose and response: accuracy against demonstrations, and where the instruction stands on it."""

from __future__ import annotations

import math
from html import escape
from typing import Any, Final

import plotly.graph_objects as go
import polars as pl

from analysis.contrasts import LevelSummary
from analysis.curves import Level
from analysis.exchange import ExchangeRate
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
from analysis.figures.response_marks import Scale, marks, told
from analysis.palette import COLOUR, NAME
from analysis.results import Result
from analysis.sentences import chance_words, interval_words, number, percent

TABLE: Final[dict[str, pl.DataType]] = {
    "series": pl.String(),
    "n": pl.Int64(),
    "response_format": pl.String(),
    "program": pl.String(),
    "accuracy": pl.Float64(),
    "ci_low": pl.Float64(),
    "ci_high": pl.Float64(),
}
"""A row without a program is the mean over programs."""


def dose_response(result: Result) -> go.Figure:
    """Accuracy against n (log axis, n = 0 beyond a break), with the rate and its interval."""
    return draw_dose_response(result).figure()


def draw_dose_response(result: Result) -> Drawing:
    """As `dose_response`. Raises ValueError where no program was answered in every arm."""
    if not result.contest.n_programs:
        raise ValueError("dose_response: no program was answered in every arm and run")
    shown = result.contest.demonstrations
    ticks = tuple(math.log10(level.n) for level in shown)
    scale = Scale(ticks, (ticks[-1] - ticks[0]) / max(len(ticks) - 1, 1) or math.log10(2))
    labels = _edge_labels(result, scale)
    arrow = _arrow(result, scale)
    base = layout(
        "demonstrations per program (log scale)", "accuracy on targets", height=460, right=218
    )
    break_mark = note(ticks[0] - scale.step / 2, 0, "//", yref="paper", yanchor="middle")
    base |= {
        "title": _title(result.rate),
        "annotations": [break_mark, *arrow, *labels],
        "xaxis": base["xaxis"]
        | {"range": short([scale.left, scale.right]), "zeroline": False}
        | {"tickvals": short([scale.zero, *ticks])}
        | {"ticktext": ["0", *(str(level.n) for level in shown)]},
        "yaxis": base["yaxis"] | PERCENT_AXIS,
    }
    traces = marks(result, scale)
    named = sum(bool(trace.get("showlegend", True)) for trace in traces)
    narrow = legend_below(
        base,
        named,
        annotations=[break_mark, *arrow],
        xaxis=base["xaxis"] | {"title": {"text": "demonstrations (log scale)"}},
        title=base["title"]
        | {"font": {"size": 13, "color": COLOUR["instruction"]}}
        | {"xref": "container", "pad": {"b": 10, "l": 4}},
    )
    return Drawing(traces, base, _words(result), _table(result), narrow)


def _title(rate: ExchangeRate) -> dict[str, Any]:
    """What the arrow says, above everything that it could hide."""
    font = {"size": 14, "color": COLOUR["instruction"]}
    place = {"x": 0, "xref": "paper", "xanchor": "left", "y": 1, "yref": "paper"}
    text = f"<b>{told(rate)}</b>"
    return {"text": text, "font": font, "yanchor": "bottom", "pad": {"b": 10}} | place


def _arrow(result: Result, scale: Scale) -> list[Trace]:
    """From the instruction, which saw no demonstration, to where the curve is as high."""
    rate, y = result.rate, result.contest.levels[0].mean
    if rate.state not in ("estimated", "right_censored"):
        return []
    end = scale.right if rate.rate is None else math.log10(rate.rate)
    return [
        {"x": round(end, 4), "y": round(y, 4), "ax": round(scale.zero, 4), "ay": round(y, 4)}
        | {"xref": "x", "yref": "y", "axref": "x", "ayref": "y", "text": "", "showarrow": True}
        | {"arrowhead": 2, "arrowsize": 1.3, "arrowwidth": 2, "standoff": 8, "startstandoff": 6}
        | {"arrowcolor": COLOUR["instruction"]}
    ]


def _edge_labels(result: Result, scale: Scale) -> list[Trace]:
    """Names at the right edge, moved apart where they would touch."""
    lines = [each for each in result.levels if each.n == 0 and each.series != "none"]
    ends = [
        found[-1]
        for series in ("demonstrations", "both")
        if (found := [each for each in result.levels if each.series == series])
    ]
    names = [(each.accuracy, _edge_name(each), COLOUR[each.series]) for each in (*lines, *ends)]
    if result.contest.chance is not None:
        names.append((result.contest.chance.mean, NAME["chance"], COLOUR["chance"]))
    names.sort(key=lambda each: each[0])
    heights = spread([height for height, _, _ in names])
    return [
        note(round(scale.right, 4), round(y, 4), name, colour=colour, xanchor="left")
        for (_, name, colour), y in zip(names, heights, strict=True)
    ]


def _edge_name(level: LevelSummary) -> str:
    """A curve's name without its last n; arm both, whose points lie inside, shows its mark."""
    name = "▲ instruction with n" if level.series == "both" else NAME[level.series]
    return escape(f"{name} ({level.response_format})")


def _words(result: Result) -> str:
    """The figure in a sentence or three."""
    by_series = {each.series: each for each in result.levels if each.n == 0}
    shown = [each for each in result.levels if each.series == "demonstrations"]
    levels = ", ".join(f"{percent(each.accuracy)} at n = {each.n}" for each in shown)
    others = ", ".join(
        f"{NAME[series]} {percent(each.accuracy)}" for series, each in by_series.items()
    )
    both = [each for each in result.levels if each.series == "both"]
    mixed = ", ".join(f"{percent(each.accuracy)} at n = {each.n}" for each in both)
    mixed = f" Instruction and demonstrations together: {mixed}." if both else ""
    chance = result.contest.chance
    guess = "" if chance is None else f" {chance_words(chance.mean)}"
    return (
        f"Accuracy with demonstrations: {levels}; {others}.{mixed}{guess} {_meeting(result.rate)}"
    )


def _meeting(rate: ExchangeRate) -> str:
    if rate.rate is not None:
        where = f"at {number(rate.rate)} demonstrations"
        return f"The curve reaches the instruction {where} ({interval_words(rate)})."
    if rate.state == "right_censored":
        return f"The curve stays below the instruction up to n = {number(rate.bound or 0)}."
    if rate.state == "left_censored":
        return f"The curve is above the instruction from n = {number(rate.bound or 0)} on."
    return f"No rate is given: {rate.reason}."


def _table(result: Result) -> pl.DataFrame:
    """Means of every level, then every program of every level."""
    columns: dict[str, list[Any]] = {name: [] for name in TABLE}

    def add(level: Level | LevelSummary, rows: int, **values: list[Any]) -> None:
        columns["series"] += [level.series] * rows
        columns["n"] += [level.n] * rows
        columns["response_format"] += [level.response_format] * rows
        for name in ("program", "accuracy", "ci_low", "ci_high"):
            columns[name] += values.get(name, [None] * rows)

    for each in result.levels:
        add(each, 1, accuracy=[each.accuracy], ci_low=[each.ci_low], ci_high=[each.ci_high])
    chance = result.contest.chance
    if chance is not None:
        add(chance, 1, accuracy=[chance.mean])
    for level in result.contest.levels:
        order = sorted(range(len(level.programs)), key=lambda i: level.programs[i])
        programs = [level.programs[i] for i in order]
        accuracy = level.accuracy.mean(axis=0)[order].tolist()
        add(level, len(programs), program=programs, accuracy=accuracy)
    return pl.DataFrame(columns, schema=TABLE)

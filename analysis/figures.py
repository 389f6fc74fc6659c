"""Figures: a tidy result in, a plotly figure out. Nothing is aggregated here, no global theme."""

from __future__ import annotations

import math
from collections.abc import Sequence
from html import escape
from typing import Final

import plotly.graph_objects as go

from analysis.contrasts import LevelSummary
from analysis.curves import Level
from analysis.exchange import ExchangeRate, curve_fit
from analysis.palette import COLOUR, DASH, NAME, ORDER
from analysis.results import Result
from analysis.sentences import number

LABEL_GAP: Final = 0.062
"""Least distance of two labels at the right edge, in accuracy."""


def series_name(level: Level | LevelSummary) -> str:
    """A level in words, with n where n varies; escaped."""
    shown = f", n = {level.n}" if level.n else ""
    return escape(f"{NAME[level.series]}{shown} ({level.response_format})")


def dose_response(result: Result) -> go.Figure:
    """Accuracy against n (log axis, n = 0 beyond a break), with the rate and its interval.

    x is drawn in log10 n on a linear axis, so that n = 0 can have a place.
    """
    if not result.contest.n_programs:
        raise ValueError("dose_response: no program was answered in every arm and run")
    shown = result.contest.demonstrations
    ticks = [math.log10(level.n) for level in shown]
    step = (ticks[-1] - ticks[0]) / max(len(ticks) - 1, 1) or math.log10(2)
    zero, left, right = ticks[0] - step, ticks[0] - 1.35 * step, ticks[-1] + 0.35 * step
    figure = go.Figure(layout=_layout("demonstrations per program (log scale)"))
    _add_levels(figure, result, left, right)
    _add_dots(figure, result, zero)
    _add_curve(figure, result, zero)
    _add_rate(figure, result, ticks[0], ticks[-1], step)
    figure.update_xaxes(
        range=[left, right],
        tickvals=[zero, *ticks] if result.contest.at("none") else ticks,
        ticktext=["0", *(str(level.n) for level in shown)]
        if result.contest.at("none")
        else [str(level.n) for level in shown],
    )
    if result.contest.at("none"):
        _note(figure, ticks[0] - step / 2, 0, "//", yref="paper", yanchor="middle")
    return figure


def _layout(x_title: str) -> go.Layout:
    return go.Layout(
        template="simple_white",
        height=460,
        margin={"l": 64, "r": 210, "t": 24, "b": 56},
        paper_bgcolor="rgba(0,0,0,0)",
        plot_bgcolor="rgba(0,0,0,0)",
        font={"family": "system-ui, sans-serif", "size": 13},
        showlegend=False,
        hovermode="closest",
        xaxis={"title": {"text": x_title}},
        yaxis={"title": {"text": "accuracy on targets"}, "tickformat": ".0%"}
        | {"range": [-0.02, 1.03]},
    )


def _add_levels(figure: go.Figure, result: Result, left: float, right: float) -> None:
    """Horizontal lines: the instruction with its band, and every control; labels at the right."""
    lines = [each for each in result.levels if each.n == 0 and each.series != "none"]
    for each in lines:
        main = each.series == "instruction"
        if main and each.ci_low is not None and each.ci_high is not None:
            figure.add_scatter(
                x=[left, right, right, left],
                y=[each.ci_low, each.ci_low, each.ci_high, each.ci_high],
                fill="toself",
                fillcolor=_faint(COLOUR[each.series], 0.13),
                line={"width": 0},
                mode="lines",
                hoverinfo="skip",
            )
        figure.add_scatter(
            x=[left, right],
            y=[each.accuracy] * 2,
            mode="lines",
            line={
                "color": COLOUR[each.series],
                "width": 2.2 if main else 1.5,
                "dash": DASH.get(each.series, "solid"),
            },
            hovertemplate=f"{series_name(each)}: %{{y:.1%}}<extra></extra>",
        )
    last = [each for each in result.levels if each.series == "demonstrations"][-1:]
    labelled = sorted([*lines, *last], key=lambda each: each.accuracy)
    for each, y in zip(labelled, _spread([e.accuracy for e in labelled]), strict=True):
        name = NAME[each.series] if each in last else series_name(each)
        text = f"{name} ({each.response_format})" if each in last else name
        _note(figure, right, y, text, colour=COLOUR[each.series], xanchor="left")


def _add_dots(figure: go.Figure, result: Result, zero: float) -> None:
    """A faint dot per program at every n, and at n = 0."""
    placed = [(math.log10(level.n), level) for level in result.contest.demonstrations]
    none = result.contest.at("none")
    for x, level in [*placed, *([(zero, none)] if none else [])]:
        by_program = level.accuracy.mean(axis=0).tolist()
        figure.add_scatter(
            x=[x + _jitter(index) for index in range(len(by_program))],
            y=by_program,
            mode="markers",
            marker={"color": _faint(COLOUR[level.series], 0.28), "size": 5},
            hoverinfo="skip",
        )


def _add_curve(figure: go.Figure, result: Result, zero: float) -> None:
    """The fit through the demonstrations, their means with intervals, and the mean at n = 0."""
    fit = curve_fit(result.contest)
    figure.add_scatter(
        x=[math.log10(n) for n, _ in fit],
        y=[accuracy for _, accuracy in fit],
        mode="lines",
        line={"color": COLOUR["demonstrations"], "width": 2.2},
        hoverinfo="skip",
    )
    means = [each for each in result.levels if each.series in ("demonstrations", "none")]
    for each in means:
        low = each.accuracy if each.ci_low is None else each.ci_low
        high = each.accuracy if each.ci_high is None else each.ci_high
        figure.add_scatter(
            x=[zero if each.series == "none" else math.log10(each.n)],
            y=[each.accuracy],
            mode="markers",
            marker={
                "color": COLOUR[each.series],
                "size": 9,
                "symbol": "square" if each.series == "none" else "circle",
            },
            error_y={
                "array": [high - each.accuracy],
                "arrayminus": [each.accuracy - low],
                "thickness": 1.4,
                "width": 4,
            },
            hovertemplate=f"{series_name(each)}: %{{y:.1%}}<extra></extra>",
        )


def _add_rate(figure: go.Figure, result: Result, first: float, last: float, step: float) -> None:
    """The gap: a line dropped at the rate with its interval, or an arrow past the last n run."""
    rate, y = result.rate, result.contest.levels[0].mean
    if rate.state == "not_comparable":
        return
    if rate.mass_below is not None:
        _add_interval(figure, rate, y, first, last, step)
    if rate.rate is not None:
        x, text = math.log10(rate.rate), f"1 instruction ≈ {number(rate.rate)} demonstrations"
        drop = {"color": COLOUR["instruction"], "dash": "dot", "width": 1.5}
        figure.add_scatter(x=[x, x], y=[-0.02, y], mode="lines", line=drop, hoverinfo="skip")
        xs, symbols, width = [x], ["diamond"], 0
    else:
        right = rate.state == "right_censored"
        sign = "&gt;" if right else "&lt;"
        x, text = (
            last if right else first,
            f"1 instruction {sign} {number(rate.bound or 0)} demonstrations",
        )
        xs, width = [x, x + (0.3 if right else -0.3) * step], 5
        symbols = ["circle", "triangle-right" if right else "triangle-left"]
    figure.add_scatter(
        x=xs,
        y=[y] * len(xs),
        mode="lines+markers",
        line={"color": COLOUR["instruction"], "width": width},
        marker={"color": COLOUR["instruction"], "symbol": symbols, "size": 13},
        hovertemplate=f"{text}<extra></extra>",
    )
    anchor = "right" if x > (first + last) / 2 else "left"
    _note(figure, x, y + 0.055, f"<b>{text}</b>", xanchor=anchor)


def _add_interval(
    figure: go.Figure, rate: ExchangeRate, y: float, first: float, last: float, step: float
) -> None:
    """A thick bar over the interval at the instruction's height; an open end is an arrow head."""
    low = first - 0.3 * step if rate.ci_low is None else math.log10(rate.ci_low)
    high = last + 0.3 * step if rate.ci_high is None else math.log10(rate.ci_high)
    heads = [
        "triangle-left" if rate.ci_low is None else "line-ns",
        "triangle-right" if rate.ci_high is None else "line-ns",
    ]
    figure.add_scatter(
        x=[low, high],
        y=[y, y],
        mode="lines+markers",
        line={"color": COLOUR["instruction"], "width": 5},
        marker={
            "symbol": heads,
            "size": 12,
            "line": {"width": 2.5, "color": COLOUR["instruction"]},
        },
        hoverinfo="skip",
    )


def accuracy_by_arm(levels: Sequence[LevelSummary]) -> go.Figure:
    """Accuracy of every arm as a dot with its interval, one row an arm."""
    if not levels:
        raise ValueError("accuracy_by_arm: no arm was evaluated on targets")
    ordered = sorted(levels, key=lambda each: (ORDER.index(each.series), -each.n), reverse=True)
    figure = go.Figure(layout=_layout("accuracy on targets"))
    for each in ordered:
        low = each.accuracy if each.ci_low is None else each.ci_low
        high = each.accuracy if each.ci_high is None else each.ci_high
        figure.add_scatter(
            x=[each.accuracy],
            y=[series_name(each)],
            mode="markers",
            marker={"color": COLOUR[each.series], "size": 10},
            error_x={
                "array": [high - each.accuracy],
                "arrayminus": [each.accuracy - low],
                "thickness": 2,
                "width": 0,
            },
            hovertemplate=f"{series_name(each)}: %{{x:.1%}}<extra></extra>",
        )
    figure.update_layout(height=90 + 30 * len(ordered), margin={"l": 220, "r": 32})
    figure.update_xaxes(range=[-0.02, 1.03], tickformat=".0%", showgrid=True)
    figure.update_yaxes(title=None, range=None, tickformat=None, ticks="", showline=False)
    return figure


def _note(figure: go.Figure, x: float, y: float, text: str, **options: str) -> None:
    colour = options.pop("colour", "")
    font = {"size": 12} | ({"color": colour} if colour else {})
    figure.add_annotation(x=x, y=y, text=text, showarrow=False, font=font, **options)


def _spread(heights: Sequence[float]) -> list[float]:
    """Heights (ascending) moved apart until labels do not overlap, keeping them on the page."""
    placed: list[float] = []
    for height in heights:
        placed.append(max(height, placed[-1] + LABEL_GAP) if placed else height)
    top = 1.02
    for index in range(len(placed) - 1, -1, -1):
        placed[index] = top = min(placed[index], top)
        top -= LABEL_GAP
    return placed


def _jitter(index: int) -> float:
    """A fixed scatter around an n (golden ratio), so that dots do not hide each other."""
    return ((index * 0.618034) % 1 - 0.5) * 0.06


def _faint(colour: str, opacity: float) -> str:
    red, green, blue = (int(colour[at : at + 2], 16) for at in (1, 3, 5))
    return f"rgba({red},{green},{blue},{opacity})"

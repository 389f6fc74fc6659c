"""The marks of a dose-response figure: lines of controls, dots of programs, curves, the rate."""

from __future__ import annotations

import math
from dataclasses import dataclass
from html import escape

import numpy as np

from analysis.contrasts import LevelSummary
from analysis.curves import Level
from analysis.exchange import ExchangeRate, curve_fit
from analysis.figures.drawing import Trace, faint, jitter, short, whiskers
from analysis.palette import COLOUR, DASH, MARK, NAME
from analysis.results import Result
from analysis.sentences import number


@dataclass(frozen=True)
class Scale:
    """Places on the x axis, which is linear in log10 n so that n = 0 can have one."""

    ticks: tuple[float, ...]
    step: float

    @property
    def zero(self) -> float:
        """Where n = 0 stands."""
        return self.ticks[0] - self.step

    @property
    def left(self) -> float:
        """The left end."""
        return self.ticks[0] - 1.4 * self.step

    @property
    def right(self) -> float:
        """The right end."""
        return self.ticks[-1] + 0.4 * self.step


def marks(result: Result, scale: Scale) -> list[Trace]:
    """All of them, from the back to the front."""
    return [
        *_chance(result, scale),
        *_lines(result, scale),
        *_dots(result, scale),
        *_curves(result, scale),
        *_rate(result, scale),
    ]


def told(rate: ExchangeRate) -> str:
    """What the arrow says; escaped."""
    if rate.rate is not None:
        return f"1 instruction ≈ {number(rate.rate)} demonstrations"
    if rate.bound is not None:
        sign = "&gt;" if rate.state == "right_censored" else "&lt;"
        one = "" if rate.bound == 1 else "s"
        return f"1 instruction {sign} {number(rate.bound)} demonstration{one}"
    return "no exchange rate: not comparable"


def series_name(level: Level | LevelSummary) -> str:
    """A level in words, with n where n varies; escaped."""
    shown = f", n = {level.n}" if level.n else ""
    return escape(f"{NAME[level.series]}{shown} ({level.response_format})")


def _lines(result: Result, scale: Scale) -> list[Trace]:
    """Horizontal lines: the instruction with its band, and every control."""
    traces: list[Trace] = []
    for each in result.levels:
        if each.n or each.series == "none":
            continue
        main = each.series == "instruction"
        if main and each.ci_low is not None and each.ci_high is not None:
            traces.append(
                {
                    "x": short([scale.left, scale.right, scale.right, scale.left]),
                    "y": short([each.ci_low, each.ci_low, each.ci_high, each.ci_high]),
                    "fill": "toself",
                    "fillcolor": faint(COLOUR["instruction"], 0.11),
                    "line": {"width": 0},
                    "mode": "lines",
                    "hoverinfo": "skip",
                    "showlegend": False,
                }
            )
        line = {"color": COLOUR[each.series], "width": 1.2 if main else 1.5}
        traces.append(
            {
                "x": short([scale.left, scale.right]),
                "y": short([each.accuracy] * 2),
                "mode": "lines",
                "name": series_name(each),
                "line": line | {"dash": DASH[each.series]},
                "hovertemplate": f"{series_name(each)}: %{{y:.1%}}<extra></extra>",
            }
        )
    return traces


def _chance(result: Result, scale: Scale) -> list[Trace]:
    """A dotted line at what a guess gets, where that is known."""
    chance = result.contest.chance
    if chance is None:
        return []
    return [
        {
            "x": short([scale.left, scale.right]),
            "y": short([chance.mean] * 2),
            "mode": "lines",
            "name": NAME["chance"],
            "line": {"color": COLOUR["chance"], "width": 2, "dash": DASH["chance"]},
            "hovertemplate": f"{NAME['chance']}: %{{y:.1%}}<extra></extra>",
        }
    ]


def _placed(result: Result, scale: Scale) -> list[tuple[float, Level]]:
    """Levels that have dots, with their place: instruction and none share n = 0."""
    aside = 0.13 * scale.step
    places: list[tuple[float, Level]] = [(scale.zero + aside, result.contest.levels[0])]
    none = result.contest.at("none")
    if none is not None:
        places.append((scale.zero - aside, none))
    places += [(math.log10(level.n), level) for level in result.contest.demonstrations]
    places += [(math.log10(level.n) + aside, level) for level in result.contest.both]
    return places


def _dots(result: Result, scale: Scale) -> list[Trace]:
    """A faint dot per program at every n, and at n = 0."""
    traces = []
    for x, level in _placed(result, scale):
        by_program = np.sort(level.accuracy.mean(axis=0))
        traces.append(
            {
                "x": short(x + jitter(len(by_program), 0.15 * scale.step), 3),
                "y": short(by_program, 3),
                "mode": "markers",
                "marker": {"color": faint(COLOUR[level.series], 0.3), "size": 5},
                "hoverinfo": "skip",
                "showlegend": False,
            }
        )
    return traces


def _curves(result: Result, scale: Scale) -> list[Trace]:
    """The fit through the demonstrations, a line through both, and all means with intervals."""
    fit = curve_fit(result.contest)
    traces: list[Trace] = [
        {
            "x": short([math.log10(n) for n, _ in fit]),
            "y": short([accuracy for _, accuracy in fit]),
            "mode": "lines",
            "line": {"color": COLOUR["demonstrations"], "width": 2.2},
            "hoverinfo": "skip",
            "showlegend": False,
        }
    ]
    both = result.contest.both
    if len(both) > 1:
        traces.append(
            {
                "x": short([math.log10(level.n) + 0.13 * scale.step for level in both]),
                "y": short([level.mean for level in both]),
                "mode": "lines",
                "line": {"color": COLOUR["both"], "width": 1.6, "dash": DASH["both"]},
                "hoverinfo": "skip",
                "showlegend": False,
            }
        )
    summary = {(each.series, each.n): each for each in result.levels}
    seen: set[str] = set()
    for x, level in _placed(result, scale):
        if level.series == "instruction":
            continue
        each = summary[level.series, level.n]
        traces.append(_mean(x, each, first=each.series not in seen))
        seen.add(each.series)
    return traces


def _mean(x: float, each: LevelSummary, *, first: bool) -> Trace:
    return {
        "x": short([x]),
        "y": short([each.accuracy]),
        "mode": "markers",
        "name": escape(f"{NAME[each.series]} ({each.response_format})"),
        "showlegend": first,
        "marker": {"color": COLOUR[each.series], "size": 9, "symbol": MARK[each.series]},
        "error_y": whiskers(each.accuracy, each.ci_low, each.ci_high, width=4, thickness=1.4),
        "hovertemplate": f"{series_name(each)}: %{{y:.1%}}<extra></extra>",
    }


def _rate(result: Result, scale: Scale) -> list[Trace]:
    """The interval as a thick bar at the instruction's height, the rate as a diamond on it."""
    rate, y = result.rate, result.contest.levels[0].mean
    if rate.state == "not_comparable":
        return []
    traces = [] if rate.mass_below is None else [_interval(rate, y, scale)]
    if rate.rate is not None:
        x, symbol = math.log10(rate.rate), "diamond"
        traces.append(
            {
                "x": short([x, x]),
                "y": short([-0.02, y]),
                "mode": "lines",
                "line": {"color": COLOUR["instruction"], "dash": "dot", "width": 1.5},
                "hoverinfo": "skip",
                "showlegend": False,
            }
        )
    elif rate.state == "right_censored":
        x, symbol = scale.ticks[-1] + 0.3 * scale.step, "triangle-right"
    else:
        x, symbol = scale.ticks[0] - 0.3 * scale.step, "triangle-left"
    traces.append(
        {
            "x": short([scale.zero, x]),
            "y": short([y, y]),
            "mode": "markers",
            "name": "rate of one instruction",
            "showlegend": False,
            "marker": {
                "color": COLOUR["instruction"],
                "symbol": [MARK["instruction"], symbol],
                "size": [9, 13],
                "opacity": 1,
                "line": {"width": 0},
            },
            "hovertemplate": f"{told(rate)}<extra></extra>",
        }
    )
    return traces


def _interval(rate: ExchangeRate, y: float, scale: Scale) -> Trace:
    """An open end is an arrow head."""
    first, last = scale.ticks[0], scale.ticks[-1]
    low = first - 0.3 * scale.step if rate.ci_low is None else math.log10(rate.ci_low)
    high = last + 0.3 * scale.step if rate.ci_high is None else math.log10(rate.ci_high)
    heads = [
        "triangle-left" if rate.ci_low is None else "line-ns",
        "triangle-right" if rate.ci_high is None else "line-ns",
    ]
    return {
        "x": short([low, high]),
        "y": short([y, y]),
        "mode": "lines+markers",
        "line": {"color": faint(COLOUR["instruction"], 0.45), "width": 7},
        "marker": {
            "symbol": heads,
            "size": 12,
            "color": COLOUR["instruction"],
            "line": {"width": 2.5, "color": COLOUR["instruction"]},
        },
        "hoverinfo": "skip",
        "showlegend": False,
    }

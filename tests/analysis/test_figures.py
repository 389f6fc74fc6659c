"""Figures hold what the result holds; plotly accepts every one of them."""

from dataclasses import replace
from itertools import pairwise
from math import log10

import polars as pl
import pytest

from analysis.comparison import DEFAULT_HEADLINE
from analysis.diagnostics import diagnose
from analysis.figures import accuracy_by_arm, dose_response, forest, influence
from analysis.figures.drawing import LABEL_GAP, spread
from analysis.figures.forest import draw_forest, forest_axis
from analysis.figures.response import draw_dose_response
from analysis.figures.scaling import draw_scaling, scaling
from analysis.results import Result, result_of
from analysis.scaling import ScalingPoint, Trend
from tests.analysis.synthetic import World, contest

STATES = {
    "estimated": World(programs=8, items=4, rate=5.0, potency=1.0),
    "right_censored": World(programs=8, items=4, rate=500.0, none=-6.0),
    "left_censored": World(programs=8, items=8, rate=0.2, none=-9.0),
    "not_comparable": World(programs=8, items=4, none=4.0),
    "no interval": World(programs=8, items=4, seeds=1),
}


def result(world: World, seed: int = 0, model: str = "m") -> Result:
    found = contest(world, seed)
    return result_of(replace(found, factors={"model": model}), DEFAULT_HEADLINE, draws=200)


@pytest.mark.parametrize("name", STATES)
def test_every_state_is_drawn(name: str) -> None:
    found = result(STATES[name], seed=2)
    if name in ("estimated", "right_censored", "left_censored", "not_comparable"):
        assert found.rate.state == name
    curve, arms = dose_response(found), accuracy_by_arm(found.levels)
    assert curve.layout.xaxis.ticktext == ("0", *(str(n) for n in STATES[name].ns))
    assert len(arms.data) == len(found.levels)
    assert len(influence(found, diagnose(found.contest)).data) >= 1
    assert len(forest([found]).layout.annotations) == 1


def test_every_program_is_a_dot_at_every_n() -> None:
    found = result(STATES["estimated"])
    drawn = draw_dose_response(found)
    dots = [t for t in drawn.traces if t["mode"] == "markers" and len(t["x"]) == 8]
    ns = STATES["estimated"].ns
    # Instruction, none, demonstrations at every n, and both at every n.
    assert len(dots) == 2 + 2 * len(ns)
    every = sorted(y for trace in dots for y in trace["y"])
    shown = [
        level
        for level in found.contest.levels
        if level.series in ("instruction", "none", "demonstrations", "both")
    ]
    expected = sorted(y for level in shown for y in level.accuracy.mean(axis=0))
    assert every == pytest.approx(expected, abs=1e-3)


def test_the_data_behind_the_curve_are_its_means_and_programs() -> None:
    found = result(STATES["estimated"])
    table = draw_dose_response(found).table
    means = table.filter(pl.col("program").is_null())
    programs = table.filter(pl.col("program").is_not_null())
    again = programs.group_by("series", "n").agg(pl.col("accuracy").mean().alias("again"))
    both = means.join(again, on=["series", "n"])
    assert len(both) == len(found.levels)
    assert both["accuracy"].to_list() == pytest.approx(both["again"].to_list())


def test_the_rate_stands_where_the_axis_has_it() -> None:
    found = result(STATES["estimated"])
    assert found.rate.rate is not None
    diamond = draw_dose_response(found).traces[-1]
    assert diamond["x"][-1] == pytest.approx(log10(found.rate.rate), abs=1e-3)
    bars = [t for t in draw_forest([found]).traces if len(t["x"]) == 1]
    assert bars[0]["x"][0] == pytest.approx(log10(found.rate.rate), abs=1e-3)


def test_a_forest_puts_the_headline_first_and_marks_each_rate() -> None:
    results = [result(world, model=name) for name, world in STATES.items()]
    aside = replace(results[0], headline=False)
    drawn = draw_forest([aside, *results])
    rows = [trace["y"][0] for trace in drawn.traces if len(trace["x"]) == 1]
    comparable = sum(each.rate.state != "not_comparable" for each in [aside, *results])
    assert len(rows) == comparable
    assert min(rows) == 0, "what is no headline stands last"
    assert len(drawn.table) == len(results) + 1


def test_every_n_run_lies_within_the_forests_axis() -> None:
    results = [result(World(programs=4, items=2, ns=ns)) for ns in ((1, 3), (10, 300), (7, 9))]
    axis = forest_axis(results)
    for n in (1, 3, 7, 9, 10, 300, *axis.ticks):
        assert 0 < axis.share(n) < 1


def test_the_trend_has_its_slope_and_bounds_point_away() -> None:
    points = (
        ScalingPoint(1e6, "a", 0.5, 0.2, 0.9, "estimated"),
        ScalingPoint(1e7, "b", 0.8, 0.5, None, "estimated"),
        ScalingPoint(1e8, "c", None, 1.2, None, "right_censored"),
    )
    trend = Trend("n_params", {}, 0.3, 0.1, 0.5, 0.01, 4.0, points, (), 1, "")
    drawn = draw_scaling(trend)
    line = next(trace for trace in drawn.traces if trace["mode"] == "lines")
    run, rise = line["x"][1] - line["x"][0], line["y"][1] - line["y"][0]
    assert rise / run == pytest.approx(0.3, abs=1e-3)
    symbols = [t["marker"]["symbol"] for t in drawn.traces if t["mode"] == "markers"]
    assert symbols == ["diamond", "diamond", "triangle-up"]
    assert drawn.table["state"].to_list() == ["estimated", "estimated", "right_censored"]
    scaling(trend)


def test_labels_are_moved_apart_and_stay_in_order() -> None:
    heights = [0.1, 0.11, 0.5, 0.98, 0.99, 1.0]
    placed = spread(heights)
    gaps = [b - a for a, b in pairwise(placed)]
    assert min(gaps) >= LABEL_GAP - 1e-9
    assert max(placed) <= 1.02 + 1e-9
    assert spread([0.2, 0.5]) == [0.2, 0.5]

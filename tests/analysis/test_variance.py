"""Variance components: truth recovered, laws of the moments, and advice that follows from them."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from analysis.simulate import World, contest
from analysis.variance import Components, advice, components

WORLD = World(ns=(1, 2, 4, 8, 16), programs=120, seeds=8, items=10, none=-4.0)
PARTS = ("program", "interaction", "stage1", "run", "cell", "item")


def mean_components(world: World, studies: int = 12) -> dict[str, float]:
    found = [components(contest(world, (7, seed))) for seed in range(studies)]
    return {name: float(np.mean([getattr(each, name) for each in found])) for name in PARTS}


@pytest.mark.parametrize(
    ("program", "interaction", "stage1", "run"),
    [(0.5, 0.4, 0.3, 0.3), (0.6, 0.0, 0.0, 0.0), (0.0, 0.5, 0.0, 0.5), (0.0, 0.0, 0.5, 0.0)],
)
def test_recovers_the_noise_of_a_simulated_study(
    program: float, interaction: float, stage1: float, run: float
) -> None:
    """Standard deviations [logits], which the linear scale keeps to a tenth or so."""
    world = replace(WORLD, program=program, interaction=interaction, stage1=stage1, run=run)
    found = mean_components(world)
    truth = {"program": program, "interaction": interaction, "stage1": stage1, "run": run}
    for name, deviation in truth.items():
        assert np.sqrt(found[name]) == pytest.approx(deviation, rel=0.15, abs=0.1), name
    assert np.sqrt(found["cell"]) < 0.2


def test_items_vary_as_binomials_do() -> None:
    """At p = 1/2 one answer has variance 1/4 and the logit's slope is 1/4: 4 logits squared."""
    flat = {"program": 0.0, "interaction": 0.0, "stage1": 0.0, "run": 0.0}
    world = replace(WORLD, intercept=0.0, slope=0.0, rate=4.0, **flat)
    assert mean_components(world)["item"] == pytest.approx(4.0, rel=0.05)


def test_names_and_order_do_not_matter() -> None:
    one = contest(replace(WORLD, programs=20, seeds=3), 0)
    order = np.random.default_rng(0).permutation(20)
    levels = [level.keep([level.programs[i] for i in order]) for level in one.levels]
    other = replace(one, levels=(levels[0], *levels[:0:-1]))
    before, after = components(one), components(other)
    assert before and after
    for name in PARTS:
        assert getattr(after, name) == pytest.approx(getattr(before, name))


def test_more_items_shrink_the_items_alone() -> None:
    found = components(contest(WORLD, 0))
    assert found
    few, many = found.contrast_parts(24, 3, 8), found.contrast_parts(24, 3, 16)
    assert many["items"] == pytest.approx(few["items"] / 2)
    assert {k: v for k, v in many.items() if k != "items"} == {
        k: v for k, v in few.items() if k != "items"
    }


@pytest.mark.parametrize("lacking", [{"seeds": 1}, {"programs": 1}, {"items": 1}])
def test_without_replication_there_are_no_components(lacking: dict[str, int]) -> None:
    assert components(contest(replace(World(), **lacking), 0)) is None


QUIET = Components(
    program=1,
    interaction=0,
    stage1=1,
    run=0,
    cell=0,
    item=0,
    programs=20,
    seeds=3,
    items=8,
    advice="",
)


@pytest.mark.parametrize(
    ("loud", "share", "first"),
    [
        ({"run": 0.5, "item": 0.1}, 0.04, "more seeds"),
        ({"interaction": 2.0, "item": 0.1}, 0.04, "more programs"),
        ({"interaction": 1.0, "item": 5.0}, 0.04, "more items"),
        ({"interaction": 1.0, "item": 5.0}, 0.9, "more programs"),
    ],
)
def test_advice_goes_where_the_variance_is_and_the_cost_is_not(
    loud: dict[str, float], share: float, first: str
) -> None:
    told = advice(replace(QUIET, **loud), share)
    assert first in told.split(" would ")[0]


def test_advice_is_silent_where_nothing_varies() -> None:
    assert "nothing says" in advice(QUIET, 0.04)

"""Additive and multiplicative forms: known truths, states, and no extrapolation."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from scipy.special import expit

from analysis.intervals import bootstrap_means
from analysis.mixed import MixedRate, mixed_rates
from analysis.simulate import World, contest, without_noise
from tests.analysis.levels import by_hand

NS = (1, 2, 4, 8, 16, 32)
QUIET = without_noise(World(ns=NS, potency=2.0, items=2000, programs=30))


def rates(world: World, seed: int = 0) -> dict[int, MixedRate]:
    study = contest(world, seed)
    return {each.n: each for each in mixed_rates(study, bootstrap_means(study.levels, draws=500))}


def test_a_known_multiplier_is_recovered_at_every_n() -> None:
    for n, each in rates(QUIET).items():
        if n == NS[-1]:
            assert (each.state, each.multiplier, each.additive) == ("right_censored", None, None)
            assert each.bound == NS[-1]
        else:
            assert each.multiplier == pytest.approx(2, rel=0.05)
            assert each.additive == pytest.approx(n, rel=0.1)
            assert each.multiplier == pytest.approx(1 + each.additive / n)  # type: ignore[operator]


def test_an_instruction_that_adds_nothing_has_zero_and_one() -> None:
    study = contest(QUIET, 0)
    twins = tuple(replace(level, series="both") for level in study.demonstrations)
    kept = tuple(level for level in study.levels if level.series != "both")
    for each in mixed_rates(replace(study, levels=(*kept, *twins)), None):
        assert each.additive == pytest.approx(0, abs=1e-9)
        assert each.multiplier == pytest.approx(1)


def test_a_known_head_start_is_recovered_on_a_straight_curve() -> None:
    """Straight in logits, as between the curve's points; one is worth 4 demonstrations."""

    def at(n: float) -> list[float]:
        return [float(expit(-2 + 0.7 * np.log(n)))] * 2

    made = by_hand(at(4), {n: at(n) for n in NS}, {n: at(n + 4) for n in (1, 4, 12)})
    for each in mixed_rates(made, None):
        assert each.additive == pytest.approx(4)
        assert each.multiplier == pytest.approx((each.n + 4) / each.n)


def test_below_the_smallest_n_is_left_censored() -> None:
    made = by_hand([0.3] * 2, {4: [0.2] * 2, 8: [0.5] * 2}, {2: [0.1] * 2}, [0.05] * 2)
    (each,) = mixed_rates(made, None)
    assert (each.state, each.additive, each.bound) == ("left_censored", None, 4)


@pytest.mark.parametrize(
    ("both", "shown"), [(1.0, 0.5), (0.0, 0.5), (0.5, 0.0), (0.5, 1.0)], ids=str
)
def test_an_arm_without_room_is_not_comparable(both: float, shown: float) -> None:
    made = by_hand([0.3] * 2, {1: [shown] * 2, 2: [shown] * 2}, {1: [both] * 2})
    (each,) = mixed_rates(made, None)
    assert each.state == "not_comparable"
    assert each.additive is each.multiplier is each.bound is each.additive_low is None
    assert "ceiling" in each.reason or "floor" in each.reason


def test_limits_hold_the_estimate_and_stay_within_what_was_run() -> None:
    for seed in range(5):
        for n, each in rates(World(ns=NS, potency=2.0), seed).items():
            for limit in (each.multiplier_low, each.multiplier_high):
                assert limit is None or NS[0] - 1e-9 <= limit * n <= NS[-1] + 1e-9
            if each.multiplier is not None and each.multiplier_low is not None:
                assert each.multiplier_low <= each.multiplier
                assert each.additive_low == pytest.approx(n * each.multiplier_low - n)


def test_the_interval_covers() -> None:
    world = World(ns=(1, 3, 10, 30, 100), intercept=-2.0, slope=0.8, potency=2.0, programs=40)
    holds = asked = 0
    for seed in range(60):
        each = rates(world, seed)[10]
        low, high = each.multiplier_low or 0.0, each.multiplier_high or np.inf
        holds += low <= 2.0 <= high
        asked += each.state == "estimated"
    assert asked >= 55
    assert holds >= 51  # of 60 at 95%: fewer once in 500 times


def test_counting_n_otherwise_scales_the_head_start_and_not_the_multiplier() -> None:
    base = contest(World(potency=2.0), 1)
    scaled = tuple(replace(level, n=level.n * 5) if level.n else level for level in base.levels)
    means = bootstrap_means(base.levels, draws=500)
    pairs = zip(
        mixed_rates(base, means), mixed_rates(replace(base, levels=scaled), means), strict=True
    )
    for one, five in pairs:
        assert five.state == one.state
        for name in ("multiplier", "multiplier_low", "multiplier_high"):
            assert getattr(five, name) == pytest.approx(getattr(one, name))
        for name in ("additive", "additive_low", "bound"):
            value = getattr(one, name)
            assert getattr(five, name) == (None if value is None else pytest.approx(5 * value))


def test_one_seed_and_an_absent_arm() -> None:
    study = contest(World(potency=2.0, seeds=1), 0)
    for each in mixed_rates(study, bootstrap_means(study.levels, draws=500)):
        assert each.multiplier_low is each.multiplier_high is None
    assert mixed_rates(contest(World(), 0), None) == ()

"""The estimator against independent oracles, and the four states."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.optimize import isotonic_regression
from sklearn.isotonic import IsotonicRegression

from analysis.comparison import DEFAULT_HEADLINE
from analysis.exchange import ExchangeRate
from analysis.isotonic import bent, centres, curve_at, invert, isotonic
from analysis.results import result_of
from tests.analysis.synthetic import World, contest, without_noise

QUIET = without_noise(World(items=2000, programs=40, seeds=3))


def rate_of(world: World, seed: int = 0) -> ExchangeRate:
    return result_of(contest(world, seed), DEFAULT_HEADLINE).rate


@given(
    st.lists(st.tuples(st.floats(0, 1), st.integers(1, 5)), min_size=1, max_size=8),
)
def test_isotonic_fit_equals_scipys(points: list[tuple[float, int]]) -> None:
    y, weight = (np.array(column, dtype=float) for column in zip(*points, strict=True))
    oracle = isotonic_regression(y, weights=weight).x
    assert isotonic(y[None], weight)[0] == pytest.approx(oracle, abs=1e-9)


@given(st.lists(st.floats(0, 1), min_size=2, max_size=7), st.floats(0, 1))
def test_inverse_lands_on_the_centred_fit_or_beyond_it(y: list[float], target: float) -> None:
    x, weight = np.log(2.0 ** np.arange(len(y))), np.ones(len(y))
    fitted = isotonic(np.array([y]), weight)
    found = invert(x, np.array([y]), weight, np.array([target]))[0]
    if target < fitted.min() - 1e-9:
        assert found == -np.inf
    elif target > fitted.max() + 1e-9:
        assert found == np.inf
    else:
        centre = centres(x, fitted, weight)[0]
        height = np.interp(found, centre, bent(fitted[0]))
        assert height == pytest.approx(bent(np.array(target)), abs=1e-6)


def test_a_flat_stretch_is_met_at_its_weighted_centre() -> None:
    x, y, weight = np.array([0.0, 1.0, 2.0, 3.0]), np.array([[0.1, 0.5, 0.3, 0.9]]), np.ones(4)
    weight[2] = 3
    assert invert(x, y, weight, np.array([0.35]))[0] == pytest.approx((1 + 3 * 2) / 4)


@pytest.mark.parametrize("rate", [1.5, 3.0, 9.0])
def test_recovers_a_known_rate(rate: float) -> None:
    found = rate_of(replace(QUIET, rate=rate))
    assert found.state == "estimated"
    assert found.rate == pytest.approx(rate, rel=0.05)
    assert found.ci_low is not None and found.ci_high is not None
    assert found.ci_low <= found.rate <= found.ci_high  # type: ignore[operator]


def test_scaling_n_scales_the_rate() -> None:
    base = contest(World(), 3)
    scaled = replace(
        base,
        levels=tuple(replace(level, n=level.n * 5) if level.n else level for level in base.levels),
    )
    one, five = (result_of(each, DEFAULT_HEADLINE).rate for each in (base, scaled))
    assert one.state == five.state == "estimated"
    for name in ("rate", "ci_low", "ci_high"):
        assert getattr(five, name) == pytest.approx(5 * getattr(one, name))


def test_identical_arms_have_the_true_n_in_the_interval() -> None:
    base = contest(World(rate=4.0, programs=60, seeds=4), 1)
    twin = next(level for level in base.demonstrations if level.n == 4)
    same = replace(twin, series="instruction", n=0)
    found = result_of(replace(base, levels=(same, *base.levels[1:])), DEFAULT_HEADLINE).rate
    assert found.rate == pytest.approx(4)
    assert found.ci_low is not None and found.ci_high is not None
    assert found.ci_low <= 4 <= found.ci_high


def test_beyond_the_largest_n_is_right_censored() -> None:
    found = rate_of(replace(QUIET, rate=60.0))
    assert (found.state, found.rate, found.bound, found.ci_high) == (
        "right_censored",
        None,
        16,
        None,
    )
    assert found.ci_low is not None and found.ci_low <= 16


def test_below_the_smallest_n_but_above_none_is_left_censored() -> None:
    found = rate_of(replace(QUIET, rate=0.4))
    assert (found.state, found.rate, found.bound, found.ci_low) == ("left_censored", None, 1, None)
    assert found.ci_high is not None and found.ci_high >= 1


@pytest.mark.parametrize(
    "world",
    [
        replace(QUIET, rate=0.05, none=-2.0),  # the instruction taught nothing
        replace(QUIET, rate=1e6),  # the instruction is at ceiling
        replace(QUIET, intercept=-9.0, slope=0.1, rate=1e30, none=-9.5),  # no demonstration helps
    ],
)
def test_arms_without_room_are_not_comparable(world: World) -> None:
    found = rate_of(world)
    assert (found.state, found.rate, found.bound) == ("not_comparable", None, None)
    assert found.ci_low is found.ci_high is None
    assert found.reason


def test_one_stage1_seed_claims_no_interval() -> None:
    result = result_of(contest(World(seeds=1), 0), DEFAULT_HEADLINE)
    assert result.rate.state == "estimated"
    assert result.rate.ci_low is result.rate.ci_high is result.rate.mass_below is None
    assert all(each.ci_low is each.ci_high is None for each in result.contrasts)


@given(st.lists(st.floats(0, 1), min_size=2, max_size=8), st.integers(0, 10_000))
def test_isotonic_fit_equals_scikit_learns(y: list[float], seed: int) -> None:
    weight = np.random.default_rng(seed).uniform(0.5, 3, len(y))
    oracle = IsotonicRegression().fit(np.arange(len(y)), y, sample_weight=weight)
    assert isotonic(np.array([y]), weight)[0] == pytest.approx(
        oracle.predict(np.arange(len(y))), abs=1e-9
    )


@given(st.lists(st.floats(0.02, 0.98), min_size=2, max_size=7), st.floats(0, 1))
def test_the_curve_passes_its_centres_and_is_inverted_by_the_inverse(
    y: list[float], place: float
) -> None:
    x, weight, raw = np.log(2.0 ** np.arange(len(y))), np.ones(len(y)), np.array(y)
    fitted = isotonic(raw[None], weight)
    centre = centres(x, fitted, weight)[0]
    through, _ = curve_at(x, raw, weight, centre)
    assert through == pytest.approx(fitted[0], abs=1e-9)
    at = centre[0] + place * (centre[-1] - centre[0])
    height, _ = curve_at(x, raw, weight, np.array([at]))
    if np.ptp(fitted) > 1e-3:
        back, _ = curve_at(x, raw, weight, invert(x, raw[None], weight, height))
        assert back == pytest.approx(height, abs=1e-6)


def test_the_gradient_of_the_curve_is_that_of_small_steps() -> None:
    x, weight = np.log([1.0, 3, 10, 30]), np.array([3.0, 3, 2, 3])
    y, at = np.array([0.1, 0.4, 0.35, 0.8]), np.linspace(0, np.log(30), 9)
    _, gradient = curve_at(x, y, weight, at)
    for column in range(4):
        step = np.zeros(4)
        step[column] = 1e-6
        up, down = (curve_at(x, y + sign * step, weight, at)[0] for sign in (1, -1))
        assert gradient[:, column] == pytest.approx((up - down) / 2e-6, abs=1e-5)


def test_precise_studies_give_narrow_intervals_around_the_estimate() -> None:
    world = World(ns=(1, 10, 100), rate=20.0, items=5000, programs=200, seeds=6, slope=2.0)
    found = result_of(contest(replace(world, run=0.02, stage1=0.02), 0), DEFAULT_HEADLINE).rate
    assert found.ci_low is not None and found.ci_high is not None and found.rate is not None
    assert found.ci_low < found.rate < found.ci_high


def test_swapping_the_arms_of_a_contrast_flips_its_sign() -> None:
    base = contest(World(), 5)
    swapped = [
        replace(level, series={"instruction": "none", "none": "instruction"}[level.series])
        if level.series in ("instruction", "none")
        else level
        for level in base.levels
    ]
    order = [swapped[1], swapped[0], *swapped[2:]]
    here, there = (
        result_of(each, DEFAULT_HEADLINE).contrasts[0]
        for each in (base, replace(base, levels=tuple(order)))
    )
    assert there.difference == pytest.approx(-here.difference)
    assert there.ci_low == pytest.approx(-here.ci_high)  # type: ignore[operator]
    assert there.ci_high == pytest.approx(-here.ci_low)  # type: ignore[operator]


def test_both_intervals_agree_where_noise_is_small() -> None:
    world = World(programs=200, items=20, seeds=6, run=0.1, stage1=0.1)
    result = result_of(contest(world, 1), DEFAULT_HEADLINE)
    for side in ("ci_low", "ci_high"):
        one, other = getattr(result.rate, side), getattr(result.bootstrap, side)
        assert np.log(one) == pytest.approx(np.log(other), abs=0.05)


def test_a_rate_needs_two_seeds_on_both_sides_for_its_interval() -> None:
    base = contest(World(), 2)
    once = tuple(
        replace(level, clusters=(0,), accuracy=level.accuracy[:1], n_items=level.n_items[:1])
        if level.series == "demonstrations"
        else level
        for level in base.levels
    )
    found = result_of(replace(base, levels=once), DEFAULT_HEADLINE).rate
    assert found.ci_low is found.ci_high is found.mass_below is None
    assert "stage-1 seeds" in found.reason


def test_one_n_gives_a_state_and_no_false_rate() -> None:
    found = rate_of(World(ns=(4,), rate=16.0, seeds=4, items=40, programs=60))
    assert (found.state, found.bound, found.ci_high) == ("right_censored", 4, None)

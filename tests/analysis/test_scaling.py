"""Trends of the rate: the slope, its censoring, and the intervals that hold together."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy.optimize import minimize
from scipy.stats import norm

from analysis.comparison import Contest
from analysis.intervals import order_statistics
from analysis.paired import log_rates_of
from analysis.scaling import Trend, simultaneous, trends
from analysis.simulate import World, without_noise
from analysis.tobit import slopes
from tests.analysis.counts import family

SIZES = (100_000, 1_000_000, 10_000_000)
NOISY = World(ns=(1, 2, 4, 8, 16, 32), none=-5.0)
QUIET = without_noise(replace(NOISY, items=4000, programs=20, seeds=2))


def sized(*rates: float, world: World = NOISY, seed: int = 0) -> list[Contest]:
    worlds = [replace(world, rate=rate) for rate in rates]
    return family(worlds, seed, n_params=SIZES[: len(rates)], model=["a", "b", "c"][: len(rates)])


def trend(contests: list[Contest], draws: int = 1000) -> Trend:
    (found,) = trends(contests, draws=draws)
    return found


def test_recovers_a_power_law() -> None:
    found = trend(sized(3, 6, 12, world=QUIET))
    assert found.factor == "n_params"
    assert found.slope is not None
    assert found.slope == pytest.approx(np.log10(2), abs=0.05)
    assert found.ci_low is not None and found.ci_high is not None and found.p_value is not None
    assert found.ci_low <= found.slope <= found.ci_high
    assert found.p_value < 0.01
    assert [point.log10_rate for point in found.points] == pytest.approx(
        np.log10([3, 6, 12]), abs=0.05
    )
    assert {(d.value, d.against) for d in found.differences} == {
        (SIZES[1], SIZES[0]),
        (SIZES[2], SIZES[0]),
        (SIZES[2], SIZES[1]),
    }


def test_a_unit_of_n_moves_no_slope() -> None:
    """n times 3 multiplies every rate by 3, so slopes and differences stay."""
    one = sized(3, 6, 12)
    three = [
        replace(each, levels=tuple(replace(level, n=3 * level.n) for level in each.levels))
        for each in one
    ]
    before, after = trend(one), trend(three)
    for name in ("slope", "ci_low", "ci_high", "p_value"):
        assert getattr(after, name) == pytest.approx(getattr(before, name), abs=1e-9)
    for old, new in zip(before.differences, after.differences, strict=True):
        assert (new.difference, new.low, new.high) == pytest.approx(
            (old.difference, old.low, old.high), abs=1e-9
        )


def test_neither_order_of_programs_nor_their_names_matter() -> None:
    contests = sized(3, 6, 12)
    names = contests[0].levels[0].programs
    renamed = {name: f"q{place}" for place, name in enumerate(reversed(names))}
    shuffled = []
    for index, each in enumerate(contests):
        order = np.random.default_rng(index).permutation(len(names))
        levels = [level.keep([names[i] for i in order]) for level in each.levels]
        shuffled.append(
            replace(
                each,
                levels=tuple(
                    replace(level, programs=tuple(renamed[p] for p in level.programs))
                    for level in levels
                ),
            )
        )
    before, after = trend(contests), trend(shuffled)
    assert (after.slope, after.ci_low, after.ci_high, after.p_value) == pytest.approx(
        (before.slope, before.ci_low, before.ci_high, before.p_value), abs=1e-9
    )


def test_draws_of_comparisons_on_the_same_programs_are_paired() -> None:
    """What makes a program easy moves two rates together; between other programs it cannot."""
    world = replace(
        NOISY, programs=12, program=0.0, interaction=1.5, run=0.0, stage1=0.0, items=200, seeds=2
    )
    one = sized(4, world=world)[0]
    twin = replace(one, factors=one.factors | {"n_params": SIZES[1]})
    other = replace(twin, factors=twin.factors | {"factors": '{"domain_paths": 4}'})
    same, paired = log_rates_of([one, twin], draws=1000)
    alone, apart = log_rates_of([one, other], draws=1000)
    assert same and paired and alone and apart
    assert np.corrcoef(same.draws_low, paired.draws_low)[0, 1] > 0.9
    assert abs(np.corrcoef(alone.draws_low, apart.draws_low)[0, 1]) < 0.15


def test_run_noise_of_two_comparisons_is_drawn_apart() -> None:
    world = replace(NOISY, program=0.0, stage1=0.0, run=0.8, items=500, seeds=4)
    first = sized(4, world=world)[0]
    twin = replace(first, factors=first.factors | {"n_params": SIZES[1]})
    one, two = log_rates_of([first, twin], draws=2000)
    assert one and two
    finite = (one.draws_low == one.draws_high) & (two.draws_low == two.draws_high)
    assert abs(np.corrcoef(one.draws_low[finite], two.draws_low[finite])[0, 1]) < 0.15


def test_only_what_is_equal_in_all_else_makes_a_trend() -> None:
    one, two, three = sized(3, 6, 12)
    mixed = [one, two, replace(three, factors=three.factors | {"lora_rank": 4})]
    assert {each.factor: len(each.points) for each in trends(mixed, draws=200)} == {"n_params": 2}
    ranks = [replace(one, factors=one.factors | {"lora_rank": rank}) for rank in (0, 4, 16)]
    found = trend(ranks, draws=200)
    assert (found.factor, [point.value for point in found.points]) == ("lora_rank", [4, 16])
    paths = [
        replace(one, factors=one.factors | {"factors": f'{{"domain_paths": {p}, "replay": 0.3}}'})
        for p in (1, 2, 4)
    ]
    assert trend(paths, draws=200).factor == "paths"
    assert trends([one], draws=200) == ()


def test_a_censored_rate_enters_as_a_bound() -> None:
    """The slope is at least what the bound itself would give, and more than half refuse."""
    inside = trend(sized(4, 8, 25, world=QUIET))
    beyond = trend(sized(4, 8, 100, world=QUIET))
    assert (inside.n_censored, beyond.n_censored) == (0, 1)
    assert beyond.points[2].log10_rate is None
    assert beyond.points[2].high is None
    assert beyond.slope is not None and inside.slope is not None
    assert beyond.slope > np.log10(2) - 0.1
    refused = trend(sized(4, 90, 120, world=QUIET))
    assert (refused.slope, refused.p_value, refused.n_censored) == (None, None, 2)
    assert "bounds" in refused.reason


def test_what_cannot_be_compared_is_left_out_and_told() -> None:
    one, two, three = sized(3, 6, 12)
    hopeless = replace(
        two, levels=(replace(two.levels[0], accuracy=two.levels[0].accuracy * 0), *two.levels[1:])
    )
    found = trend([one, hopeless, three])
    assert len(found.points) == 2
    assert "1 not comparable" in found.reason
    assert trend([one, hopeless]).slope is None


def tobit_oracle(
    x: NDArray[np.float64], low: NDArray[np.float64], high: NDArray[np.float64], s: float
) -> float:
    """The maximum-likelihood slope by a general optimiser."""

    def loss(theta: NDArray[np.float64]) -> float:
        fitted = theta[0] + theta[1] * x
        exact = low == high
        total = ((fitted - low)[exact] ** 2).sum() / (2 * s**2)
        total -= norm.logcdf(((fitted - low) / s)[high == np.inf]).sum()
        total -= norm.logcdf(((high - fitted) / s)[low == -np.inf]).sum()
        return float(total)

    options = {"xatol": 1e-9, "fatol": 1e-12, "maxiter": 5000}
    return float(minimize(loss, [0.0, 0.0], method="Nelder-Mead", options=options).x[1])


@pytest.mark.parametrize("seed", range(5))
def test_tobit_slope_equals_a_general_optimisers(seed: int) -> None:
    rng = np.random.default_rng(seed)
    x, y = np.array([0.0, 0.5, 1.0, 2.0]), rng.normal(size=4)
    low, high = y.copy(), y.copy()
    high[seed % 2], low[2 + seed % 2] = np.inf, -np.inf
    least, most = slopes(x, low[None], high[None], np.full(4, 0.3))
    assert least == most == pytest.approx(tobit_oracle(x, low, high, 0.3), abs=1e-4)


def test_without_bounds_the_slope_is_weighted_least_squares() -> None:
    rng = np.random.default_rng(1)
    x, y, spread = np.arange(5.0), rng.normal(size=(7, 5)), rng.uniform(0.1, 1, 5)
    oracle = [np.polyfit(x, row, 1, w=1 / spread)[0] for row in y]
    least, most = slopes(x, y, y, spread)
    assert least == pytest.approx(oracle)
    assert most == pytest.approx(oracle)


def test_one_value_and_a_bound_leave_the_slope_open_on_that_side() -> None:
    x, spread = np.array([0.0, 1.0]), np.array([0.2, 0.2])
    least, most = slopes(x, np.array([[0.3, 1.0]]), np.array([[0.3, np.inf]]), spread)
    assert (least[0], most[0]) == (pytest.approx(0.7), np.inf)


def test_simultaneous_intervals_hold_draws_whole() -> None:
    rng = np.random.default_rng(0)
    draws = rng.multivariate_normal(np.zeros(4), np.full((4, 4), 0.5) + 0.5 * np.eye(4), 4000)
    limits = simultaneous(draws, draws)
    inside = ((limits[:, 0] <= draws) & (draws <= limits[:, 1])).all(axis=1)
    assert inside.mean() == pytest.approx(0.95, abs=0.005)
    for column, (low, high) in enumerate(limits):
        alone = order_statistics(draws[:, column])
        assert low < alone.low < alone.high < high
    (single,) = simultaneous(draws[:, :1], draws[:, :1])
    alone = order_statistics(draws[:, 0])
    assert single == pytest.approx((alone.low, alone.high), abs=0.05)


def test_censored_draws_open_their_own_interval_alone() -> None:
    rng = np.random.default_rng(0)
    low = rng.normal(size=(2000, 2))
    high = low.copy()
    high[:, 1] = np.where(high[:, 1] > 1, np.inf, high[:, 1])
    limits = simultaneous(low, high)
    assert np.isfinite(limits[0]).all()
    assert limits[1, 1] == np.inf and np.isfinite(limits[1, 0])


def holds(truth: float, low: float | None, high: float | None) -> bool:
    return (low is None or low <= truth) and (high is None or truth <= high)


@pytest.mark.slow
def test_trends_keep_their_level() -> None:
    """400 studies: a true slope is covered, no slope is rarely found, pairs hold together."""
    covered = found_none = together = 0
    for seed in range(400):
        real = trend(sized(3, 6, 12, seed=seed))
        covered += holds(np.log10(2), real.ci_low, real.ci_high)
        flat = trend(sized(5, 5, 5, seed=1000 + seed))
        found_none += flat.p_value is not None and flat.p_value < 0.05
        together += all(holds(0, each.low, each.high) for each in flat.differences)
    assert covered >= 0.92 * 400
    assert found_none <= 0.08 * 400
    assert together >= 0.92 * 400

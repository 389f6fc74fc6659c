"""The average advantage against a case worked by hand, and against the published recipe."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from analysis.advantage import Advantage, average_advantage
from analysis.comparison import Contest
from analysis.curves import Array
from analysis.intervals import bootstrap_means
from analysis.simulate import World, contest
from tests.analysis.levels import by_hand


def flat(*accuracies: float) -> list[list[float]]:
    return [[accuracy, accuracy] for accuracy in accuracies]


def simple(both: dict[int, float], instruction: float = 0.3) -> Contest:
    shown = dict(zip((2, 4, 8), flat(0.3, 0.5, 0.9), strict=True))
    mixed = {n: [accuracy, accuracy] for n, accuracy in both.items()}
    return by_hand([instruction] * 2, shown, mixed, [0.1, 0.1])


def value_of(given_contest: Contest) -> Advantage:
    return average_advantage(given_contest, None)


def test_a_case_worked_by_hand() -> None:
    """Demonstrations: 0.1, 0.3, 0.5, 0.9 at 0, 2, 4, 8. With the instruction: 0.3, 0.5, 0.9 at 0,
    2, 4. Over accuracies 0.3 to 0.9 the areas under the inverses are 0.2 x 3 + 0.4 x 6 = 3.0 and
    0.2 x 1 + 0.4 x 3 = 1.4, so the mean distance is 1.6 / 0.6."""
    one = value_of(simple({2: 0.5, 4: 0.9}))
    assert one.value == pytest.approx(1.6 / 0.6)
    assert one.window == pytest.approx((0.3, 0.9))


def test_a_constant_head_start_is_the_advantage() -> None:
    assert value_of(simple({2: 0.5, 6: 0.9})).value == pytest.approx(2)


@given(st.lists(st.floats(0.01, 1), min_size=10, max_size=10))
def test_the_integral_is_what_the_published_recipe_approaches(steps: list[float]) -> None:
    """There: the mean over 1,000 heights of the distance between running maxima."""
    rising = np.cumsum(steps)[:-1] / np.sum(steps)
    shown, both = rising[[0, 2, 4, 6, 8]], rising[[1, 3, 5, 7]]
    n_shown, n_both = np.array([0, 1, 3, 9, 20]), np.array([0, 2, 5, 11])
    made = by_hand(
        [both[0]] * 2,
        {int(n): [y, y] for n, y in zip(n_shown[1:], shown[1:], strict=True)},
        {int(n): [y, y] for n, y in zip(n_both[1:], both[1:], strict=True)},
        [shown[0]] * 2,
    )
    low, high = both[0], both[-1]
    at = low + (np.arange(1000) + 0.5) / 1000 * (high - low)
    expected = (np.interp(at, shown, n_shown) - np.interp(at, both, n_both)).mean()
    assert value_of(made).value == pytest.approx(expected, abs=0.02)


def test_more_runs_alike_change_nothing() -> None:
    """A maximum over runs would grow with them."""
    base = contest(World(potency=2.0), 3)
    twice = tuple(
        replace(
            level,
            clusters=(*level.clusters, *(cluster + 10 for cluster in level.clusters)),
            accuracy=np.concatenate([level.accuracy, level.accuracy]),
            n_items=np.concatenate([level.n_items, level.n_items]),
        )
        for level in base.levels
    )
    one, other = value_of(base).value, value_of(replace(base, levels=twice)).value
    assert other == pytest.approx(one)


def test_swapping_the_curves_turns_the_sign() -> None:
    other = {
        "instruction": "none",
        "none": "instruction",
        "demonstrations": "both",
        "both": "demonstrations",
    }
    base = contest(World(potency=2.0), 3)
    levels = tuple(
        replace(level, series=other.get(level.series, level.series)) for level in base.levels
    )
    one, turned = value_of(base), value_of(replace(base, levels=levels))
    assert one.value is not None and turned.value == pytest.approx(-one.value)
    assert turned.window == one.window


def test_curves_without_a_common_height_have_none() -> None:
    for made in (simple({2: 0.95}, instruction=0.92), simple({2: 0.3, 4: 0.3})):
        one = value_of(made)
        assert one.value is one.low is one.high is one.window is None
        assert "no accuracy in common" in one.reason


def test_arms_that_were_not_run_are_named() -> None:
    whole = simple({2: 0.5, 4: 0.9})
    for arm in ("none", "both"):
        levels = tuple(level for level in whole.levels if level.series != arm)
        one = value_of(replace(whole, levels=levels))
        assert one.value is None and f"'{arm}' was not run" in one.reason


def test_without_programs_there_is_no_curve() -> None:
    whole = simple({2: 0.5, 4: 0.9})
    empty = replace(whole, levels=tuple(level.keep([]) for level in whole.levels))
    one = value_of(empty)
    assert one.value is one.window is None and "no program" in one.reason


def test_the_interval_holds_what_many_programs_would_give() -> None:
    world = World(potency=2.0, ns=(1, 2, 4, 8, 16), rate=4.0, items=12)
    many = value_of(contest(replace(world, programs=3000, seeds=30), 0)).value
    assert many is not None
    holds = 0
    for seed in range(40):
        study = contest(world, seed)
        one = average_advantage(study, bootstrap_means(study.levels, draws=1000))
        assert one.low is not None and one.high is not None and one.value is not None
        assert one.low <= one.value <= one.high
        holds += one.low <= many <= one.high
    assert holds >= 33


def test_draws_without_a_window_open_the_interval() -> None:
    made = simple({2: 0.5, 4: 0.9})
    means: Array = np.tile([level.mean for level in made.levels], (1000, 1))
    whole = average_advantage(made, means)
    assert (whole.low, whole.high) == pytest.approx((1.6 / 0.6, 1.6 / 0.6))
    means[:50, -1] = means[:50, -2] = means[:50, 0] = 0.95
    lost = average_advantage(made, means)
    assert lost.value == whole.value
    assert lost.low is lost.high is None


def test_one_seed_has_a_value_and_no_interval() -> None:
    study = contest(World(potency=2.0, seeds=1), 0)
    one = average_advantage(study, bootstrap_means(study.levels, draws=500))
    assert one.value is not None and one.low is one.high is None
    assert "stage-1 seeds" in one.reason

"""Turnbull's estimate against hand, literature and Kaplan-Meier; rates of single programs."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import CensoredData, ecdf

from analysis.curves import Array
from analysis.per_program import program_rates
from analysis.simulate import World, contest, without_noise
from analysis.turnbull import Distribution, turnbull
from tests.analysis.levels import by_hand

INF = np.inf

# Time [months] to cosmetic deterioration of breast cancer patients under radiotherapy (Finkelstein
# & Wolfe 1985, Biometrics 41), and the estimate that R's interval prints (Fay & Shaw 2010, J. Stat.
# Softw. 36(2)).
RADIOTHERAPY = """
0 5, 0 7, 0 8, 4 11, 5 11, 5 12, 6 10, 7 14, 7 16, 11 15, 11 18, 15 inf, 17 25, 17 25, 17 inf,
18 26, 18 inf, 19 35, 22 inf, 24 inf, 24 inf, 25 37, 26 40, 27 34, 32 inf, 33 inf, 34 inf, 36 44,
36 48, 36 inf, 36 inf, 37 44, 37 inf, 37 inf, 37 inf, 38 inf, 40 inf, 45 inf, 46 inf, 46 inf,
46 inf, 46 inf, 46 inf, 46 inf, 46 inf, 46 inf
"""
PUBLISHED = {
    (4, 5): 0.0463,
    (6, 7): 0.0334,
    (7, 8): 0.0887,
    (11, 12): 0.0708,
    (24, 25): 0.0926,
    (33, 34): 0.0818,
    (38, 40): 0.1209,
    (46, 48): 0.4656,
}


def masses(found: Distribution) -> dict[tuple[float, float], float]:
    ends = zip(found.left.tolist(), found.right.tolist(), strict=True)
    return dict(zip(ends, found.mass.tolist(), strict=True))


def of(*intervals: tuple[float, float], weight: list[float] | None = None) -> Distribution:
    return turnbull(np.array(intervals, dtype=float), np.array(weight or [1.0] * len(intervals)))


def test_cases_worked_by_hand() -> None:
    # Two overlaps, each of two observations; the likelihood p * 1 * (1 - p) is largest at 1/2.
    assert masses(of((0, 2), (1, 3), (2, 4))) == pytest.approx({(1, 2): 0.5, (2, 3): 0.5})
    # p * 1 * (1 - p)^2.
    found = masses(of((0, 1), (0, 2), (1, 2), weight=[1, 1, 2]))
    assert found == pytest.approx({(0, 1): 1 / 3, (1, 2): 2 / 3})
    # All agree on (2, 3], so all mass is there.
    assert masses(of((0, 3), (2, 5), (1, INF))) == pytest.approx({(2, 3): 1.0})


def test_a_published_estimate() -> None:
    text = RADIOTHERAPY.replace("\n", " ").split(",")
    data = np.array([[float(end) for end in pair.split()] for pair in text])
    found = masses(turnbull(data, np.ones(len(data))))
    assert len(data) == 46
    assert found == pytest.approx(PUBLISHED, abs=6e-5)


times = st.lists(st.tuples(st.integers(1, 12), st.booleans()), min_size=1, max_size=25)


@given(times)
def test_exact_and_right_censored_times_are_kaplan_and_meiers(
    observed: list[tuple[int, bool]],
) -> None:
    seen = [float(at) for at, event in observed if event]
    lost = [float(at) for at, event in observed if not event]
    intervals = np.array([*((at, at) for at in seen), *((at, INF) for at in lost)])
    found = turnbull(intervals, np.ones(len(intervals)))
    oracle = ecdf(CensoredData(uncensored=np.array(seen), right=np.array(lost))).sf
    for at in sorted({*seen, *lost}):
        beyond = found.mass[found.left >= at].sum() - found.mass[found.right == at].sum()
        assert beyond == pytest.approx(float(oracle.evaluate(at)), abs=1e-5)


some = st.lists(
    st.tuples(st.integers(0, 8), st.integers(0, 5), st.booleans()), min_size=1, max_size=15
)


@given(some, st.integers(0, 1000))
def test_nothing_else_on_its_intervals_is_likelier(
    drawn: list[tuple[int, int, bool]], seed: int
) -> None:
    intervals = np.array([(low, INF if open_ else low + more) for low, more, open_ in drawn])
    found = turnbull(intervals, np.ones(len(intervals)))
    best = log_likelihood(intervals, found)
    rng = np.random.default_rng(seed)
    for _ in range(20):
        other = rng.dirichlet(np.ones(len(found.mass)))
        share = rng.choice([0.01, 0.3, 1.0])
        mixed = replace(found, mass=(1 - share) * found.mass + share * other)
        assert log_likelihood(intervals, mixed) <= best + 1e-4


def log_likelihood(intervals: Array, found: Distribution) -> float:
    total = 0.0
    for low, high in intervals:
        inside = (found.left >= low) & (found.right <= high)
        if low < high:  # a point at an open left end lies outside
            inside &= ~((found.left == found.right) & (found.left == low))
        total += float(np.log(max(found.mass[inside].sum(), 1e-300)))
    return total


def test_a_weight_is_as_good_as_repetition_and_order_means_nothing() -> None:
    intervals = [(0.0, 3.0), (1.0, 4.0), (2.0, INF), (3.0, 6.0)]
    weighted = masses(of(*intervals, weight=[1, 3, 2, 1]))
    repeated = [intervals[i] for i in (3, 1, 2, 0, 1, 2, 1)]
    assert masses(of(*repeated)) == pytest.approx(weighted, abs=1e-6)


@pytest.mark.parametrize("wrong", [[], [(2.0, 1.0)], [(np.nan, 1.0)]])
def test_what_is_no_interval_is_refused(wrong: list[tuple[float, float]]) -> None:
    with pytest.raises(ValueError, match="intervals left <= right"):
        turnbull(np.array(wrong).reshape(-1, 2), np.ones(len(wrong)))


# --- rates of single programs


def test_programs_worked_by_hand() -> None:
    """Reached at 1, between 1 and 4 (twice), between 4 and 16, never; one is at floor everywhere
    and one at ceiling. The fourth falls at 4, and its isotonic fit is 0.3 there."""
    made = by_hand(
        [0.2, 0.5, 0.5, 0.6, 0.9, 0.0, 1.0],
        {
            1: [0.3, 0.1, 0.2, 0.4, 0.1, 0.0, 1.0],
            4: [0.4, 0.5, 0.8, 0.2, 0.2, 0.0, 1.0],
            16: [0.9, 0.9, 0.9, 0.7, 0.8, 0.0, 1.0],
        },
    )
    found = program_rates(made)
    assert (found.n_programs, found.n_silent) == (5, 2)
    assert found.support == (
        (0.0, 1.0, pytest.approx(0.2)),
        (1.0, 4.0, pytest.approx(0.4)),
        (4.0, 16.0, pytest.approx(0.2)),
        (16.0, None, pytest.approx(0.2)),
    )
    assert (found.below_smallest, found.above_largest) == (pytest.approx(0.2), pytest.approx(0.2))
    assert (found.median_state, found.median_low, found.median_high) == ("estimated", 1, 4)
    # 0.3 of the 0.4 in (1, 4] lies below it, evenly over log n.
    assert found.median == pytest.approx(4**0.75)


@pytest.mark.parametrize(
    ("instruction", "state"), [(0.05, "left_censored"), (0.95, "right_censored")]
)
def test_a_median_beyond_what_was_run_is_censored(instruction: float, state: str) -> None:
    made = by_hand([instruction] * 3, {2: [0.1] * 3, 8: [0.9] * 3})
    found = program_rates(made)
    assert (found.median_state, found.median) == (state, None)
    shares = (found.below_smallest, found.above_largest)
    assert shares == ((1, 0) if state == "left_censored" else (0, 1))


def test_programs_that_all_say_nothing_give_no_distribution() -> None:
    found = program_rates(by_hand([0.0, 1.0], {1: [0.0, 1.0], 2: [0.0, 1.0]}))
    assert (found.median_state, found.n_programs, found.n_silent) == ("not_comparable", 0, 2)
    assert found.median is found.above_largest is None and found.support == ()


def test_programs_alike_all_have_the_rate() -> None:
    world = without_noise(World(rate=6.0, items=4000, programs=40))
    found = program_rates(contest(world, 0))
    assert [cell[:2] for cell in found.support] == [(4.0, 8.0)]
    assert found.median is not None and 4 <= found.median <= 8


def test_masses_sum_to_one_and_scale_with_n() -> None:
    base = contest(World(), 4)
    scaled = tuple(replace(level, n=level.n * 3) if level.n else level for level in base.levels)
    one, three = program_rates(base), program_rates(replace(base, levels=scaled))
    assert sum(cell[2] for cell in one.support) == pytest.approx(1)
    for a, b in zip(one.support, three.support, strict=True):
        assert (b[0], b[2]) == (pytest.approx(3 * a[0]), pytest.approx(a[2]))

"""Relative potency and the parametric rate: known truths, and when they are refused."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from scipy.special import expit

from analysis.comparison import DEFAULT_HEADLINE, Contest
from analysis.covariance import uncertainty
from analysis.parametric import parametric_rate
from analysis.potency import MARGIN, Potency, potency
from analysis.results import result_of
from analysis.simulate import World, contest, true_log_rate, without_noise
from tests.analysis.levels import by_hand

NS = (1, 2, 4, 8, 16, 32, 64)
SURE = World(
    ns=NS, rate=12.0, potency=3.0, programs=150, items=40, seeds=6, run=0.1, stage1=0.1, program=0.5
)


def found(simulated: Contest) -> Potency:
    return potency(simulated, uncertainty(simulated.levels))


def scaled(simulated: Contest, factor: int, *series: str) -> Contest:
    """The same with n counted otherwise in these arms."""
    levels = tuple(
        replace(level, n=level.n * factor) if level.series in series else level
        for level in simulated.levels
    )
    return replace(simulated, levels=levels)


@pytest.mark.parametrize("truth", [0.5, 1.0, 3.0])
def test_recovers_a_known_potency(truth: float) -> None:
    one = found(contest(without_noise(replace(SURE, potency=truth, items=400)), 0))
    assert one.offered, one.reason
    assert one.potency == pytest.approx(truth, rel=0.03)
    assert one.parallelism == pytest.approx(1, abs=0.05)


def test_the_interval_holds_the_truth_and_fieller_agrees_with_delta_where_all_is_clear() -> None:
    studies = [found(contest(SURE, seed)) for seed in range(40)]
    offered = [each for each in studies if each.offered]
    assert len(offered) >= 30
    holds = 0
    for each in offered:
        assert each.ci_low is not None and each.ci_high is not None and each.delta_low is not None
        holds += each.ci_low <= 3.0 <= each.ci_high
        assert np.log(each.ci_low) == pytest.approx(np.log(each.delta_low), abs=0.02)
    # A 95% interval misses more than 6 of 40 once in 600 times.
    assert holds >= len(offered) - 6


def test_counting_one_arm_in_pairs_doubles_its_potency() -> None:
    base = contest(SURE, 1)
    one, two = found(base), found(scaled(base, 2, "demonstrations"))
    assert one.offered and two.offered
    for name in ("potency", "ci_low", "ci_high"):
        assert getattr(two, name) == pytest.approx(2 * getattr(one, name), rel=1e-3)


def curves_of(both_at: str) -> Contest:
    """Exact curves; how the instruction joins in: as demonstrations added, or as a higher end."""
    easy = np.linspace(-1, 1, 30)

    def shown(n: float, top: float = 1.0) -> list[float]:
        return list(top * expit(easy - 3 + 1.2 * np.log(n)))

    both = {
        "added": {n: shown(n + 10) for n in NS},
        "higher end": {n: shown(n, 0.95) for n in NS},
    }[both_at]
    lower = 0.6 if both_at == "higher end" else 1.0
    return by_hand(shown(10), {n: shown(n, lower) for n in NS}, both, shown(0.01))


@pytest.mark.parametrize("both_at", ["added", "higher end"])
def test_curves_that_are_no_shifts_of_each_other_have_no_potency(both_at: str) -> None:
    one = found(curves_of(both_at))
    assert not one.offered and one.potency is None
    assert "not known to be parallel" in one.reason


def test_curves_that_meet_no_common_height_would_be_extrapolated() -> None:
    def shown(n: float) -> list[float]:
        return list(0.05 + 0.9 * expit(np.linspace(-0.1, 0.1, 40) - 2 + np.log(n)))

    few = (0.5, 1, 2, 4)
    near = by_hand(shown(4), {n: shown(n) for n in few}, {n: shown(6 * n) for n in few})
    far = by_hand(shown(4), {n: shown(n) for n in few}, {n: shown(60 * n) for n in few})
    assert found(near).potency == pytest.approx(6, rel=0.02)
    assert "no accuracy in common" in found(far).reason


def test_a_difference_too_noisy_to_see_is_not_taken_for_parallelism() -> None:
    """The slopes of small studies seldom differ significantly, and that offers nothing."""
    small = World(ns=(1, 4, 16, 64), rate=8.0, potency=3.0, programs=20, items=8, seeds=2)
    studies = [found(contest(small, seed)) for seed in range(40)]
    alike = [
        each
        for each in studies
        if each.parallelism_low is not None
        and each.parallelism_high is not None
        and each.parallelism_low < 1 < each.parallelism_high
    ]
    assert len(alike) > 20
    assert sum(each.offered for each in studies) <= 2


def test_curves_just_beyond_the_margin_are_seldom_offered() -> None:
    """Two one-sided tests at 5%: the slope of `both` is lower by the margin."""
    flatter = replace(SURE, slope=SURE.slope / MARGIN)
    offered = 0
    for seed in range(60):
        base, other = contest(SURE, seed), contest(flatter, (seed, 1))
        mixed = tuple(level for level in other.levels if level.series == "both")
        kept = tuple(level for level in base.levels if level.series != "both")
        offered += found(replace(base, levels=(*kept, *mixed))).offered
    assert offered <= 8  # 3 expected at most; above 8 once in 200 times


@pytest.mark.parametrize(
    ("changed", "reason"),
    [
        ({"potency": 0.0}, "'both' was not run"),
        ({"ns": (1, 8, 64)}, "takes 4"),
        ({"seeds": 1}, "two stage-1 seeds"),
        ({"potency": 1e4}, "parallel"),
    ],
)
def test_it_says_why_it_is_not_offered(changed: dict[str, object], reason: str) -> None:
    one = found(contest(replace(SURE, **changed), 0))  # type: ignore[arg-type]
    assert not one.offered
    assert one.reason and reason in one.reason
    assert one.potency is one.ci_low is one.ci_high is one.delta_low is None


def test_without_uncertainty_nothing_is_offered_and_no_interval_claimed() -> None:
    one = potency(contest(SURE, 0), None)
    assert not one.offered
    assert one.rate_4pl is not None and one.rate_low is one.rate_high is None


# --- the parametric rate


@pytest.mark.parametrize("rate", [2.0, 12.0, 40.0])
def test_recovers_a_known_rate(rate: float) -> None:
    simulated = contest(without_noise(replace(SURE, rate=rate, items=400, none=-9.0)), 0)
    one = parametric_rate(simulated, uncertainty(simulated.levels))
    assert one.rate == pytest.approx(rate, rel=0.05)
    assert one.low is not None and one.high is not None
    assert one.low <= one.rate <= one.high  # type: ignore[operator]


def test_agrees_with_the_primary_estimate_where_the_curve_is_logistic() -> None:
    simulated = contest(SURE, 2)
    primary = result_of(simulated, DEFAULT_HEADLINE).rate
    one = parametric_rate(simulated, uncertainty(simulated.levels))
    assert one.rate is not None and primary.rate is not None
    assert np.log(one.rate) == pytest.approx(np.log(primary.rate), abs=0.1)


def test_its_interval_covers() -> None:
    world = World(
        ns=(1, 3, 10, 30, 100), intercept=-2.5, slope=0.9, rate=20.0, programs=40, items=10
    )
    truth = true_log_rate(world)
    holds = 0
    for seed in range(100):
        simulated = contest(world, seed)
        one = parametric_rate(simulated, uncertainty(simulated.levels))
        assert one.rate is not None, one.reason
        low = -np.inf if one.low is None else np.log(one.low)
        high = np.inf if one.high is None else np.log(one.high)
        holds += low <= truth <= high
    assert holds >= 88  # of 100 at 95%: fewer once in 250 times


@pytest.mark.parametrize(
    ("changed", "reason"),
    [
        ({"rate": 300.0}, "above 64"),
        ({"rate": 0.5}, "below 1"),
        ({"ns": (1, 8, 64)}, "takes 4"),
        ({"rate": 0.001, "none": -3.0}, "not above"),
    ],
)
def test_never_beyond_what_was_run(changed: dict[str, object], reason: str) -> None:
    simulated = contest(without_noise(replace(SURE, **changed)), 0)  # type: ignore[arg-type]
    one = parametric_rate(simulated, uncertainty(simulated.levels))
    assert one.rate is one.low is one.high is None
    assert reason in one.reason


def test_counting_n_otherwise_scales_the_rate() -> None:
    base = contest(SURE, 3)
    one, five = (
        parametric_rate(each, uncertainty(each.levels))
        for each in (base, scaled(base, 5, "demonstrations", "both"))
    )
    for name in ("rate", "low", "high"):
        assert getattr(five, name) == pytest.approx(5 * getattr(one, name), rel=1e-3)


def test_one_seed_gives_a_rate_and_no_interval() -> None:
    simulated = contest(replace(SURE, seeds=1), 0)
    one = parametric_rate(simulated, uncertainty(simulated.levels))
    assert one.rate is not None
    assert one.low is one.high is None
    assert "stage-1 seeds" in one.reason


def test_without_programs_there_is_nothing_to_fit() -> None:
    simulated = contest(SURE, 0)
    empty = replace(simulated, levels=tuple(level.keep([]) for level in simulated.levels))
    one = potency(empty, None)
    assert not one.offered and one.reason
    assert one.rate_4pl is one.curve is None and "no program" in one.rate_reason

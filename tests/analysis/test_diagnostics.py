"""Diagnostics: each equals what recomputing by hand gives."""

from dataclasses import replace

import numpy as np
import pytest

from analysis.comparison import Contest
from analysis.covariance import uncertainty
from analysis.curves import Level
from analysis.diagnostics import diagnose
from analysis.exchange import estimate
from tests.analysis.synthetic import World, contest, without_noise

WORLD = World(programs=12, items=6, seeds=3)


def rate_of(found: Contest) -> float:
    """log10 rate by the estimator itself, without interval; infinite where censored."""
    rate = estimate(found, None, None)
    signs = {"right_censored": np.inf, "left_censored": -np.inf}
    return float(np.log10(rate.rate)) if rate.rate is not None else signs[rate.state]


def with_means(found: Contest, means: dict[int, float], series: str = "demonstrations") -> Contest:
    """The contest with every program of some levels at a given accuracy."""
    levels = tuple(
        replace(level, accuracy=np.full_like(level.accuracy, means[level.n]))
        if level.series == series and level.n in means
        else level
        for level in found.levels
    )
    return replace(found, levels=levels)


@pytest.mark.parametrize("seed", range(4))
def test_leaving_a_program_out_is_estimating_without_it(seed: int) -> None:
    found = contest(WORLD, seed)
    left_out = {e.name: e.log10_rate for e in diagnose(found).left_out if e.kind == "program"}
    names = found.levels[0].programs
    assert set(left_out) == set(names)
    for name in names:
        rest = [other for other in names if other != name]
        fewer = replace(found, levels=tuple(level.keep(rest) for level in found.levels))
        assert left_out[name] == pytest.approx(rate_of(fewer))


def test_leaving_a_run_out_is_estimating_without_its_stage_1() -> None:
    found = contest(WORLD, 1)
    left_out = [e.log10_rate for e in diagnose(found).left_out if e.kind == "run"]
    assert len(left_out) == WORLD.seeds

    def without(level: Level, cluster: int) -> Level:
        kept = [row for row, name in enumerate(level.clusters) if name != cluster]
        return replace(
            level,
            clusters=tuple(level.clusters[row] for row in kept),
            accuracy=level.accuracy[kept],
            n_items=level.n_items[kept],
        )

    for cluster, rate in enumerate(left_out):
        fewer = replace(found, levels=tuple(without(level, cluster) for level in found.levels))
        assert rate == pytest.approx(rate_of(fewer))


def test_the_only_run_cannot_be_left_out() -> None:
    found = diagnose(contest(replace(WORLD, seeds=1), 0))
    assert found.span("run") is None
    assert found.span("program") is not None


def test_a_fall_is_found_with_its_size_and_margin() -> None:
    found = with_means(contest(WORLD, 0), {1: 0.1, 2: 0.3, 4: 0.25, 8: 0.5, 16: 0.6})
    known = uncertainty(found.levels)
    (fall,) = diagnose(found, known).falls
    sides = np.zeros(len(found.levels))
    for index, level in enumerate(found.levels):
        if level.series == "demonstrations":
            sides[index] = {2: 1, 4: -1}.get(level.n, 0)
    assert (fall.n, fall.next_n) == (2, 4)
    assert fall.fall == pytest.approx(0.05)
    assert fall.margin == pytest.approx(float(known.margin(sides)[0]))
    assert fall.clear == (fall.fall > fall.margin)


def test_a_rising_curve_has_no_falls() -> None:
    rising = with_means(contest(WORLD, 0), {1: 0.1, 2: 0.2, 4: 0.3, 8: 0.5, 16: 0.6})
    assert not diagnose(rising).falls


def test_parallel_curves_leave_no_residual_and_others_do() -> None:
    base = contest(replace(without_noise(WORLD), potency=1.0), 0)
    curve = {1: 0.1, 2: 0.2, 4: 0.3, 8: 0.5, 16: 0.6}
    shown = with_means(base, curve)
    # Beside the instruction, n demonstrations do what 2n do alone.
    parallel = with_means(shown, {n: curve[2 * n] for n in (1, 2, 4, 8)}, "both")
    shifts = [s for s in diagnose(parallel).shifts if s.n <= 8]
    assert [s.n for s in shifts] == [1, 2, 4, 8]
    assert [s.log10_shift for s in shifts] == pytest.approx([np.log10(2)] * 4)
    crossing = with_means(shown, {1: 0.3, 2: 0.3, 4: 0.3, 8: 0.3, 16: 0.3}, "both")
    residuals = [s.residual for s in diagnose(crossing).shifts]
    assert sum(residuals) == pytest.approx(0, abs=1e-9)
    assert max(residuals) > 0.3


def test_one_program_gives_nothing_to_diagnose() -> None:
    found = diagnose(contest(replace(WORLD, programs=1), 0))
    assert not found.left_out
    assert not found.falls

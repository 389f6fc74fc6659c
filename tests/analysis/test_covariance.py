"""The two-way clustered covariance against known variances, and the laws of its contrasts."""

from dataclasses import replace

import numpy as np
import pytest

from analysis.covariance import sensitivity, uncertainty
from analysis.curves import Level
from analysis.simulate import World, contest


def contrast(levels: tuple[Level, ...], plus: int, minus: int) -> np.ndarray:  # type: ignore[type-arg]
    sides = np.zeros(len(levels))
    sides[[plus, minus]] = 1, -1
    return sides


@pytest.mark.parametrize(
    "world",
    [
        World(programs=30, seeds=4, run=0.5, stage1=0.0),
        World(programs=30, seeds=4, run=0.0, stage1=0.6),
        World(programs=30, seeds=4, run=0.0, stage1=0.0, program=2.0),
        World(programs=30, seeds=4, run=0.2, stage1=0.2, interaction=0.8, runs_per_stage1=2),
    ],
    ids=["runs", "stage 1", "programs", "all, nested"],
)
def test_the_variance_of_a_difference_is_that_of_repeated_studies(world: World) -> None:
    studies = [contest(world, seed).levels for seed in range(400)]
    sides = contrast(studies[0], 0, 5)
    seen = np.var([sides @ [level.mean for level in levels] for levels in studies])
    told = np.mean([uncertainty(levels).linear(sides)[0][0] ** 2 for levels in studies])
    # 400 repetitions know a variance to 14%; flooring run noise at 0 adds a little on average.
    assert 0.75 < told / seen < 1.45


def test_order_and_sign_of_a_contrast() -> None:
    levels = contest(World(), 1).levels
    known, swapped = uncertainty(levels), uncertainty(levels[::-1])
    there = known.linear(contrast(levels, 0, 5))
    back = known.linear(contrast(levels, 5, 0))
    last = len(levels) - 1
    renumbered = swapped.linear(contrast(levels, last, last - 5))
    for other in (back, renumbered):
        assert np.array(other) == pytest.approx(np.array(there))


def test_an_arm_against_itself_has_no_uncertainty() -> None:
    levels = contest(World(), 1).levels
    twins = (levels[0], levels[0], *levels[1:])
    se, _ = uncertainty(twins).linear(contrast(twins, 0, 1))
    own, _ = uncertainty(twins).linear(np.eye(len(twins))[0])
    # The pool cannot know that a level is a copy, so something is left; programs cancel exactly.
    assert se[0] < 0.75 * own[0]
    assert contrast(twins, 0, 1) @ uncertainty(twins).programs @ contrast(twins, 0, 1) < 1e-12


def test_without_run_noise_it_is_the_paired_t_test_on_programs() -> None:
    levels = contest(World(run=0.0, stage1=0.0, seeds=3), 4).levels
    same = tuple(
        replace(level, accuracy=np.repeat(level.accuracy.mean(axis=0, keepdims=True), 3, axis=0))
        for level in levels
    )
    se, df = uncertainty(same).linear(contrast(same, 0, 5))
    gap = (same[0].accuracy - same[5].accuracy)[0]
    assert se[0] == pytest.approx(gap.std(ddof=1) / np.sqrt(len(gap)))
    assert df[0] == pytest.approx(len(gap) - 1)


def test_the_untuned_base_has_no_run_noise() -> None:
    levels = contest(World(), 3).levels
    base = replace(
        levels[1],
        series="untuned",
        clusters=(0,),
        accuracy=levels[1].accuracy[:1],
        n_items=levels[1].n_items[:1],
    )
    known = uncertainty((*levels, base))
    alone = np.eye(len(levels) + 1)[-1]
    assert known.linear(alone)[0][0] ** 2 == pytest.approx(base.accuracy[0].var(ddof=1) / 24)
    assert np.isfinite(known.margin(contrast((*levels, base), 0, len(levels)))).all()


def test_sensitivity_is_the_slope_of_accuracy_in_logits() -> None:
    world = World(programs=4000, items=40, seeds=1, run=0.0, stage1=0.0)
    low, high = (
        contest(replace(world, intercept=world.intercept + shift), 0).levels
        for shift in (-0.1, 0.1)
    )
    slope = (high[5].mean - low[5].mean) / 0.2
    assert sensitivity(contest(world, 0).levels[5]) == pytest.approx(slope, rel=0.1)

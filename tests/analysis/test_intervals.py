"""The hierarchical bootstrap: its invariances, and what it must not leave out."""

from dataclasses import replace

import numpy as np
import pytest

from analysis.intervals import bootstrap_means, order_statistics
from analysis.results import result_of
from analysis.simulate import World, contest


def test_run_noise_widens_the_interval() -> None:
    """What a bootstrap of programs alone would miss."""
    calm, loud = (
        bootstrap_means(contest(World(run=run, stage1=0.0), 5).levels).std(axis=0).mean()
        for run in (0.0, 0.8)
    )
    assert loud > 1.3 * calm


def test_several_runs_on_one_stage1_are_one_cluster() -> None:
    simulated = contest(World(seeds=3), 0)
    one = tuple(
        replace(level, clusters=(0,), accuracy=level.accuracy[:1], n_items=level.n_items[:1])
        for level in simulated.levels
    )
    result = result_of(replace(simulated, levels=one), simulated.pair)
    for rate in (result.rate, result.bootstrap):
        assert rate.ci_low is rate.ci_high is rate.mass_below is None
        assert "stage-1" in rate.reason


def test_infinite_draws_are_kept() -> None:
    draws = np.concatenate([np.full(50, -np.inf), np.linspace(0, 1, 900), np.full(50, np.inf)])
    interval = order_statistics(draws)
    assert (interval.low, interval.high) == (-np.inf, np.inf)
    few = np.concatenate([np.full(10, -np.inf), np.linspace(0, 1, 990)])
    assert 0 <= order_statistics(few).low < order_statistics(few).high <= 1


def test_order_statistics_are_those_of_the_sorted_draws() -> None:
    draws = np.random.default_rng(3).standard_normal(999)
    interval = order_statistics(draws)
    assert (interval.low, interval.high) == (np.sort(draws)[24], np.sort(draws)[-25])
    with pytest.raises(ValueError, match="too few"):
        order_statistics(draws[:30])


def test_paired_differences_are_narrower_than_unpaired_ones() -> None:
    simulated = contest(replace(World(), program=2.0, run=0.05, stage1=0.05), 0)
    means = bootstrap_means(simulated.levels)
    column = {(level.series, level.n): index for index, level in enumerate(simulated.levels)}
    left, right = column["instruction", 0], column["demonstrations", 4]
    paired = (means[:, left] - means[:, right]).std()
    assert paired < 0.7 * np.hypot(means[:, left].std(), means[:, right].std())


def test_draws_centre_on_what_was_seen() -> None:
    simulated = contest(World(seeds=4), 2)
    draws = bootstrap_means(simulated.levels, draws=20_000)
    seen = np.array([level.mean for level in simulated.levels])
    assert draws.mean(axis=0) == pytest.approx(seen, abs=0.004)

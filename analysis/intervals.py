"""The hierarchical bootstrap: what accuracies other programs and other training runs would give.

Programs are resampled jointly across arms and runs, so that what makes a program easy cancels
where arms are compared. Run noise is resampled from residuals: the part that the arms of one
stage 1 share is drawn by stage-1 seed and moves them together; the rest is pooled over arms, an arm
noisier than the pool keeping its own scale. Residuals are in units of sqrt(p(1-p)), because an arm
near 0 or 1 has no room to vary, and are inflated for the degrees of freedom that the means used
up. A bootstrap of items or of programs alone leaves run noise out and covers far too seldom.

Simulated coverage of the rate's nominal 95% interval (600 studies each, standard error about 1
point; six n, ten items a program; the worlds of tests/analysis/test_intervals.py):

    programs x stage-1 seeds          20 x 2   40 x 3   100 x 5
    independent runs                    97       96       95
    luck of stage 1 shared by arms      98       98       98
    stage 1 moves the instruction       94       92       94    (another 600 of the last: 92)

So where a stage 1's luck touches the instruction alone, intervals are a little too narrow: pooling
lends that arm more degrees of freedom than its few seeds have.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray
from scipy.special import ndtri, stdtrit

from analysis.curves import Array, Level

DRAWS: Final = 4000
BOOTSTRAP_SEED: Final = 20250618
COVERAGE: Final = 0.95


@dataclass(frozen=True)
class Interval:
    """Two-sided limits; -inf or inf where draws lie beyond what was measured."""

    low: float
    high: float


def order_statistics(draws: Array, coverage: float = COVERAGE) -> Interval:
    """The central interval of draws, by order statistics: +-inf count as draws like any other."""
    ordered = np.sort(draws)
    outside = int(np.floor((1 - coverage) / 2 * (len(draws) + 1)))
    if outside < 1:
        raise ValueError(f"{len(draws)} draws are too few for {coverage=}; take more")
    return Interval(float(ordered[outside - 1]), float(ordered[-outside]))


def bootstrap_means(
    levels: Sequence[Level], *, draws: int = DRAWS, seed: int = BOOTSTRAP_SEED
) -> Array:
    """Bootstrapped accuracy of every level, shape (draws, levels).

    levels: all on the same programs in the same order. A row is one joint draw, so a difference of
    columns is a paired difference. Values may lie slightly outside 0..1: run noise is additive.
    """
    rng = np.random.default_rng(seed)
    n_programs = len(levels[0].programs)
    weights = rng.multinomial(n_programs, np.full(n_programs, 1 / n_programs), size=draws)
    by_program = np.stack([level.accuracy.mean(axis=0) for level in levels])
    return np.asarray(weights @ by_program.T / n_programs + _run_noise(levels, rng, draws))


def _run_noise(levels: Sequence[Level], rng: np.random.Generator, draws: int) -> Array:
    """Shape (draws, levels): what other training runs would add to each level's accuracy."""
    clusters = sorted({cluster for level in levels for cluster in level.clusters})
    slots = [[clusters.index(cluster) for cluster in level.clusters] for level in levels]
    scale = np.array([_binomial_scale(level) for level in levels])
    residual = np.full((len(levels), len(clusters)), np.nan)
    for row, level in enumerate(levels):
        if level.trained and level.replicated:
            means = level.accuracy.mean(axis=1)
            residual[row, slots[row]] = (means - means.mean()) / scale[row]
    seen = ~np.isnan(residual)
    if not seen.any():
        return np.zeros((draws, len(levels)))
    residual, seen = residual[:, seen.any(axis=0)], seen[:, seen.any(axis=0)]
    shared = np.nanmean(residual, axis=0)
    own = residual - shared
    freedom = len(shared) - 1
    together = rng.choice(shared, (draws, len(clusters))) * _inflation(len(shared), freedom)
    apart = rng.choice(own[seen], (draws, len(levels), len(clusters)))
    apart *= _inflation(int(seen.sum()), (int(seen.any(axis=1).sum()) - 1) * freedom)
    scatter = scale * _loudness(own, seen)
    noise = [
        scale[row] * together[:, used].mean(axis=1)
        + scatter[row] * apart[:, row, used].mean(axis=1)
        for row, used in enumerate(slots)
    ]
    return np.stack(noise, axis=1) * [level.trained for level in levels]


def _loudness(own: Array, seen: NDArray[np.bool_]) -> Array:
    """How much more a level varies than the pool, at least 1: shape (levels,).

    Without it, an arm that a stage 1 moves by itself (an instruction that one stage 1 taught to
    read better than another) would be given the calm of the others.
    """
    squares = np.where(seen, own, 0.0) ** 2
    pool = squares.sum() / seen.sum()
    if pool == 0:
        return np.ones(len(own))
    each = squares.sum(axis=1) / np.maximum(seen.sum(axis=1), 1)
    return np.asarray(np.sqrt(np.maximum(each / pool, 1.0)))


def _binomial_scale(level: Level) -> float:
    """sqrt(p(1-p)), held off 0 by half a program."""
    least = 0.5 / max(len(level.programs), 1)
    p = min(max(level.mean, least), 1 - least)
    return float(np.sqrt(p * (1 - p)))


def _inflation(residuals: int, freedom: int) -> float:
    """Undoes the shrinkage of residuals around fitted means, and gives Student's tails.

    For one level of S runs the first factor is sqrt(S / (S - 1)).
    """
    if freedom < 1:
        return 0.0
    tail = 1 - (1 - COVERAGE) / 2
    return float(np.sqrt(residuals / freedom) * stdtrit(freedom, tail) / ndtri(tail))

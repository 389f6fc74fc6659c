"""The hierarchical bootstrap: what accuracies other programs and other training runs would give.

The cross-check of the primary interval, and the source of everything that is no linear contrast.
Programs are resampled jointly across arms and runs, so that what makes a program easy cancels
where arms are compared. Run noise is resampled from residuals on the logit scale: the luck that all
arms of a stage 1 share moves them together; the rest is pooled over arms, an arm's own scale
moderated towards the pool's. Residuals are inflated for the means they were taken from, freed of
the items' part (resampling programs brings that already) and given Student's tails. A bootstrap of
items or of programs alone leaves run noise out and covers far too seldom.

What these intervals cover in simulated studies: docs/simulation.md.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Final

import numpy as np
from numpy.typing import NDArray

from analysis.covariance import COVERAGE, RunNoise, run_noise
from analysis.curves import Array, Level

DRAWS: Final = 4000
BOOTSTRAP_SEED: Final = 20250618

PRIOR_DF: Final = 3.0
"""As in `covariance`; more, since isotonic draws spread a little wider than the estimate does."""

LEAST_RUN_SHARE: Final = 1.0
"""Over the degrees of freedom: the least share of the runs' spread that is never put down to items.

Few runs cannot rule run noise out; without this, 2 seeds and 2 levels of n covered 90%.
"""


@dataclass(frozen=True)
class Interval:
    """Two-sided limits; -inf or inf where draws lie beyond what was measured."""

    low: float
    high: float


def order_statistics(draws: Array, coverage: float = COVERAGE) -> Interval:
    """The central interval of draws, by order statistics: +-inf count as draws like any other."""
    outside = int(np.floor((1 - coverage) / 2 * (len(draws) + 1)))
    if outside < 1:
        raise ValueError(f"{len(draws)} draws are too few for {coverage=}; take more")
    ordered = np.partition(draws, [outside - 1, len(draws) - outside])
    return Interval(float(ordered[outside - 1]), float(ordered[-outside]))


def bootstrap_means(
    levels: Sequence[Level], *, draws: int = DRAWS, seed: int = BOOTSTRAP_SEED
) -> Array:
    """Bootstrapped accuracy of every level, shape (draws, levels).

    levels: all on the same programs in the same order. A row is one joint draw, so a difference of
    columns is a paired difference. Values may lie slightly outside 0..1: run noise is additive.
    """
    weights = _program_weights(len(levels[0].programs), draws, seed)
    by_program = np.stack([level.accuracy.mean(axis=0) for level in levels])
    return np.asarray(weights @ by_program.T + _run_draws(run_noise(levels), draws, seed))


@lru_cache(maxsize=4)
def _program_weights(n_programs: int, draws: int, seed: int) -> Array:
    """How often each draw takes each program, as shares; the same for every comparison."""
    rng = np.random.default_rng((seed, 0))
    counts = rng.multinomial(n_programs, np.full(n_programs, 1 / n_programs), size=draws)
    return np.asarray(counts / n_programs)


def _run_draws(noise: RunNoise, draws: int, seed: int) -> Array:
    """Shape (draws, levels): what other training runs would add to each level's accuracy."""
    n_levels, n_clusters = noise.seen.shape
    residuals = noise.own[noise.seen]
    spread = float(np.sqrt((residuals**2).mean())) if residuals.size else 0.0
    if noise.df == 0 or spread == 0:
        return np.zeros((draws, n_levels))
    scale, df = _own_scale(noise)
    used = noise.seen / np.maximum(noise.seen.sum(axis=1, keepdims=True), 1)
    chosen = _choices(residuals.size, (draws, n_levels, n_clusters), seed)
    apart = np.einsum("dlc,lc->dl", (residuals / spread)[chosen], used)
    apart *= _tails(tuple(df.tolist()), draws, seed) * scale
    together = _normals((draws, n_clusters), seed) @ used.T
    return np.asarray((apart + np.sqrt(noise.stage1) * together) * noise.slope)


# What is drawn does not depend on what is found, so comparisons of one shape share it. That is
# what makes a thousand of them affordable.


@lru_cache(maxsize=4)
def _choices(size: int, shape: tuple[int, int, int], seed: int) -> NDArray[np.intp]:
    return np.random.default_rng((seed, 1)).integers(size, size=shape)


@lru_cache(maxsize=4)
def _tails(df: tuple[float, ...], draws: int, seed: int) -> Array:
    """What makes a normal deviate Student's, shape (draws, levels)."""
    rng = np.random.default_rng((seed, 2))
    return np.asarray(np.sqrt(df / rng.chisquare(df, (draws, len(df)))))


@lru_cache(maxsize=4)
def _normals(shape: tuple[int, int], seed: int) -> Array:
    return np.random.default_rng((seed, 3)).standard_normal(shape)


def _own_scale(noise: RunNoise) -> tuple[Array, Array]:
    """Each level's standard deviation of a run's own luck [logit], and its degrees of freedom.

    Moderated by PRIOR_DF towards the pool: an arm that a stage 1 moves by itself (an instruction
    that one stage 1 taught to read better than another) keeps some of its own loudness.
    """
    runs = noise.seen.sum(axis=1)
    prior = min(PRIOR_DF, noise.df)
    squares = (noise.own**2 * noise.seen).sum(axis=1)
    pool = float(squares.sum()) / noise.df
    # Taking out what a stage 1 shares costs every level its part of a degree of freedom.
    each = squares / max(1 - 1 / max(int((runs > 0).sum()), 2), 0.5)
    moderated = (prior * pool + each) / np.maximum(prior + runs - 1, 1)
    beyond = max(1 - noise.item_part / noise.single, LEAST_RUN_SHARE / noise.df)
    return np.sqrt(moderated * min(beyond, 1.0)), np.maximum(prior + runs - 1, 1.0)

"""How uncertain the mean accuracies of several levels are, and how they move together.

Two-way clustering (Cameron, Gelbach & Miller 2011, section 2.1): programs are one way, training
runs (a stage 1 and all that is built on it) the other. The program part is the spread of programs
over all runs, items included; the run part is the spread of run means beyond what items explain.
With two or three runs an arm its own spread says little, so it is moderated towards the spread of
all arms, as variances of many small groups are (Smyth 2004, equation 3).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray
from scipy.special import stdtrit

from analysis.curves import Array, Level

PRIOR_DF: Final = 1.0
"""Weight, in degrees of freedom, of all arms' run noise against an arm's own.

Little: a stage 1 may teach to read instructions well or badly and leave demonstrations alone, so
the calm of the other arms says little about the instruction. docs/simulation.md has the
coverage that this gives; with 4, intervals were a fifth narrower and covered 90% in that world.
"""

COVERAGE: Final = 0.95

TINY: Final = float(np.finfo(float).tiny)
"""Keeps a division by nothing at 0."""


@dataclass(frozen=True, eq=False)
class Uncertainty:
    """Covariances of level means, shape (levels, levels), in accuracy squared.

    programs: over programs, items included. pooled: over runs, items included, as if run noise
    were alike in all arms up to scale. own: over runs, items included, from each pair of arms by
    itself. items: the part of pooled and of own that is items' (`programs` has it already).
    df_own: degrees of freedom of each level's own runs. trained: 1, or 0 where nothing was, so that
    nothing but programs and items can differ.
    """

    programs: Array
    pooled: Array
    own: Array
    items: Array
    df_programs: float
    df_pooled: float
    df_own: Array
    trained: Array

    def linear(self, coefficients: Array) -> tuple[Array, Array]:
        """Standard errors and degrees of freedom (Satterthwaite 1946) of linear combinations.

        coefficients: shape (k, levels). Out: two arrays of shape (k,). Where runs differ no more
        than their items explain, programs alone count. Runs have PRIOR_DF more degrees of freedom
        than stage-1 seeds less one: the price of moderation, which docs/simulation.md covers.
        """
        c = np.atleast_2d(coefficients)
        programs, pooled, own, items = (
            ((c @ part) * c).sum(axis=1)
            for part in (self.programs, self.pooled, self.own, self.items)
        )
        df_own = c**2 @ self.df_own / np.maximum(c**2 @ self.trained, TINY)
        prior = min(PRIOR_DF, self.df_pooled)
        df_runs = np.maximum(prior + df_own, 1)
        # The others may raise an arm's noise; their calm does not quieten an arm that is loud.
        runs = (prior * np.maximum(pooled, own) + df_own * own) / df_runs
        beyond = np.maximum(runs - items, 0)
        spread = programs**2 / self.df_programs + np.where(beyond > 0, runs, 0) ** 2 / df_runs
        variance = programs + beyond
        df = np.where(spread > 0, variance**2 / np.where(spread > 0, spread, 1), self.df_programs)
        # The items taken off the variance are not taken off its spread, which may overdo it.
        return np.sqrt(variance), np.maximum(df, np.minimum(self.df_programs, df_runs))

    def margin(self, coefficients: Array) -> Array:
        """Half the width of the 95% interval of linear combinations, shape (k,)."""
        se, df = self.linear(coefficients)
        return student(df) * se


@dataclass(frozen=True, eq=False)
class RunNoise:
    """What runs differ by, over levels and clusters.

    residual: a cluster's mean around its level's, shape (levels, clusters), 0 where not run. seen:
    what was run (a base that nothing trained has no runs). items: variance of a cluster's mean
    that program x run cells explain, shape (levels,). slope: `sensitivity`, shape (levels,).
    shared, own: the residual's part [logit] that all arms of a cluster have, shape (clusters,), and
    the rest, shape (levels, clusters). single, stage1: variances [logit squared] of a run's luck
    and of a stage 1's, items included in the former and `item_part` of it. df: of `single`.
    """

    residual: Array
    seen: NDArray[np.bool_]
    items: Array
    slope: Array
    shared: Array
    own: Array
    single: float
    stage1: float
    item_part: float
    df: float


def student(df: Array, coverage: float = COVERAGE) -> Array:
    """Two-sided quantile of Student's t: half an interval's width, in standard errors."""
    return np.asarray(stdtrit(df, 1 - (1 - coverage) / 2))


def uncertainty(levels: Sequence[Level]) -> Uncertainty:
    """levels: all on the same programs (at least 2), in the same order.

    Levels that name the same cluster share its luck.
    """
    n_programs = len(levels[0].programs)
    by_program = np.stack([level.accuracy.mean(axis=0) for level in levels])
    noise = run_noise(levels)
    runs = np.maximum(noise.seen.sum(axis=1), 1).astype(float)
    common = noise.seen.astype(float) @ noise.seen.T
    shared = common / np.outer(runs, runs)
    trained = np.array([level.trained for level in levels])
    slope, items = noise.slope * trained, np.diag(noise.items / runs)
    beyond = max(noise.single - noise.item_part, 0.0)
    alike = beyond * np.diag(slope**2 / runs) + noise.stage1 * np.outer(slope, slope) * shared
    return Uncertainty(
        programs=np.atleast_2d(np.cov(by_program)) / n_programs,
        pooled=alike + items,
        own=noise.residual @ noise.residual.T / np.maximum(common - 1, 1) * shared,
        items=items,
        df_programs=n_programs - 1.0,
        df_pooled=noise.df,
        df_own=(runs - 1) * trained,
        trained=trained.astype(float),
    )


def sensitivity(level: Level) -> float:
    """d(mean accuracy) / d(logit), were every program's logit to move together.

    The mean over programs of p(1 - p), unbiased for the items asked; held off 0 by half a program.
    """
    p, m = level.accuracy.mean(axis=0), level.n_items.sum(axis=0)
    slope = float((p * (1 - p) * m / np.maximum(m - 1, 1)).mean())
    least = 0.5 / len(level.programs)
    return max(slope, least * (1 - least))


def run_noise(levels: Sequence[Level]) -> RunNoise:
    """Run noise scales with `sensitivity`, since an arm near 0 or 1 has no room to vary."""
    residual, seen = _residuals(levels)
    slope = np.array([sensitivity(level) for level in levels])
    items = np.array([_item_noise(level) for level in levels])
    weight = (seen * slope[:, None] ** 2).sum(axis=0)
    shared = (residual * slope[:, None]).sum(axis=0) / np.where(weight > 0, weight, 1)
    rest = np.where(seen, residual - slope[:, None] * shared, 0.0)
    clusters = int(seen.any(axis=0).sum())
    df = float(seen.sum() - seen.any(axis=1).sum() - clusters + 1)
    total = float((seen.sum(axis=1) * slope**2).sum())
    if df < 1 or total == 0:
        single = item_part = stage1 = 0.0
        df = 0.0
    else:
        single = float((rest**2).sum()) / df * float(seen.sum()) / total
        item_part = float((seen.sum(axis=1) * items).sum()) / total
        per_cluster = total / clusters / float((slope**2 * seen.any(axis=1)).max())
        spread = float((shared**2).sum()) / max(clusters - 1, 1)
        stage1 = max(spread - single / max(per_cluster, 1.0), 0.0)
    own = rest / slope[:, None]
    return RunNoise(residual, seen, items, slope, shared, own, single, stage1, item_part, df)


def _residuals(levels: Sequence[Level]) -> tuple[Array, NDArray[np.bool_]]:
    clusters = sorted({cluster for level in levels for cluster in level.clusters})
    slot = {cluster: column for column, cluster in enumerate(clusters)}
    residual = np.zeros((len(levels), len(clusters)))
    seen = np.zeros(residual.shape, dtype=bool)
    for row, level in enumerate(levels):
        if level.trained:
            columns = [slot[cluster] for cluster in level.clusters]
            means = level.accuracy.mean(axis=1)
            residual[row, columns] = means - means.mean()
            seen[row, columns] = True
    return residual, seen


def _item_noise(level: Level) -> float:
    """Variance of one cluster's mean that program x run cells explain; 0 with one cluster."""
    a = level.accuracy
    s, p = a.shape
    if s < 2 or p < 2:
        return 0.0
    cell = a - a.mean(axis=0) - a.mean(axis=1, keepdims=True) + a.mean()
    return float((cell**2).sum() / ((s - 1) * (p - 1) * p))

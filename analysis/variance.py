"""Where the uncertainty of a comparison comes from: programs, stage 1s, runs, items.

Variance components by the method of moments (Searle, Casella & McCulloch 1992, chapter 5, for the
balanced two-way layout), over the levels that a rate is made of. All are on the logit scale, made
linear: a variance of accuracy over the square of `covariance.sensitivity`, so that levels near 0
or 1 and levels in between can be pooled, and a component can be carried over to another design.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import combinations
from typing import Final

import numpy as np

from analysis.comparison import Contest
from analysis.covariance import sensitivity
from analysis.curves import Level

EVALUATION_SHARE: Final = 0.06
"""Share of device time that evaluation takes where a study does not say: the quickstart's."""

LEAST_ITEM_PART: Final = 0.1
"""Part of the variance below which more items are not worth a word, however cheap."""

RATE_SERIES: Final = frozenset({"instruction", "demonstrations"})


@dataclass(frozen=True)
class Components:
    """Variances [logit squared], and the sizes of the study they were measured on.

    program: what makes a program easy in every arm; it cancels where arms are compared.
    interaction: what makes it easy in one arm alone. stage1: luck of a stage 1 that its arms share;
    it cancels too. run: a single run's luck. cell: what one run made of one program, items apart.
    item: one answer's; more items a program make it smaller, nothing else does.
    advice: one sentence on what would narrow the contrast of the arms most for its cost.
    """

    program: float
    interaction: float
    stage1: float
    run: float
    cell: float
    item: float
    programs: int
    seeds: float
    items: float
    advice: str

    def contrast_parts(self, programs: float, seeds: float, items: float) -> dict[str, float]:
        """Variance of one arm's mean that does not cancel between arms, by origin."""
        cells = programs * seeds
        return {
            "programs": self.interaction / programs,
            "runs": self.run / seeds,
            "runs by program": self.cell / cells,
            "items": self.item / (cells * items),
        }


@dataclass(frozen=True)
class _Moments:
    """Of one level, as variances of accuracy; `slope` is its sensitivity."""

    slope: float
    binomial: float
    residual: float
    runs: float
    programs: float
    clusters: int


def components(contest: Contest, evaluation_share: float = EVALUATION_SHARE) -> Components | None:
    """Null with fewer than two stage-1 seeds in every arm, two programs or two items.

    evaluation_share: of device time, the rest being training.
    """
    used = [
        level
        for level in contest.levels
        if level.series in RATE_SERIES and len(level.clusters) >= 2
    ]
    if len(used) < 2 or contest.n_programs < 2 or min(lv.n_items.min() for lv in used) < 2:
        return None
    each = [_moments(level) for level in used]
    total = sum(m.slope**2 for m in each)
    item_part = sum(m.binomial for m in each) / total
    cell = sum(m.residual for m in each) / total
    arm_programs = sum(m.programs - m.residual / m.clusters for m in each) / total
    arm_runs = sum(m.runs - m.residual / contest.n_programs for m in each) / total
    program, stage1 = (max(shared, 0.0) for shared in _shared(used, each))
    items = float(np.mean([level.n_items.mean() for level in used]))
    found = Components(
        program=program,
        interaction=max(arm_programs - program, 0.0),
        stage1=stage1,
        run=max(arm_runs - stage1, 0.0),
        cell=max(cell - item_part, 0.0),
        item=item_part * items,
        programs=contest.n_programs,
        seeds=float(np.mean([m.clusters for m in each])),
        items=items,
        advice="",
    )
    return replace(found, advice=advice(found, evaluation_share))


def advice(components: Components, evaluation_share: float) -> str:
    """Which of seeds, programs and items narrows instruction minus curve most per device time.

    Twice the seeds cost twice of everything, and so do twice the programs, each of which needs its
    share of training; twice the items cost evaluation alone.
    """
    parts = components.contrast_parts(components.programs, components.seeds, components.items)
    total = sum(parts.values())
    if total == 0:
        return "No variance was seen between arms, so nothing says where the next run should go."
    crossed = parts["runs by program"] + parts["items"]
    more_seeds = parts["runs"] + crossed >= parts["programs"] + crossed
    costly = "seeds" if more_seeds else "programs"
    gain = parts["runs" if more_seeds else "programs"] + crossed
    shares = ", ".join(f"{name} {part / total:.0%}" for name, part in parts.items())
    text = f"Of the variance that does not cancel between arms ({shares}), "
    cheap = parts["items"] > gain * evaluation_share
    if not cheap or parts["items"] < LEAST_ITEM_PART * total:
        return f"{text}more {costly} would remove most for their device time."
    return (
        f"{text}more items a program would remove most for their device time (evaluation takes "
        f"{evaluation_share:.0%} of it); then more {costly}."
    )


def _moments(level: Level) -> _Moments:
    a, m = level.accuracy, level.n_items
    s, p = a.shape
    residual = a - a.mean(axis=0) - a.mean(axis=1, keepdims=True) + a.mean()
    return _Moments(
        slope=sensitivity(level),
        binomial=float((a * (1 - a) / (m - 1)).mean()),
        residual=float((residual**2).sum() / ((s - 1) * (p - 1))),
        runs=float(a.mean(axis=1).var(ddof=1)),
        programs=float(a.mean(axis=0).var(ddof=1)),
        clusters=s,
    )


def _shared(levels: Sequence[Level], each: Sequence[_Moments]) -> tuple[float, float]:
    """What arms share: covariances between levels, over programs and over common stage 1s."""
    over_programs = over_runs = weight_programs = weight_runs = 0.0
    for (one, m1), (other, m2) in combinations(zip(levels, each, strict=True), 2):
        slopes = m1.slope * m2.slope
        over_programs += float(np.cov(one.accuracy.mean(axis=0), other.accuracy.mean(axis=0))[0, 1])
        weight_programs += slopes
        common = sorted(set(one.clusters) & set(other.clusters))
        if len(common) >= 2:
            rows = [[lv.clusters.index(c) for c in common] for lv in (one, other)]
            means = [lv.accuracy[r].mean(axis=1) for lv, r in zip((one, other), rows, strict=True)]
            over_runs += float(np.cov(means[0], means[1])[0, 1])
            weight_runs += slopes
    return over_programs / weight_programs, over_runs / weight_runs if weight_runs else 0.0

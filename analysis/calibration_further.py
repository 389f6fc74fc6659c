"""What the further intervals cover: the second table of docs/simulation.md."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, replace
from typing import Final

import numpy as np
from scipy.stats import binomtest

from analysis.advantage import average_advantage
from analysis.calibration import DRAWS, REPLICATES, SEED, WIDE
from analysis.comparison import Contest
from analysis.contrasts import summaries
from analysis.covariance import uncertainty
from analysis.intervals import bootstrap_means
from analysis.mixed import mixed_rates
from analysis.potency import potency
from analysis.scaling import trends
from analysis.simulate import World, contest, family, mean_accuracy, true_log_rate

SIZES: Final = (100_000, 1_000_000, 10_000_000)

MIXED: Final = {
    "40 x 3": replace(WIDE, potency=3.0, rate=20.0),
    "100 x 5": replace(WIDE, potency=3.0, rate=20.0, programs=100, seeds=5),
}
"""Worlds in which a demonstration beside the instruction counts for three."""

SLOPES: Final = {"log rate rises by 0.3": 0.3, "log rate does not move": 0.0}
"""Three sizes of base, a decade apart, 40 x 3 each, on the same programs."""

Read = tuple[float | None, float | None, float | None]
"""Value and limits; null where not given, or open."""


@dataclass(frozen=True)
class Further:
    """One interval in one setting.

    given: share of studies in which there was an interval. cover: share of those that hold the
    truth, with its Monte-Carlo 95% limits (Wilson). open: share of those with an open limit. bias:
    median of value minus truth, in units of the truth where that is not 0; null for a yes or no.
    """

    interval: str
    setting: str
    replicates: int
    given: float
    cover: float
    cover_low: float
    cover_high: float
    open: float
    bias: float | None


def further(replicates: int = REPLICATES) -> list[Further]:
    """Every interval that the first table leaves out."""
    rows: list[Further] = []
    for setting, world in MIXED.items():
        rows += _collect(setting, replicates, _within(world, setting))
    for setting, slope in SLOPES.items():
        rows += _collect(setting, replicates, _across(slope, setting))
    return rows


def _collect(
    setting: str, replicates: int, one: Callable[[int], Iterator[tuple[str, float, Read]]]
) -> list[Further]:
    """one: from the number of a study to what each interval should hold and does say."""
    seen: dict[str, list[tuple[float, Read]]] = {}
    for index in range(replicates):
        for name, truth, read in one(index):
            seen.setdefault(name, []).append((truth, read))
    return [_row(name, setting, found) for name, found in seen.items()]


def _row(name: str, setting: str, found: list[tuple[float, Read]]) -> Further:
    given = [(truth, read) for truth, read in found if read[0] is not None]
    holds = [
        (low is None or low <= truth) and (high is None or truth <= high)
        for truth, (_, low, high) in given
    ]
    if not given:
        return Further(name, setting, len(found), 0.0, np.nan, np.nan, np.nan, np.nan, None)
    around = binomtest(sum(holds), len(holds)).proportion_ci(method="wilson")
    errors = [
        (value - truth) / (abs(truth) or 1)
        for truth, (value, low, high) in given
        if value is not None and low != high
    ]
    return Further(
        name,
        setting,
        len(found),
        len(given) / len(found),
        float(np.mean(holds)),
        float(around.low),
        float(around.high),
        float(np.mean([low is None or high is None for _, (_, low, high) in given])),
        float(np.median(errors)) if errors else None,
    )


def _within(world: World, setting: str) -> Callable[[int], Iterator[tuple[str, float, Read]]]:
    rate = float(np.exp(true_log_rate(world)))
    middle = mean_accuracy(world, world.at(10))
    advantage = average_advantage(_population(world), None).value
    assert advantage is not None, "the curves of these worlds have accuracies in common"

    def one(index: int) -> Iterator[tuple[str, float, Read]]:
        study = contest(world, (SEED, *setting.encode(), 7, index))
        known = uncertainty(study.levels)
        means = bootstrap_means(study.levels, draws=DRAWS)
        level = next(
            s for s in summaries(study, known) if (s.series, s.n) == ("demonstrations", 10)
        )
        yield "accuracy at one n", middle, (level.accuracy, level.ci_low, level.ci_high)
        found = potency(study, known)
        yield "rate, 4PL", rate, (found.rate_4pl, found.rate_low, found.rate_high)
        yield "relative potency", world.potency, (found.potency, found.ci_low, found.ci_high)
        mixed = next(each for each in mixed_rates(study, means) if each.n == 10)
        limits = mixed.multiplier_low, mixed.multiplier_high
        yield "multiplier at n = 10", world.potency, (mixed.multiplier, *limits)
        limits = mixed.additive_low, mixed.additive_high
        yield "additive at n = 10", 10 * (world.potency - 1), (mixed.additive, *limits)
        saved = average_advantage(study, means)
        yield "average advantage", advantage, (saved.value, saved.low, saved.high)

    return one


def _population(world: World) -> Contest:
    """The same levels at their population accuracies."""
    study = contest(world, 0)
    levels = []
    for level, (series, _, height) in zip(study.levels, world.arms(), strict=True):
        known = mean_accuracy(world, height, instructed=series == "instruction")
        levels.append(replace(level, accuracy=np.full_like(level.accuracy, known)))
    return replace(study, levels=tuple(levels))


def _across(slope: float, setting: str) -> Callable[[int], Iterator[tuple[str, float, Read]]]:
    worlds = [replace(WIDE, rate=20.0 * 10 ** (slope * (place - 1))) for place in range(3)]
    factors = [{"model": f"base {size}", "n_params": size} for size in SIZES]

    def one(index: int) -> Iterator[tuple[str, float, Read]]:
        (found,) = trends(family(worlds, (SEED, *setting.encode(), index), factors), draws=DRAWS)
        yield "slope of log rate on log size", slope, (found.slope, found.ci_low, found.ci_high)
        pairs = found.differences
        holds = all(
            (each.low is None or each.low <= slope * np.log10(each.value / each.against))
            and (each.high is None or slope * np.log10(each.value / each.against) <= each.high)
            for each in pairs
        )
        # All pairs at once: one number that holds, or does not.
        yield "all pairs of sizes at once", 0.0, ((0.0, 0.0, 0.0) if holds else (1.0, 1.0, 1.0))

    return one


def markdown(rows: Iterable[Further]) -> str:
    """The table as a page; shares in percent."""
    head = "| interval | setting | given | covers | open | bias |\n|---|---|---|---|---|---|\n"
    return head + "".join(
        f"| {row.interval} | {row.setting} | {row.given:.0%} | {100 * row.cover:.1f} "
        f"({100 * row.cover_low:.1f} to {100 * row.cover_high:.1f}) | {row.open:.0%} "
        f"| {'–' if row.bias is None else f'{row.bias:+.2f}'} |\n"
        for row in rows
    )

"""How often the intervals hold the truth: the table of docs/simulation.md, and how to make it.

python -m analysis.calibration docs        # the committed table: 2,000 studies a setting
pbb-study doctor --statistics              # the same on fewer studies
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import asdict, dataclass, replace
from typing import TYPE_CHECKING, Final

import numpy as np
import polars as pl
from scipy.optimize import brentq
from scipy.stats import binomtest

from analysis.contrasts import contrasts
from analysis.covariance import uncertainty
from analysis.exchange import ExchangeRate, cross_check, estimate, log_rates
from analysis.intervals import bootstrap_means
from analysis.simulate import World, contest, mean_accuracy, true_log_rate

if TYPE_CHECKING:
    from _typeshed import DataclassInstance

REPLICATES: Final = 2000
DRAWS: Final = 1000
"""Bootstrap draws a study; reports take more, which changes no coverage and steadies the limits."""

SEED: Final = 20251123

WIDE: Final = World(
    ns=(1, 3, 10, 30, 100, 300),
    items=10,
    intercept=-2.5,
    slope=0.6,
    none=-4.0,
    rate=50.0,
    program=1.0,
    interaction=0.5,
    stage1=0.3,
    run=0.3,
    programs=40,
    seeds=3,
)
QUICKSTART: Final = World(
    ns=(1, 4, 8, 16, 24),
    items=8,
    intercept=-3.0,
    slope=1.05,
    none=-3.0,
    rate=13.0,
    programs=24,
    seeds=3,
    program=0.8,
    interaction=0.6,
    stage1=0.1,
    run=0.15,
)
"""The quickstart on nano-s: its sizes, and noise near what its own run showed."""

SETTINGS: Final = {
    "quickstart, nano-s (24 x 3)": QUICKSTART,
    "quickstart, nano-xs (24 x 2, two n)": replace(
        QUICKSTART, ns=(4, 24), seeds=2, intercept=-2.4, slope=0.6, rate=8.0
    ),
    "20 x 2": replace(WIDE, programs=20, seeds=2),
    "40 x 3": WIDE,
    "100 x 5": replace(WIDE, programs=100, seeds=5),
    "rate near the edge of the grid": replace(WIDE, rate=250.0),
    "rate just above the smallest n": replace(WIDE, rate=1.5, intercept=-1.5),
    "nested: 3 stage 1s x 2 runs": replace(WIDE, runs_per_stage1=2),
    "unequal difficulty, ties at floor and ceiling": replace(WIDE, difficulty="mixed", program=1.5),
    "unequal cells: 5 to 15 items a program": replace(WIDE, uneven=True),
    "a fifth of the runs missing (40 x 5)": replace(WIDE, seeds=5, missing=0.2),
    "saturating curve": replace(
        WIDE, curve="saturating", intercept=-2.5, slope=0.55, rate=20.0, ns=(1, 4, 16, 64, 256)
    ),
    "steep curve on a coarse grid (100 x 5)": replace(
        WIDE, programs=100, seeds=5, ns=(1, 4, 16, 64), slope=1.2, intercept=-5, rate=8, none=-7
    ),
    "steep curve on a coarse grid (40 x 3)": replace(
        WIDE, ns=(1, 4, 16, 64), slope=1.2, intercept=-4.0, rate=8.0, none=-6.0
    ),
    "n a factor of ten apart (100 x 5)": replace(
        WIDE,
        programs=100,
        seeds=5,
        ns=(1, 10, 100, 1000),
        slope=1.2,
        intercept=-5,
        rate=20,
        none=-7,
    ),
    "loud runs": replace(WIDE, run=0.6, stage1=0.0),
    "no run noise at all": replace(WIDE, run=0.0, stage1=0.0),
    "stage 1 moves all arms": replace(WIDE, run=0.25, stage1=0.5),
    "stage 1 moves the instruction alone": replace(WIDE, run=0.25, instruction_stage1=0.35),
}
"""Worlds to try, as programs x stage-1 seeds where no more is said."""


@dataclass(frozen=True)
class Calibration:
    """One setting. Shares are of the studies that gave a rate; `comparable` is of all.

    cover, cover_bootstrap: how often the primary interval and the cross-check hold the true rate,
    with the Monte-Carlo 95% limits of that share (Wilson). open: how often a limit is open. width:
    median of the interval clipped to the n that were run [dex]. bias: median of estimated minus
    true log10 rate, right-censored counted as above and left-censored as below. cover_contrast:
    coverage of in_context minus instruction. type_1: how often instruction minus none excludes 0
    where both are alike.
    """

    setting: str
    replicates: int
    comparable: float
    cover: float
    cover_low: float
    cover_high: float
    open: float
    width: float
    bias: float
    cover_bootstrap: float
    cover_bootstrap_low: float
    cover_bootstrap_high: float
    open_bootstrap: float
    width_bootstrap: float
    cover_contrast: float
    type_1: float

    @property
    def calibrated(self) -> bool:
        """Both intervals meet 93 to 97%; above is allowed where over a tenth of them are open."""
        return _meets(self.cover_low, self.cover_high, self.open) and _meets(
            self.cover_bootstrap_low, self.cover_bootstrap_high, self.open_bootstrap
        )


def _meets(low: float, high: float, open_share: float) -> bool:
    return high >= 0.93 and (low <= 0.97 or open_share > 0.1)


def calibrate(
    setting: str, world: World, replicates: int = REPLICATES, draws: int = DRAWS
) -> Calibration:
    """Simulates studies of one world and asks each interval for the truth."""
    truth, ns = true_log_rate(world), np.log([world.ns[0], world.ns[-1]])
    gap = mean_accuracy(world, world.in_context) - mean_accuracy(
        world, world.at(world.rate), instructed=True
    )
    alike = _null(world)
    key = [SEED, *setting.encode()]
    primary, boot, held, rejected = [], [], [], []
    for index in range(replicates):
        study = contest(world, (*key, index))
        known = uncertainty(study.levels)
        rates = log_rates(study, bootstrap_means(study.levels, draws=draws))
        primary.append(estimate(study, known, rates))
        boot.append(cross_check(study, rates))
        held += [
            each.ci_low <= gap <= each.ci_high
            for each in contrasts(study, known)
            if each.arm == "in_context" and each.ci_low is not None and each.ci_high is not None
        ]
        null = contest(alike, (*key, index, 1))
        first = contrasts(null, uncertainty(null.levels))[0]
        assert first.ci_low is not None and first.ci_high is not None, "two seeds give limits"
        rejected.append(first.ci_low > 0 or first.ci_high < 0)
    comparable = [each.state != "not_comparable" for each in primary]
    primary, boot = ([e for e in side if e.state != "not_comparable"] for side in (primary, boot))
    return Calibration(
        setting,
        replicates,
        float(np.mean(comparable)),
        *_coverage(primary, truth),
        *_shape(primary, ns),
        float(np.median([_point(each, ns) for each in primary]) - truth) / np.log(10),
        *_coverage(boot, truth),
        *_shape(boot, ns),
        float(np.mean(held)),
        float(np.mean(rejected)),
    )


def _null(world: World) -> World:
    """The same world with arm none as accurate as the instruction."""
    wanted = mean_accuracy(world, world.at(world.rate), instructed=True)
    logit = brentq(lambda none: mean_accuracy(world, none) - wanted, -20, 20)
    return replace(world, none=float(logit))


def _log_limits(rate: ExchangeRate) -> tuple[float, float]:
    low = -np.inf if rate.ci_low is None else float(np.log(rate.ci_low))
    return low, np.inf if rate.ci_high is None else float(np.log(rate.ci_high))


def _coverage(rates: list[ExchangeRate], truth: float) -> tuple[float, float, float]:
    limits = [_log_limits(rate) for rate in rates]
    holds = sum(low <= truth <= high for low, high in limits)
    around = binomtest(holds, len(rates)).proportion_ci(method="wilson")
    return holds / len(rates), float(around.low), float(around.high)


def _shape(rates: list[ExchangeRate], ns: np.ndarray) -> tuple[float, float]:
    """Share of open intervals, and median width within the n that were run [dex]."""
    limits = np.array([_log_limits(rate) for rate in rates])
    width = np.diff(np.clip(limits, *ns), axis=1)
    return float(np.isinf(limits).any(axis=1).mean()), float(np.median(width) / np.log(10))


def _point(rate: ExchangeRate, ns: np.ndarray) -> float:
    if rate.rate is not None:
        return float(np.log(rate.rate))
    return float(ns[1] if rate.state == "right_censored" else ns[0])


def table(
    settings: Iterable[str] = tuple(SETTINGS), replicates: int = REPLICATES
) -> list[Calibration]:
    """One row a setting of SETTINGS."""
    return [calibrate(name, SETTINGS[name], replicates) for name in settings]


def frame(rows: Iterable[DataclassInstance]) -> pl.DataFrame:
    """All figures of a table, one column a field."""
    return pl.DataFrame([asdict(row) for row in rows])


def markdown(rows: Iterable[Calibration]) -> str:
    """The table as a page; shares in percent, widths and bias in decades of the rate."""
    head = (
        "| setting | primary covers | open | width | bias | cross-check covers | open | width "
        "| contrast covers | type I |\n|---|---|---|---|---|---|---|---|---|---|\n"
    )
    return head + "".join(
        f"| {row.setting} | {_share(row.cover)} ({_share(row.cover_low)} to "
        f"{_share(row.cover_high)}) | {row.open:.0%} | {row.width:.2f} | {row.bias:+.2f} "
        f"| {_share(row.cover_bootstrap)} ({_share(row.cover_bootstrap_low)} to "
        f"{_share(row.cover_bootstrap_high)}) | {row.open_bootstrap:.0%} "
        f"| {row.width_bootstrap:.2f} | {_share(row.cover_contrast)} | {_share(row.type_1)} |\n"
        for row in rows
    )


def _share(value: float) -> str:
    return f"{100 * value:.1f}"

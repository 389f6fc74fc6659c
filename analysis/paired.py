"""Log rates of several comparisons, drawn so that differences between them are paired.

Comparisons that ask the same programs share the programs of every draw, whatever their order in
each comparison. Their training runs stand on different stage 1s, so run noise is drawn apart.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Final

import numpy as np

from analysis.comparison import Contest
from analysis.curves import Array, Level
from analysis.exchange import State, estimate, has_interval, log_rates
from analysis.factors import program_space, split_paths
from analysis.intervals import BOOTSTRAP_SEED, DRAWS, bootstrap_means

CORE: Final = frozenset({"instruction", "none", "demonstrations"})
"""The series that a rate is made of."""

LOG_10: Final = float(np.log(10.0))


@dataclass(frozen=True, eq=False)
class LogRate:
    """log10 rate of one comparison: a value, or bounds where it is censored.

    low, high: equal where estimated; one is infinite where censored. draws_low, draws_high: the
    same of every bootstrap draw, shape (draws,).
    """

    state: State
    low: float
    high: float
    draws_low: Array
    draws_high: Array

    @property
    def exact(self) -> bool:
        """Whether the rate lies among the n that were run."""
        return self.low == self.high

    @property
    def spread(self) -> float:
        """A standard deviation by quantiles, of the wider side that is not censored; or inf."""
        below, middle = np.quantile(self.draws_low, (0.16, 0.5), method="inverted_cdf")
        centre, above = np.quantile(self.draws_high, (0.5, 0.84), method="inverted_cdf")
        ends = ((below, middle), (centre, above))
        sides = [b - a for a, b in ends if np.isfinite(a) and np.isfinite(b)]
        return float(max(sides, default=np.inf))


def domain_paths(contest: Contest) -> int | None:
    """Execution paths that the study asked of its programs; null where the rows do not say."""
    return split_paths(contest.factors.get("factors"))[0]


def log_rates_of(contests: Sequence[Contest], *, draws: int = DRAWS) -> list[LogRate | None]:
    """One a comparison; null where arms cannot be compared, or without an interval.

    Comparisons that ask one set of programs are cut to those that all of them answered. Programs
    of another number of paths, or of other settings of the domain, are other programs, though a
    study gives them the same names.
    """
    found: list[LogRate | None] = [None] * len(contests)
    spaces: dict[str, list[int]] = {}
    for index, contest in enumerate(contests):
        if has_interval(contest) and estimate(contest, None, None).state != "not_comparable":
            spaces.setdefault(program_space(contest.factors), []).append(index)
    for rank, members in enumerate(spaces.values()):
        cut = _on_shared_programs([contests[index] for index in members])
        for index, contest in zip(members, cut, strict=True):
            if has_interval(contest):
                found[index] = _drawn(contest, draws, BOOTSTRAP_SEED + rank, index)
    return found


def _on_shared_programs(contests: list[Contest]) -> list[Contest]:
    """The core levels of each, on the programs of all, in one order that no name decides."""
    cores = [[level for level in each.levels if level.series in CORE] for each in contests]
    shared = sorted(set(cores[0][0].programs).intersection(*(c[0].programs for c in cores)))
    if shared:
        rows = [level.keep(shared).accuracy for core in cores for level in core]
        shared = [shared[column] for column in np.lexsort(np.concatenate(rows))]
    return [
        replace(each, levels=tuple(level.keep(shared) for level in core))
        for each, core in zip(contests, cores, strict=True)
    ]


def _drawn(contest: Contest, draws: int, seed: int, index: int) -> LogRate | None:
    rate = estimate(contest, None, None)
    if rate.state == "not_comparable":
        return None
    logs = log_rates(contest, _means(contest.levels, draws, seed, index)) / LOG_10
    ns = [level.n for level in contest.demonstrations]
    least, most = np.log10(ns[0]), np.log10(ns[-1])
    values = np.append(logs, _value(rate.state, rate.rate))
    low = np.where(values == np.inf, most, values)
    high = np.where(values == -np.inf, least, values)
    return LogRate(rate.state, float(low[-1]), float(high[-1]), low[:-1], high[:-1])


def _value(state: State, rate: float | None) -> float:
    """log10 rate, infinite where censored."""
    if rate is None:
        return np.inf if state == "right_censored" else -np.inf
    return float(np.log10(rate))


def _means(levels: Sequence[Level], draws: int, seed: int, index: int) -> Array:
    """`bootstrap_means` whose programs go with the seed, and whose run noise is its own.

    The bootstrap draws run noise from the same stream for every comparison, so draws of two
    comparisons would rise and fall together. Shuffling one part against the other undoes that.
    """
    both = bootstrap_means(levels, draws=draws, seed=seed)
    # What no training made has no run noise, so this is the programs' part alone.
    programs = bootstrap_means(
        [replace(level, series="untuned") for level in levels], draws=draws, seed=seed
    )
    order = np.random.default_rng((seed, 2, index)).permutation(draws)
    return np.asarray(programs + (both - programs)[order])

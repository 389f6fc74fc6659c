"""What Optuna is asked: the same space, points and sampler in every backend."""

from __future__ import annotations

from typing import Final

from optuna.distributions import (
    BaseDistribution,
    CategoricalDistribution,
    FloatDistribution,
    IntDistribution,
)
from optuna.samplers import BaseSampler, RandomSampler, TPESampler

from pbb.seeds import torch_seed
from search_spaces.factors import Scalar
from search_spaces.nuisances import is_integer
from search_spaces.settings import Range, TpeSearch
from study.backends.work import Work

AT_RANDOM: Final = 10
"""So many proposals at most are drawn before any is modelled; of a small budget, half."""


def search_space(work: Work) -> dict[str, BaseDistribution]:
    """What Optuna chooses from: the nuisances' ranges, or the values that the factors take."""
    if isinstance(work.study.search, TpeSearch):
        return {
            name: _distribution(value, is_integer(work.study.train, name))
            for name, value in work.study.nuisances.items()
            if isinstance(value, Range)
        }
    values: dict[str, dict[Scalar, None]] = {}
    for trial in work.trials:
        for name, value in trial.factors.items():
            values.setdefault(name, {})[value] = None
    return {name: CategoricalDistribution(tuple(chosen)) for name, chosen in values.items()}


def _distribution(value: Range, whole: bool) -> BaseDistribution:
    if whole:
        return IntDistribution(int(value.low), int(value.high), log=value.log)
    return FloatDistribution(value.low, value.high, log=value.log)


def enumerated_points(work: Work) -> list[dict[str, Scalar]]:
    """The points of the work's trials, in the plan's order; none for tpe."""
    return [dict(trial.factors) for trial in work.trials]


def sampler(work: Work) -> BaseSampler:
    """TPE for nuisances. Points of an enumerated design are handed over, so nothing is drawn."""
    search = work.study.search
    if isinstance(search, TpeSearch):
        # A relaunch goes on from what is scored; the same stream would propose the same points.
        seed = torch_seed("search", "tpe", search.seed, len(work.scored)) % 2**32
        return TPESampler(seed=seed, n_startup_trials=min(AT_RANDOM, (search.budget + 1) // 2))
    return RandomSampler(seed=0)

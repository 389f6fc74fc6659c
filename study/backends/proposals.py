"""What Optuna is asked: the same space, points and sampler in every backend."""

from __future__ import annotations

from optuna.distributions import BaseDistribution, CategoricalDistribution, FloatDistribution
from optuna.samplers import BaseSampler, RandomSampler, TPESampler

from pbb.seeds import torch_seed
from search_spaces.factors import Scalar
from search_spaces.settings import Range, TpeSearch
from study.backends.work import Work


def search_space(work: Work) -> dict[str, BaseDistribution]:
    """What Optuna chooses from: the nuisances' ranges, or the values that the factors take."""
    if isinstance(work.study.search, TpeSearch):
        return {
            name: FloatDistribution(value.low, value.high, log=value.log)
            for name, value in work.study.nuisances.items()
            if isinstance(value, Range)
        }
    values: dict[str, dict[Scalar, None]] = {}
    for trial in work.trials:
        for name, value in trial.factors.items():
            values.setdefault(name, {})[value] = None
    return {name: CategoricalDistribution(tuple(chosen)) for name, chosen in values.items()}


def enumerated_points(work: Work) -> list[dict[str, Scalar]]:
    """The points of the work's trials, in the plan's order; none for tpe."""
    return [dict(trial.factors) for trial in work.trials]


def sampler(work: Work) -> BaseSampler:
    """TPE for nuisances. Points of an enumerated design are handed over, so nothing is drawn."""
    search = work.study.search
    if isinstance(search, TpeSearch):
        # A relaunch goes on from what is scored; the same stream would propose the same points.
        return TPESampler(seed=torch_seed("search", "tpe", search.seed, len(work.scored)) % 2**32)
    return RandomSampler(seed=0)

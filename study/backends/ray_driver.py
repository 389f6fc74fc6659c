"""A trial of Ray Tune: asks the pool for its chains, waits, reports. Trains nothing itself."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import ray
from ray import tune

from pbb.config import Base
from search_spaces.groups import Chosen
from search_spaces.study_file import Study
from study.backends.ray_pool import find_pool
from study.backends.work import METRIC, TrialEnd, score, trials_at
from study.places import Place, open_store


class Driver(tune.Trainable):
    """One step, one result. Its process serves one trial after another."""

    def setup(  # type: ignore[override]  # tune.with_parameters passes all but the config
        self,
        config: dict[str, Any],
        study: Study,
        bases: Mapping[str, Base],
        chosen: Chosen,
        root: Place,
        pool: str,
    ) -> None:
        """The config is a point of the search space; the rest is the same for all trials."""
        self._point = config
        self._study, self._bases, self._chosen = study, bases, chosen
        self._store = open_store(root)
        self._pool = find_pool(pool)

    def step(self) -> dict[str, Any]:
        """Wait for the trial's stages; report their score."""
        trials = trials_at(self._study, self._bases, self._chosen, self._point)
        reached = ray.get(self._pool.reach.remote([trial.chain for trial in trials]))
        ends = [TrialEnd(trial, stages) for trial, stages in zip(trials, reached, strict=True)]
        return {METRIC: score(self._store, ends), "done": True}

    def reset_config(self, new_config: dict[str, Any]) -> bool:
        """Take the next trial."""
        self._point = new_config
        return True

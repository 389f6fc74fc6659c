"""The Ray backend: Tune runs the trials, Optuna proposes them, resident trainers do the work."""

from __future__ import annotations

import shutil
import time
from typing import Any, Final

import ray
from ray import tune
from ray.exceptions import RayActorError, WorkerCrashedError
from ray.tune.search.optuna import OptunaSearch

from search_spaces.errors import StudyError
from search_spaces.settings import TpeSearch
from study.backends.proposals import enumerated_points, sampler, search_space
from study.backends.ray_driver import Driver
from study.backends.ray_environment import train_settings
from study.backends.ray_pool import beside_the_launch, pool_name, start_pool
from study.backends.ray_session import session
from study.backends.work import METRIC, Listener, Point, TrialEnd, Work, trials_at

DRIVERS: Final = 2
"""Driver processes of an enumerated design. The pool has the whole plan, so few serve many."""
PROGRESS_EVERY_S: Final = 1.0
LET_GO_S: Final = 30.0
MAX_RETRIES: Final = 2
"""So often may the process that waits for the trainers be lost in one launch."""


class RayBackend:
    """One launch on Ray."""

    def run(self, work: Work, listener: Listener) -> None:
        """See `study.backends.work.Backend`."""
        shutil.rmtree(work.scratch, ignore_errors=True)  # of a launch that was killed
        work.scratch.mkdir(parents=True)
        with session(work.study.resources, work.log):
            name = pool_name(work.scratch)
            wanted = ray.put([trial.chain for trial in work.trials])  # kept as long as the pool
            last = not isinstance(work.study.search, TpeSearch)
            pool = start_pool(work.scratch, work.root, work.study.resources, wanted, last)
            try:
                _run(work, listener, pool, name)
            except (RayActorError, WorkerCrashedError) as error:
                raise StudyError(
                    f"Ray lost the stage pool, or what waits for its trainers, or the node that "
                    f"they were on ({work.log}); launch again: all that is finished is kept"
                ) from error
            finally:
                ray.kill(pool)


def _run(work: Work, listener: Listener, pool: Any, name: str) -> None:
    trainers = _start_trainers(work, name)
    told = _Told(work, listener, pool, trainers)
    _tuner(work, name, told).fit()
    told.rest()
    ray.get(pool.close.remote())
    ray.wait([trainers], timeout=LET_GO_S)
    listener.progress(ray.get(pool.counts.remote()))
    for spent in ray.get(pool.times.remote()):
        listener.spent(spent)


def _start_trainers(work: Work, name: str) -> ray.ObjectRef[Any]:
    """Start them beside the launch, as the pool; what is given is there when they have ended."""
    task = ray.remote(_trainers).options(
        num_cpus=0,
        runtime_env={"env_vars": train_settings()},
        max_retries=MAX_RETRIES,
        scheduling_strategy=beside_the_launch(),
    )
    return task.remote(work, name)


def _trainers(work: Work, name: str) -> None:
    from study.backends.ray_train import run_trainers  # brings torch: the launch does without it

    run_trainers(work, name)


def _tuner(work: Work, name: str, told: tune.Callback) -> tune.Tuner:
    trainable = tune.with_parameters(
        Driver,
        study=work.study,
        bases=dict(work.bases),
        chosen=dict(work.chosen),
        root=work.root,
        pool=name,
    )
    is_tpe = isinstance(work.study.search, TpeSearch)
    scored = list(work.scored)
    search = OptunaSearch(
        space=search_space(work),
        metric=METRIC,
        mode="max",
        points_to_evaluate=[dict(p) for p, _ in scored] if is_tpe else enumerated_points(work),
        evaluated_rewards=[value for _, value in scored] or None,
        sampler=sampler(work),
        study_name=name,
    )
    return tune.Tuner(
        tune.with_resources(trainable, {"CPU": 0.01}),
        tune_config=tune.TuneConfig(
            search_alg=search,
            metric=METRIC,
            mode="max",
            num_samples=work.proposals,
            max_concurrent_trials=max(DRIVERS, work.study.resources.workers) if is_tpe else DRIVERS,
            reuse_actors=True,
        ),
        run_config=tune.RunConfig(
            name="tune",
            storage_path=str(work.scratch),
            callbacks=[told],
            checkpoint_config=tune.CheckpointConfig(checkpoint_at_end=False),
            failure_config=tune.FailureConfig(max_failures=2),
            verbose=0,
        ),
    )


class _Told(tune.Callback):
    """Tells the listener what Tune sees."""

    def __init__(
        self, work: Work, listener: Listener, pool: Any, trainers: ray.ObjectRef[Any]
    ) -> None:
        self._work, self._listener, self._pool, self._trainers = work, listener, pool, trainers
        self._ended: set[str] = set()
        self._next_s = 0.0

    def __getstate__(self) -> dict[str, Any]:
        """Nothing: Tune pickles its callbacks, and this one is of use in this process alone."""
        return {}

    def on_step_end(self, iteration: int, trials: list[Any], **info: Any) -> None:
        """Tune's loop has turned once more."""
        if time.monotonic() >= self._next_s:
            self._next_s = time.monotonic() + PROGRESS_EVERY_S
            self._listener.progress(ray.get(self._pool.counts.remote()))
            for ended in ray.wait([self._trainers], timeout=0)[0]:
                ray.get(ended)  # raises where their process was lost too often

    def on_trial_complete(self, iteration: int, trials: list[Any], trial: Any, **info: Any) -> None:
        """A driver has reported."""
        self._tell(trial.config)

    def rest(self) -> None:
        """Trials whose drivers failed: their stages have ended, or will, all the same."""
        for trial in self._work.trials:
            if trial.id not in self._ended:
                self._tell(trial.factors)

    def _tell(self, point: Point) -> None:
        work = self._work
        trials = trials_at(work.study, work.bases, work.chosen, point)
        reached = ray.get(self._pool.reach.remote([trial.chain for trial in trials]))
        for trial, stages in zip(trials, reached, strict=True):
            self._ended.add(trial.id)
            self._listener.finished(TrialEnd(trial, stages))

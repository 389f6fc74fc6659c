"""The local backend: the same plan, pool rules and stages in this process, without Ray."""

from __future__ import annotations

import time
from collections.abc import Sequence

import optuna

from study.backends.proposals import enumerated_points, sampler, search_space
from study.backends.work import (
    METRIC,
    Listener,
    Point,
    TrialEnd,
    Work,
    WorkerTime,
    score,
    trials_at,
)
from study.backends.worker import StageRunner, hold_share, load_runner, run_cohort
from study.disk import is_full
from study.places import open_store
from study.plan import PlannedStage, Trial
from study.pool import StagePool

WORKER = "local"


class LocalBackend:
    """One worker, one trial after another."""

    def run(self, work: Work, listener: Listener) -> None:
        """See `study.backends.work.Backend`."""
        run = _LocalRun(work, listener)
        for trial in work.trials:
            run.pool.request(trial.chain)
        optuna.logging.set_verbosity(optuna.logging.WARNING)
        study = optuna.create_study(sampler=sampler(work), direction="maximize", study_name=METRIC)
        space = search_space(work)
        for point, value in work.scored:
            study.add_trial(
                optuna.trial.create_trial(params=dict(point), distributions=space, value=value)
            )
        for point in enumerated_points(work):
            study.enqueue_trial(point)
        for _ in range(work.proposals):
            proposed = study.ask(space)
            study.tell(proposed, run.reach(proposed.params))
        listener.spent(run.spent())


class _LocalRun:
    """The pool, and the one worker that empties it."""

    def __init__(self, work: Work, listener: Listener) -> None:
        self._work = work
        self._listener = listener
        self._store = open_store(work.root)
        self._runner: StageRunner | None = None
        self.pool = StagePool(self._store.outcome, cohort_size=work.study.resources.stages_at_once)
        self._began_s = time.monotonic()
        self._start_up_s = self._worked_s = 0.0

    def reach(self, point: Point) -> float:
        """Bring the point's trials to their ends; gives their score."""
        trials = trials_at(self._work.study, self._work.bases, self._work.chosen, point)
        for trial in trials:
            self.pool.request(trial.chain)
        ends = tuple(self._end(trial) for trial in trials)
        for end in ends:
            self._listener.finished(end)
        return score(self._store, ends)

    def spent(self) -> WorkerTime:
        """This process does all that is done, so what is no stage and no start-up is idle."""
        held_s = time.monotonic() - self._began_s
        return WorkerTime(self._start_up_s, max(0.0, held_s - self._start_up_s - self._worked_s))

    def _end(self, trial: Trial) -> TrialEnd:
        while not self.pool.has_ended(trial.chain):
            self._run_cohort(self.pool.take(WORKER))
            self._listener.progress(self.pool.counts())
        return TrialEnd(trial, self.pool.ends(trial.chain))

    def _run_cohort(self, cohort: Sequence[PlannedStage]) -> None:
        try:
            for planned, outcome in run_cohort(self._store, self._loaded(), cohort):
                self._worked_s += outcome.wall_s + outcome.load_s
                self.pool.complete(WORKER, planned.fingerprint, outcome)
        except Exception as error:  # what raised once is not trusted again: a fresh runner
            if is_full(error):
                raise
            self._runner = None
            self.pool.worker_lost(WORKER, f"{type(error).__name__}: {error}")

    def _loaded(self) -> StageRunner:
        if self._runner is None:
            started = time.monotonic()
            hold_share(self._work.study.resources.gpus_per_worker)
            self._runner = load_runner(self._work.runner)
            self._start_up_s += time.monotonic() - started
        return self._runner

"""What a backend is given and what it tells: the same for every backend."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Protocol

import polars as pl

from pbb.config import Base
from pbb.records import Status
from search_spaces.factors import Scalar
from search_spaces.groups import Chosen
from search_spaces.runs import proposed_nuisances
from search_spaces.settings import TpeSearch
from search_spaces.study_file import Study
from study.places import Place
from study.plan import Trial, compile_trial, evaluations, tuning_trials
from study.pool import Counts, StageEnd
from study.store import Store

METRIC: Final = "accuracy"
"""What trials report to Optuna, which is to raise it."""

Point = Mapping[str, Scalar]
"""What Optuna proposes: a run's factors, or with the design tpe a value for each nuisance."""


@dataclass(frozen=True)
class TrialEnd:
    """A trial whose stages have all ended; `stages` are those of its chain that were wanted."""

    trial: Trial
    stages: tuple[StageEnd, ...]

    @property
    def result(self) -> StageEnd:
        """How the evaluation that is the trial's result ended; a failed ancestor's end is its."""
        return self.stages[-1]

    @property
    def status(self) -> Status:
        """The result's; where that is well, that of the first evaluation beside it that is not."""
        return self._worst.status

    @property
    def reason(self) -> str | None:
        """Why the trial did not end well; null where it did."""
        if self._worst is self.result:
            return self.result.reason
        return f"the result is there, but not all that is asked beside it: {self._worst.reason}"

    @property
    def evaluated(self) -> tuple[StageEnd, ...]:
        """The evaluations that left item rows, the result last."""
        asked = {planned.fingerprint for planned in evaluations(self.trial.chain)}
        return tuple(
            end for end in self.stages if end.fingerprint in asked and end.status is Status.OK
        )

    @property
    def _worst(self) -> StageEnd:
        if self.result.status is not Status.OK:
            return self.result
        return next((end for end in self.stages if end.status is not Status.OK), self.result)


@dataclass(frozen=True)
class WorkerTime:
    """Where a worker's seconds went beside the stages that it ran, which tell their own.

    idle_s: it waited for a cohort, wrote what it had made, or worked on what was lost with it.
    """

    start_up_s: float
    idle_s: float


class Listener(Protocol):
    """Whom a backend tells what happens, always from the thread that called `run`."""

    def finished(self, end: TrialEnd) -> None:
        """A trial has ended."""

    def progress(self, counts: Counts) -> None:
        """The stages stand so; told every now and then."""

    def spent(self, time: WorkerTime) -> None:
        """A worker has stopped; told once a worker."""


@dataclass(frozen=True)
class Work:
    """Trials to bring to an end.

    trials: what an enumerated design still lacks; empty for tpe.
    chosen: nuisances that tuning found for these trials.
    scored: tpe's proposals of earlier launches and their scores.
    bases: every base of the study by name, so that no trial hashes weights again.
    root: the store's place. runner: see `study.backends.worker.load_runner`.
    scratch: a private folder whose loss costs nothing. log: file for a backend's own chatter.
    """

    study: Study
    trials: tuple[Trial, ...]
    chosen: Chosen
    scored: tuple[tuple[Point, float], ...]
    bases: Mapping[str, Base]
    root: Place
    scratch: Path
    log: Path
    runner: str

    @property
    def proposals(self) -> int:
        """How many points are still to be proposed."""
        search = self.study.search
        if isinstance(search, TpeSearch):
            return max(0, search.budget - len(self.scored))
        return len(self.trials)


class Backend(Protocol):
    """Runs work to its end."""

    def run(self, work: Work, listener: Listener) -> None:
        """Return when every trial has ended. On Ctrl-C stop all workers and let it pass."""


def trials_at(
    study: Study, bases: Mapping[str, Base], chosen: Chosen, point: Point
) -> tuple[Trial, ...]:
    """The trials that a proposal means: one run, or with tpe one for each point of the factors."""
    if isinstance(study.search, TpeSearch):
        return tuning_trials(study, proposed_nuisances(point), bases.__getitem__)
    return (compile_trial(study, point, bases.__getitem__, chosen),)


def score(store: Store, ends: Sequence[TrialEnd]) -> float:
    """Mean over trials of the share answered right on the split that plays the targets.

    A trial without an evaluation (a diverged run, say) answers nothing right: the sampler learns
    to stay away, and Optuna never meets a NaN.
    """
    return sum(_scored(store, end) for end in ends) / len(ends)


def share_right(trial: Trial, items: pl.DataFrame) -> float:
    """A trial's score; items: neutral rows of the evaluation that is its result."""
    asked = (pl.col("split") == trial.config.stand_in) & (pl.col("measure") == "execution")
    right = items.filter(asked)["correct"]
    return float(right.cast(pl.Float64).sum()) / max(1, len(right))


def _scored(store: Store, end: TrialEnd) -> float:
    if end.result.status is not Status.OK:
        return 0.0
    return share_right(end.trial, store.read_items(end.result.fingerprint))

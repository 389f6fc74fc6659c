"""What every worker does with a cohort: run each stage into the store. No Ray."""

from __future__ import annotations

import importlib
from collections.abc import Iterator, Sequence
from typing import Final, Protocol

from pbb.jobs import Job
from pbb.records import StageOutcome
from study.plan import PlannedStage
from study.store import REPRODUCIBLE, Store

ENGINE: Final = "pbb.engine:Engine"
"""The runner of real studies."""
SHARED_ENGINES: Final = {
    "ddp": "pbb.parallel.engine:replicated",
    "fsdp": "pbb.parallel.engine:sharded",
}
"""What runs them in several processes, by `Resources.strategy`."""


class StageRunner(Protocol):
    """Computes stages; keeps the base model loaded between calls.

    Each job's files go into its existing empty folder `out`. parent: folder of the committed
    training stage that it builds on; null = the bare base. scratch: a folder of this stage, not
    there at first, for a state that outlives the process: a later call finds it there, and may go
    on from it. What went wrong with the stage itself (divergence, memory) is a status of the
    outcome, never an exception.
    """

    def run_cohort(self, jobs: Sequence[Job]) -> Iterator[StageOutcome]:
        """Outcomes in order, each as soon as it is known; side by side where the runner can."""


def load_runner(name: str) -> StageRunner:
    """Make the runner that `module:Class` names, or `module:function` makes.

    Raises ValueError for any other text.
    """
    module, colon, attribute = name.partition(":")
    if not (module and colon and attribute):
        raise ValueError(f"runner = {name!r}: write module:Class, such as {ENGINE!r}")
    runner: StageRunner = getattr(importlib.import_module(module), attribute)()
    return runner


def hold_share(gpus: float) -> None:
    """Keep to the share of a GPU's memory that a trainer holds; others hold the rest.

    A whole GPU is a share too: this process may have held less of it for another study.
    """
    if gpus > 0:
        importlib.import_module("pbb.memory_share").keep_to(min(gpus, 1.0))  # brings torch


def shared_runner(name: str, strategy: str) -> str:
    """The runner that does in several processes what `name` does in one; its own where none is."""
    return SHARED_ENGINES[strategy] if name == ENGINE else name


def run_cohort(
    store: Store, runner: StageRunner, cohort: Sequence[PlannedStage]
) -> Iterator[tuple[PlannedStage, StageOutcome]]:
    """Run stages and commit each, or take what another process committed meanwhile.

    An outcome that is no result of the stage alone is given and not committed.
    """
    missing = []
    for planned in cohort:
        committed = store.outcome(planned.fingerprint)
        if committed is None:
            missing.append(planned)
        else:
            yield planned, committed
    jobs = [_job(store, planned) for planned in missing]
    try:
        outcomes = runner.run_cohort(jobs)
        for planned, job, outcome in zip(missing, jobs, outcomes, strict=True):
            yield planned, _committed(store, planned, job, outcome)
    finally:
        for job in jobs:
            store.discard(job.out)


def _job(store: Store, planned: PlannedStage) -> Job:
    parent = store.fetched(planned.parent) if planned.parent else None
    out, scratch = store.begin(planned.fingerprint), store.resume_folder(planned.fingerprint)
    return Job(planned.stage, parent, out, scratch)


def _committed(
    store: Store, planned: PlannedStage, job: Job, outcome: StageOutcome
) -> StageOutcome:
    if outcome.status not in REPRODUCIBLE:
        return outcome
    store.commit(planned.fingerprint, job.out, planned.stage, planned.parent, outcome)
    return store.outcome(planned.fingerprint) or outcome

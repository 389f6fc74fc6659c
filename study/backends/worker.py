"""What every worker does with a cohort: run each stage into the store. No Ray."""

from __future__ import annotations

import importlib
from pathlib import Path
from typing import Protocol

from pbb.config import Stage
from pbb.records import StageOutcome
from study.plan import PlannedStage
from study.store import REPRODUCIBLE, Store

ENGINE = "pbb.engine:Engine"
"""The runner of real studies."""


class StageRunner(Protocol):
    """Computes stages; keeps the base model loaded between calls.

    `run` writes a stage's files into the existing empty folder `out`. parent: folder of the
    committed training stage that this one builds on; null = the bare base. scratch: a folder of
    this stage, not there at first, for a state that outlives the process: a later `run` of the
    stage finds it there, and may go on from it. What went wrong with the stage itself (divergence,
    memory) is a status of the outcome, never an exception.
    """

    def run(self, stage: Stage, parent: Path | None, out: Path, scratch: Path) -> StageOutcome: ...


def load_runner(name: str) -> StageRunner:
    """Make the runner that `module:Class` names. Raises ValueError for any other text."""
    module, colon, attribute = name.partition(":")
    if not (module and colon and attribute):
        raise ValueError(f"runner = {name!r}: write module:Class, such as {ENGINE!r}")
    runner: StageRunner = getattr(importlib.import_module(module), attribute)()
    return runner


def run_stage(store: Store, runner: StageRunner, planned: PlannedStage) -> StageOutcome:
    """Run one stage and commit it, or take what another process committed meanwhile.

    An outcome that is no result of the stage alone is returned and not committed.
    """
    committed = store.outcome(planned.fingerprint)
    if committed is not None:
        return committed
    parent = store.path(planned.parent) if planned.parent else None
    folder = store.begin(planned.fingerprint)
    try:
        scratch = store.resume_folder(planned.fingerprint)
        outcome = runner.run(planned.stage, parent, folder, scratch)
        if outcome.status not in REPRODUCIBLE:
            return outcome
        store.commit(planned.fingerprint, folder, planned.stage, planned.parent, outcome)
    finally:
        store.discard(folder)
    return store.outcome(planned.fingerprint) or outcome

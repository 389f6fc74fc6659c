"""The engine, telling a file when training begins and when its first steps are done.

For `tests.bench.launch_speed`. The variable PBB_BENCH_MOMENTS, which workers inherit, names the
file.
"""

from __future__ import annotations

import os
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, Final

from pbb.config import TrainStage
from pbb.engine import Engine
from pbb.jobs import Job
from pbb.records import StageOutcome
from pbb.training import loop
from pbb.training.optimiser import Optimiser

MOMENTS: Final = "PBB_BENCH_MOMENTS"
RUNNER: Final = "tests.bench.timed_engine:TimedEngine"
STAGE, STEP = "first stage begins", "first step is done"


class TimedEngine(Engine):
    """Stages run as ever; steps are those of one adapter by itself, as on CPU."""

    def __init__(self) -> None:
        super().__init__()
        setattr(loop, "Optimiser", _TimedOptimiser)  # noqa: B010 - mypy sees no such name there

    def run_cohort(self, jobs: Sequence[Job]) -> Iterator[StageOutcome]:
        """As the engine's."""
        if any(isinstance(job.stage, TrainStage) for job in jobs):
            note(STAGE)
        return super().run_cohort(jobs)


class _TimedOptimiser(Optimiser):
    def advance(self, step: int) -> float:
        rate = super().advance(step)
        if step == 1:
            note(STEP)
        return rate


def note(moment: str) -> None:
    """Add a line to the file: the time, and what happened. Lines of several processes may mix."""
    line = f"{time.time()} {moment}\n".encode()
    file = os.open(os.environ[MOMENTS], os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
    try:
        os.write(file, line)
    finally:
        os.close(file)


def moments(file: Path) -> dict[str, float]:
    """When each first happened, in seconds of the system's clock."""
    found: dict[str, Any] = {}
    for line in file.read_text().splitlines() if file.exists() else ():
        at, _, moment = line.partition(" ")
        found[moment] = min(float(at), found.get(moment, float(at)))
    return found

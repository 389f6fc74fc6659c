"""A trainer of several processes: the first takes from the pool, the others do as it does.

What they are to do goes through Ray Train, where waiting has no limit; torch's process group, which
has one, is theirs while they are at work.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import ray
import torch
from ray.train import get_context
from ray.train.collective import broadcast_from_rank_zero
from ray.train.torch import get_device

from pbb.jobs import Job
from pbb.records import StageOutcome, Status
from study.backends.worker import StageRunner, load_runner


def several() -> bool:
    """Whether the trainer has more than this process."""
    return bool(get_context().get_world_size() > 1)


def follows() -> bool:
    """Whether another process of the trainer takes from the pool."""
    return bool(get_context().get_world_rank() > 0)


def load_shared(name: str) -> StageRunner:
    """This process's part of a runner, on its own GPU where it has one."""
    device = get_device()
    assert isinstance(device, torch.device), "a process has one GPU"
    if device.type == "cuda":
        torch.cuda.set_device(device)
    return load_runner(name)


class Leading:
    """The first process's runner: what it is given, it gives to the others first."""

    def __init__(self, runner: StageRunner) -> None:
        self._runner = runner

    def run_cohort(self, jobs: Sequence[Job]) -> Iterator[StageOutcome]:
        """See `study.backends.worker.StageRunner`."""
        _tell(jobs)
        return self._runner.run_cohort(jobs)


def dismiss() -> None:
    """Let the others go."""
    _tell(None)


def follow(name: str, pool: Any, worker: str) -> None:
    """Do what the first process does, until it lets go.

    Memory may be exhausted in this process alone, and leave the first one waiting for it. So that
    is told to the pool from here; where it is told twice, once counts.
    """
    runner = load_shared(name)
    while (jobs := _told()) is not None:
        for job, outcome in zip(jobs, runner.run_cohort(jobs), strict=True):
            if outcome.status is Status.OUT_OF_MEMORY and job.scratch is not None:
                fingerprint = job.scratch.name  # the folder is named for its stage
                ray.get(pool.complete.remote(worker, fingerprint, outcome))


def _tell(jobs: Sequence[Job] | None) -> None:
    broadcast_from_rank_zero([ray.put(jobs)])


def _told() -> Sequence[Job] | None:
    (reference,) = broadcast_from_rank_zero(None)
    jobs: Sequence[Job] | None = ray.get(reference)
    return jobs

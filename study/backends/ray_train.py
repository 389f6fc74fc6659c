"""Resident `TorchTrainer` runs: each takes cohorts from the pool until there are none."""

from __future__ import annotations

import threading
from pathlib import Path
from typing import Any, Final

import ray
from ray.train import FailureConfig, RunConfig, ScalingConfig
from ray.train.torch import TorchTrainer

from search_spaces.settings import Resources
from study.backends.ray_placement import share
from study.backends.ray_pool import find_pool
from study.backends.work import Work
from study.backends.worker import load_runner, run_cohort
from study.store import Store

MAX_RESTARTS: Final = 50
"""So many worker groups of one trainer may be lost; the pool bounds the losses of one stage."""


def train_loop(config: dict[str, Any]) -> None:
    """What a worker process does. The runner, and with it the base model, lives as long as it."""
    worker = config["worker"]
    pool = find_pool(config["pool"])
    store = Store(Path(config["root"]))
    node = ray.get_runtime_context().get_node_id()
    runner = None
    while cohort := ray.get(pool.take.remote(worker, node)):
        try:
            runner = runner or load_runner(config["runner"])
            for planned, outcome in run_cohort(store, runner, cohort):
                ray.get(pool.complete.remote(worker, planned.fingerprint, outcome))
        except Exception as error:  # a process that raised is not trusted again: Train replaces it
            ray.get(pool.lost.remote(worker, f"{type(error).__name__}: {error}"))
            raise


class Trainers:
    """The resident runs, each waited for in a thread of its own."""

    def __init__(self, work: Work, pool: Any, name: str) -> None:
        self._pool = pool
        self._running = min(work.study.resources.workers, work.proposals)
        self._last_word = threading.Lock()
        self._threads = [
            threading.Thread(target=self._fit, args=(work, name, f"trainer-{index}"), daemon=True)
            for index in range(self._running)
        ]
        for thread in self._threads:
            thread.start()

    def join(self, timeout_s: float) -> None:
        """Wait until all have let go of their workers."""
        for thread in self._threads:
            thread.join(timeout_s)

    def _fit(self, work: Work, name: str, worker: str) -> None:
        reason = "the last worker stopped"
        try:
            _trainer(work, name, worker).fit()
        except Exception as error:  # told to the pool, which fails what nobody is left to run
            reason = f"{type(error).__name__}: {str(error).strip().splitlines()[-1:]}"
        if not ray.is_initialized():  # the launch was interrupted
            return
        ray.get(self._pool.lost.remote(worker, reason))
        with self._last_word:
            self._running -= 1
            if self._running == 0:
                ray.get(self._pool.give_up.remote(f"no worker is left: {reason}"))


def _trainer(work: Work, name: str, worker: str) -> TorchTrainer:
    return TorchTrainer(
        train_loop,
        train_loop_config={
            "pool": name,
            "root": str(work.root),
            "runner": work.runner,
            "worker": worker,
        },
        scaling_config=_scaling(work.study.resources),
        run_config=RunConfig(
            name=worker,
            storage_path=str(work.scratch / "train"),
            failure_config=FailureConfig(max_failures=MAX_RESTARTS),
        ),
    )


def _scaling(resources: Resources) -> ScalingConfig:
    return ScalingConfig(
        num_workers=1,
        use_gpu=bool(resources.gpus_per_worker),
        resources_per_worker=share(resources),
    )

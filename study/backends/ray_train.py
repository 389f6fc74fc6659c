"""Resident `TorchTrainer` runs: each takes cohorts from the pool until there are none.

They are waited for in a process of their own, not in the launch's: a thread that waits within Ray
while Ray is shut down crashes its process, and Ctrl-C may come at any time.
"""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor, as_completed
from typing import Any, Final

import ray
from ray.exceptions import RayActorError
from ray.train import FailureConfig, RunConfig, ScalingConfig
from ray.train.torch import TorchTrainer
from ray.util.placement_group import get_current_placement_group

from search_spaces.settings import Resources
from study.backends import ray_team
from study.backends.ray_placement import share
from study.backends.ray_pool import find_pool
from study.backends.work import Work
from study.backends.worker import StageRunner, hold_share, load_runner, run_cohort, shared_runner
from study.disk import is_full
from study.places import open_store

MAX_RESTARTS: Final = 50
"""So many worker groups of one trainer may be lost; the pool bounds the losses of one stage."""
MAX_CONTROLLERS: Final = 3
"""So many controllers may one trainer have; Ray starts none anew."""


def train_loop(config: dict[str, Any]) -> None:
    """What a worker process does. The runner, and with it the base model, lives as long as it."""
    worker = config["worker"]
    pool = find_pool(config["pool"])
    if ray_team.follows():
        ray_team.follow(config["runner"], pool, worker)
        return
    store = open_store(config["root"])
    node = ray.get_runtime_context().get_node_id()
    runner = None
    group = get_current_placement_group()
    while cohort := ray.get(pool.take.remote(worker, node, group)):
        try:
            runner = runner or _loaded(config["runner"], config["gpus"])
            for planned, outcome in run_cohort(store, runner, cohort):
                ray.get(pool.complete.remote(worker, planned.fingerprint, outcome))
        except Exception as error:  # a process that raised is not trusted again: Train replaces it
            if is_full(error):  # no process would do better
                ray.get(pool.give_up.remote(f"the disk is full: {error}"))
                break
            ray.get(pool.lost.remote(worker, f"{type(error).__name__}: {error}"))
            raise
    if ray_team.several():
        ray_team.dismiss()


def _loaded(runner: str, gpus: float) -> StageRunner:
    hold_share(gpus)
    return (
        ray_team.Leading(ray_team.load_shared(runner))
        if ray_team.several()
        else load_runner(runner)
    )


def run_trainers(work: Work, name: str) -> None:
    """Run a launch's resident trainers, each in a thread, until they have let go of their workers.

    The pool of that name is told of workers that are lost, and when none is left.
    """
    pool = find_pool(name)
    residents = [f"trainer-{i}" for i in range(min(work.study.resources.workers, work.proposals))]
    with ThreadPoolExecutor(len(residents)) as threads:
        ends = [threads.submit(_resident, work, pool, name, worker) for worker in residents]
        *_, last = as_completed(ends)
    ray.get(pool.give_up.remote(f"no worker is left: {last.result()}"))


def _resident(work: Work, pool: Any, name: str, worker: str) -> str:
    """One trainer, as often as it loses its controller; why it ended."""
    reason, lost, starts = "", True, 0
    while lost and starts < MAX_CONTROLLERS:
        ray.get(pool.free_group.remote(worker))  # where an earlier one was lost
        reason, lost = _ended(work, name, worker)
        ray.get(pool.lost.remote(worker, reason))
        starts += 1
    return reason


def _ended(work: Work, name: str, worker: str) -> tuple[str, bool]:
    """Run a trainer to its end: why it came, and whether it was that its controller was lost."""
    try:
        _trainer(work, name, worker).fit()
    except Exception as error:  # told to the pool, which fails what nobody is left to run
        reason = f"{type(error).__name__}: {(str(error).strip().splitlines() or [''])[-1]}"
        return reason, isinstance(error, RayActorError)
    return "the last worker stopped", False


def _trainer(work: Work, name: str, worker: str) -> TorchTrainer:
    resources = work.study.resources
    alone = resources.processes_per_worker == 1
    return TorchTrainer(
        train_loop,
        train_loop_config={
            "gpus": resources.gpus_per_worker,
            "pool": name,
            "root": str(work.root),
            "runner": work.runner if alone else shared_runner(work.runner, resources.strategy),
            "worker": worker,
        },
        scaling_config=_scaling(resources),
        run_config=RunConfig(
            name=worker,
            storage_path=str(work.scratch / "train"),
            failure_config=FailureConfig(max_failures=MAX_RESTARTS),
        ),
    )


def _scaling(resources: Resources) -> ScalingConfig:
    return ScalingConfig(
        num_workers=resources.processes_per_worker,
        use_gpu=bool(resources.gpus_per_worker),
        resources_per_worker=share(resources),
    )

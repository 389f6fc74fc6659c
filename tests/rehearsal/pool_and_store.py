"""10,000 stages and 200 simulated workers through the pool and the store, in one process.

Workers are coroutines around the pool actor's own code; what they do with a stage (run it in no
time, commit it to a real store) is done in threads, so that writes to the disk overlap as they do
on machines of their own. A stage's simulated time passes without a thread.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

from pbb.records import StageOutcome
from search_spaces.settings import Resources
from study.backends.ray_pool import PoolActor
from study.backends.worker import load_runner, run_cohort
from study.plan import PlannedStage, Trial
from study.store import Store
from tests.rehearsal.simulated import RUNNER
from tests.study.kept import Kept

THREADS = 8
DRIVERS = 8

Done = list[tuple[PlannedStage, StageOutcome]]


@dataclass
class Passed:
    """What it took. Seconds of the processor but for wall_s and commit_wall_s.

    pool_cpu_s: the thread of the pool, its event loop among it. store_cpu_s: the threads that run
    and commit. commit_wall_s: from a cohort's start to its last commit, summed over cohorts.
    """

    stages: int
    wall_s: float
    admit_cpu_s: float
    pool_cpu_s: float
    store_cpu_s: float
    commit_wall_s: float


def pass_through(
    trials: Sequence[Trial], root: Path, *, workers: int, stage_s: float = 0.0, cohort: int = 1
) -> Passed:
    """All stages of the trials, each of which takes stage_s of simulated time."""
    return asyncio.run(_Rehearsal(trials, root, cohort, stage_s).passed(workers))


class _Rehearsal:
    def __init__(self, trials: Sequence[Trial], root: Path, cohort: int, stage_s: float) -> None:
        self._trials, self._stage_s = trials, stage_s
        self._store, self._runner = Store(root), load_runner(RUNNER)
        self._root, self._resources = root, Resources(cohort=cohort)
        self._stages = 0
        self._store_cpu_s = self._commit_wall_s = 0.0

    async def passed(self, workers: int) -> Passed:
        began, worked = time.monotonic(), time.thread_time()
        chains = [trial.chain for trial in self._trials]
        self._pool = PoolActor(self._root, self._resources, Kept(), chains, last=True)
        admitted = time.thread_time() - worked
        with ThreadPoolExecutor(THREADS) as threads:
            await asyncio.gather(
                *(self._work(f"worker-{index}", threads) for index in range(workers)),
                *(self._drive(self._trials[first::DRIVERS]) for first in range(DRIVERS)),
            )
        return Passed(
            stages=self._stages,
            wall_s=time.monotonic() - began,
            admit_cpu_s=admitted,
            pool_cpu_s=time.thread_time() - worked,
            store_cpu_s=self._store_cpu_s,
            commit_wall_s=self._commit_wall_s,
        )

    async def _drive(self, trials: Sequence[Trial]) -> None:
        for trial in trials:
            await self._pool.reach([trial.chain])

    async def _work(self, worker: str, threads: ThreadPoolExecutor) -> None:
        loop = asyncio.get_running_loop()
        while cohort := await self._pool.take(worker, "here"):
            if self._stage_s:
                await asyncio.sleep(self._stage_s * len(cohort))
            done, cpu_s, wall_s = await loop.run_in_executor(threads, self._run, cohort)
            self._store_cpu_s += cpu_s
            self._commit_wall_s += wall_s
            for planned, outcome in done:
                await self._pool.complete(worker, planned.fingerprint, outcome)
                self._stages += 1

    def _run(self, cohort: Sequence[PlannedStage]) -> tuple[Done, float, float]:
        began, worked = time.monotonic(), time.thread_time()
        done = list(run_cohort(self._store, self._runner, cohort))
        return done, time.thread_time() - worked, time.monotonic() - began

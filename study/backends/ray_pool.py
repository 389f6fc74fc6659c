"""The stage pool as one named Ray actor: `study.pool`'s rules, and the clock they lack."""

from __future__ import annotations

import asyncio
import hashlib
import time
from collections import defaultdict
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any, Final

import ray
from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

from pbb.records import StageOutcome
from study.backends.work import WorkerTime
from study.plan import Chain, PlannedStage
from study.pool import Counts, StageEnd, StagePool
from study.store import Store

NAMESPACE: Final = "pbb-study"
WAITING_AT_MOST: Final = 10_000
"""Calls that may wait in the pool at a time: all drivers and workers of a cluster."""
LOOK_EVERY_S: Final = 5.0
"""How often idle workers see whether the machine of another one is gone."""


def pool_name(folder: Path) -> str:
    """The actor's name: one pool a study folder."""
    return f"pool-{hashlib.sha256(str(folder.absolute()).encode()).hexdigest()[:16]}"


def start_pool(folder: Path, root: Path, cohort_size: int) -> Any:
    """Start the pool of a study folder over the store at `root`; gives its handle.

    It stands beside the launch: any other machine could be lost and leave the launch behind.
    """
    here = ray.get_runtime_context().get_node_id()
    actor = ray.remote(PoolActor).options(
        name=pool_name(folder),
        namespace=NAMESPACE,
        num_cpus=0,
        max_concurrency=WAITING_AT_MOST,
        scheduling_strategy=NodeAffinitySchedulingStrategy(here, soft=False),
    )
    return actor.remote(root, cohort_size)


def find_pool(name: str) -> Any:
    """The handle of a pool that is running. Raises ValueError where none is."""
    return ray.get_actor(name, namespace=NAMESPACE)


class PoolActor:
    """Trials ask by `reach`, workers by `take`; both wait here."""

    def __init__(self, root: Path, cohort_size: int) -> None:
        self._pool = StagePool(Store(root).outcome, cohort_size=cohort_size)
        self._changed = asyncio.Condition()
        self._closed = False
        self._given_up: str | None = None
        self._node_of: dict[str, str] = {}
        self._looked_s = self._began_s = time.monotonic()
        self._start_up_s: dict[str, float] = {}
        self._idle_s: dict[str, float] = defaultdict(float)

    async def admit(self, chains: Sequence[Chain], last: bool) -> None:
        """Want all chains. last: no stage beyond these will be asked for."""
        async with self._changed:
            for chain in chains:
                self._pool.request(chain)
            self._closed = last
            if self._given_up is not None:
                self._pool.abandon(self._given_up)
            self._changed.notify_all()

    async def reach(self, chains: Sequence[Chain]) -> list[tuple[StageEnd, ...]]:
        """Want the chains, and wait until each has ended."""
        if not all(self._pool.has_ended(chain) for chain in chains):
            await self.admit(chains, self._closed)
        async with self._changed:
            await self._changed.wait_for(
                lambda: all(self._pool.has_ended(chain) for chain in chains)
            )
        return [self._pool.ends(chain) for chain in chains]

    async def take(self, worker: str, node: str) -> tuple[PlannedStage, ...]:
        """Wait for the worker's next cohort; empty when there will be none.

        node: the id of the node that the worker is on.
        """
        asked_s = time.monotonic()
        self._node_of[worker] = node
        self._start_up_s.setdefault(worker, asked_s - self._began_s)
        async with self._changed:
            cohort = self._pool.take(worker)
            self._changed.notify_all()  # a worker that comes back may have put stages back
            while not cohort and not (self._closed and self._pool.is_idle()):
                with suppress(TimeoutError):
                    async with asyncio.timeout(LOOK_EVERY_S):
                        await self._changed.wait()
                self._put_back_what_lost_its_node()
                cohort = self._pool.take(worker)
        self._idle_s[worker] += time.monotonic() - asked_s
        return cohort

    def _put_back_what_lost_its_node(self) -> None:
        """Its trainer starts a worker elsewhere, but on a smaller cluster there may be no place."""
        if time.monotonic() - self._looked_s < LOOK_EVERY_S:
            return
        self._looked_s = time.monotonic()
        alive = {node["NodeID"] for node in ray.nodes() if node["Alive"]}
        for worker in [w for w, node in self._node_of.items() if node not in alive]:
            del self._node_of[worker]
            self._pool.worker_lost(worker, "its machine is gone")
            self._changed.notify_all()

    async def complete(self, worker: str, fingerprint: str, outcome: StageOutcome) -> None:
        """The worker has run the stage."""
        async with self._changed:
            self._pool.complete(worker, fingerprint, outcome)
            self._changed.notify_all()

    async def lost(self, worker: str, reason: str) -> None:
        """The worker is gone, or not to be trusted with what it has in hand."""
        async with self._changed:
            self._pool.worker_lost(worker, reason)
            self._changed.notify_all()

    async def give_up(self, reason: str) -> None:
        """No worker is left: what has not ended fails, and so does what is asked for later."""
        async with self._changed:
            self._given_up = reason
            self._pool.abandon(reason)
            self._changed.notify_all()

    async def close(self) -> None:
        """No more stages will be asked for: let workers go when all have ended."""
        async with self._changed:
            self._closed = True
            self._changed.notify_all()

    async def counts(self) -> Counts:
        """Where the stages stand."""
        return self._pool.counts()

    async def times(self) -> list[WorkerTime]:
        """What each worker spent beside running stages."""
        return [WorkerTime(s, self._idle_s[worker]) for worker, s in self._start_up_s.items()]

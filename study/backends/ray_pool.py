"""The stage pool as one named Ray actor: `study.pool`'s rules, and the clock they lack."""

from __future__ import annotations

import asyncio
import hashlib
import time
from collections import defaultdict
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

import ray
from ray.util.placement_group import PlacementGroup, remove_placement_group
from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

from pbb.records import StageOutcome
from search_spaces.settings import Resources
from study.backends.ray_notes import HeadNotes, Notes
from study.backends.work import WorkerTime
from study.places import Place, open_store
from study.plan import Chain, PlannedStage, evaluations
from study.pool import Counts, StageEnd, StagePool

NAMESPACE: Final = "pbb-study"
MAX_RESTARTS: Final = 10
"""So often may the pool's process be lost in one launch."""
WAITING_AT_MOST: Final = 10_000
"""Calls that may wait in the pool at a time: all drivers and workers of a cluster."""
LOOK_EVERY_S: Final = 5.0
"""How often idle workers see whether the machine of another one is gone."""
CLOSED: Final = "closed"
GIVEN_UP: Final = "given up"
"""Names of notes."""

Cohort = tuple[PlannedStage, ...]


def pool_name(folder: Path) -> str:
    """The actor's name: one pool a study folder."""
    return f"pool-{hashlib.sha256(str(folder.absolute()).encode()).hexdigest()[:16]}"


def start_pool(
    folder: Path, root: Place, resources: Resources, wanted: ray.ObjectRef[Any], last: bool
) -> Any:
    """Start the pool of a study folder over the store at `root`; gives its handle.

    It stands beside the launch: any other machine could be lost and leave the launch behind.
    wanted: the chains to begin with; the caller keeps the reference as long as the pool, since one
    that dies is started again with the same arguments. Those who waited then ask it again; what
    was finished it finds in the store, and what it was told for good with Ray's head. last: nothing
    beyond these will be asked for.
    """
    name = pool_name(folder)
    notes = HeadNotes(name)
    notes.clear()  # of an earlier launch on this cluster
    actor = ray.remote(PoolActor).options(
        name=name,
        namespace=NAMESPACE,
        num_cpus=0,
        max_concurrency=WAITING_AT_MOST,
        max_restarts=MAX_RESTARTS,
        max_task_retries=-1,
        scheduling_strategy=beside_the_launch(),
    )
    return actor.remote(root, resources, notes, wanted, last)


def beside_the_launch() -> NodeAffinitySchedulingStrategy:
    """For what the launch cannot do without: on its own node, and on no other."""
    return NodeAffinitySchedulingStrategy(ray.get_runtime_context().get_node_id(), soft=False)


def find_pool(name: str) -> Any:
    """The handle of a pool that is running. Raises ValueError where none is."""
    return ray.get_actor(name, namespace=NAMESPACE)


class PoolActor:
    """Trials ask by `reach`, workers by `take`; both wait here, each for its own event.

    Nobody is woken in vain: with hundreds of workers and drivers that would cost more than the
    stages' own bookkeeping. All calls run in one event loop, so between two awaits nothing changes.
    """

    def __init__(
        self,
        root: Place,
        resources: Resources,
        notes: Notes,
        chains: Sequence[Chain] = (),
        last: bool = False,
    ) -> None:
        """notes: what a process of this pool before this one was told for good."""
        self._store = open_store(root)
        self._pool = StagePool(
            self._store.outcome,
            cohort_size=resources.stages_at_once,
            workers=resources.workers,
            ended=self._wake,
        )
        self._workers: dict[str, asyncio.Future[Cohort]] = {}
        """Those that wait for a cohort, the longest first."""
        self._waited_for: dict[str, list[asyncio.Future[None]]] = defaultdict(list)
        """By the stage whose end a trial waits for."""
        self._notes = notes
        self._closed = last or notes.read(CLOSED) is not None
        self._given_up = notes.read(GIVEN_UP)
        self._node_of: dict[str, str] = {}
        self._group_of: dict[str, PlacementGroup | None] = {}
        self._looked_s = self._began_s = time.monotonic()
        self._start_up_s: dict[str, float] = {}
        self._idle_s: dict[str, float] = defaultdict(float)
        self._given_s: dict[str, float] = {}
        """When each worker was given the cohort that it has in hand."""
        self._asking = asyncio.Lock()
        """Held while the store is asked, which answers one set of questions at a time."""
        self._asked = 0
        """Calls whose stages are not known yet."""
        self._ask(chains)
        self._want(chains)

    def _ask(self, chains: Sequence[Chain]) -> None:
        self._store.expect(stage.fingerprint for chain in chains for stage in chain)

    def _want(self, chains: Sequence[Chain]) -> None:
        for chain in chains:
            self._pool.request(chain)
        if self._given_up is not None:
            self._pool.abandon(self._given_up)
        self._hand_out()

    async def reach(self, chains: Sequence[Chain]) -> list[tuple[StageEnd, ...]]:
        """Want the chains, and wait until each has ended.

        The store may be far away, so it is asked in a thread, and only of what is new.
        """
        if not all(self._pool.is_wanted(chain) for chain in chains):
            await self._learn(chains)
        self._want(chains)
        for chain in chains:
            for planned in evaluations(chain):
                await self._end_of(planned.fingerprint)
        return [self._pool.ends(chain) for chain in chains]

    async def _learn(self, chains: Sequence[Chain]) -> None:
        """Want those that are new, after the store was asked."""
        self._asked += 1
        try:
            async with self._asking:
                new = [chain for chain in chains if not self._pool.is_wanted(chain)]
                await asyncio.to_thread(self._ask, new)
                self._want(new)
        finally:
            self._asked -= 1
            self._hand_out()

    async def take(self, worker: str, node: str, group: PlacementGroup | None = None) -> Cohort:
        """Wait for the worker's next cohort; empty when there will be none.

        node: the id of the node that the worker is on. group: what it holds of the cluster.
        """
        asked_s = time.monotonic()
        self._node_of[worker], self._group_of[worker] = node, group
        self._start_up_s.setdefault(worker, asked_s - self._began_s)
        self._idle_s[worker] += asked_s - self._given_s.pop(worker, asked_s)
        self._forget(worker)
        self._pool.worker_lost(worker, "the worker started afresh")
        waiting: asyncio.Future[Cohort] = asyncio.get_running_loop().create_future()
        self._workers[worker] = waiting
        self._hand_out()
        try:
            while not (await asyncio.wait({waiting}, timeout=LOOK_EVERY_S))[0]:
                self._put_back_what_lost_its_node()
        finally:
            waiting.cancel()  # nothing happens to one that has its cohort
        cohort = waiting.result()
        self._given_s[worker] = time.monotonic()
        self._idle_s[worker] += self._given_s[worker] - asked_s
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
            self._hand_out()

    async def complete(self, worker: str, fingerprint: str, outcome: StageOutcome) -> None:
        """The worker has run the stage."""
        self._idle_s[worker] -= outcome.wall_s + outcome.load_s
        self._pool.complete(worker, fingerprint, outcome)
        self._hand_out()

    async def lost(self, worker: str, reason: str) -> None:
        """The worker is gone, or not to be trusted with what it has in hand."""
        self._forget(worker)
        self._pool.worker_lost(worker, reason)
        self._hand_out()

    async def free_group(self, worker: str) -> None:
        """Whoever managed the worker is gone: give back what it held, which Ray keeps for it.

        Ray's own cleaner asks the dashboard whether a controller lives, and waits where none runs.
        """
        if (group := self._group_of.pop(worker, None)) is not None:
            remove_placement_group(group)

    async def give_up(self, reason: str) -> None:
        """No worker is left: what has not ended fails, and so does what is asked for later."""
        self._notes.write(GIVEN_UP, reason)
        self._given_up = reason
        self._pool.abandon(reason)
        self._hand_out()

    async def close(self) -> None:
        """No more stages will be asked for: let workers go when all have ended."""
        self._notes.write(CLOSED, "")
        self._closed = True
        self._hand_out()

    def _hand_out(self) -> None:
        """Cohorts to workers that wait, as long as there are both; at the end, word of the end."""
        over = self._closed and not self._asked and self._pool.is_idle()
        while self._workers:
            worker, waiting = next(iter(self._workers.items()))
            cohort = () if waiting.done() else self._pool.take(worker)
            if not (cohort or over or waiting.done()):
                break
            del self._workers[worker]
            if not waiting.done():  # a call may have been cancelled
                waiting.set_result(cohort)

    def _forget(self, worker: str) -> None:
        """A call of the worker's that still waits is a dead process's: let it have nothing."""
        former = self._workers.pop(worker, None)
        if former is not None and not former.done():
            former.set_result(())

    async def _end_of(self, fingerprint: str) -> None:
        while self._pool.end(fingerprint) is None:
            ended = asyncio.get_running_loop().create_future()
            self._waited_for[fingerprint].append(ended)
            await ended

    def _wake(self, fingerprint: str) -> None:
        for waiting in self._waited_for.pop(fingerprint, ()):
            if not waiting.done():
                waiting.set_result(None)

    async def counts(self) -> Counts:
        """Where the stages stand."""
        return self._pool.counts()

    async def times(self) -> list[WorkerTime]:
        """What each worker spent beside running stages."""
        return [
            WorkerTime(start_up_s, max(0.0, self._idle_s[worker]))
            for worker, start_up_s in self._start_up_s.items()
        ]

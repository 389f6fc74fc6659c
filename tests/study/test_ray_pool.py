"""The pool actor's waiting, in one event loop and without a cluster."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Awaitable, Callable, Mapping
from pathlib import Path
from typing import Any

import pytest
from ray.experimental import internal_kv

from pbb.records import StageOutcome, Status
from search_spaces.settings import Resources
from study.backends.ray_notes import HeadNotes, Notes
from study.backends.ray_pool import PoolActor
from study.backends.worker import load_runner, run_cohort
from study.places import Place, open_store
from study.plan import make_plan
from study.remote import Stored
from tests.study.kept import Kept
from tests.study.object_stores import URL, InMemory
from tests.study.studies import RUNNER, fake_base, small_study

pytestmark = pytest.mark.ray

CHAINS = [trial.chain for trial in make_plan(small_study(), fake_base).trials]
STAGES = {planned.fingerprint for chain in CHAINS for planned in chain}


def outcome(wall_s: float = 0.0) -> StageOutcome:
    return StageOutcome(status=Status.OK, wall_s=wall_s, load_s=0.0)


def in_loop(
    root: Place, do: Callable[[PoolActor], Awaitable[Any]], notes: Notes | None = None
) -> Any:
    async def act() -> Any:
        pool = PoolActor(root, Resources(), notes or Kept())
        return await asyncio.wait_for(do(pool), timeout=60)

    return asyncio.run(act())


async def works(pool: PoolActor, worker: str, ran: list[str], stage_s: float = 0.0) -> None:
    while cohort := await pool.take(worker, "here"):
        for planned in cohort:
            await asyncio.sleep(stage_s)
            ran.append(planned.fingerprint)
            await pool.complete(worker, planned.fingerprint, outcome(stage_s))


@pytest.mark.parametrize("workers", [1, 30])
def test_all_that_wait_are_woken_and_each_stage_runs_once(tmp_path: Path, workers: int) -> None:
    ran: list[str] = []

    async def do(pool: PoolActor) -> None:
        waiting = [asyncio.ensure_future(works(pool, f"w{i}", ran)) for i in range(workers)]
        await asyncio.sleep(0)  # all workers wait before there is anything
        reached = await asyncio.gather(*(pool.reach([chain]) for chain in CHAINS))
        assert [ends[0][-1].fingerprint for ends in reached] == [c[-1].fingerprint for c in CHAINS]
        assert not any(each.done() for each in waiting), "more may be asked for"
        await pool.close()
        await asyncio.gather(*waiting)

    in_loop(tmp_path, do)
    assert len(ran) == len(STAGES) and set(ran) == STAGES


def test_a_dead_processs_call_takes_nothing_from_its_successor(tmp_path: Path) -> None:
    ran: list[str] = []

    async def do(pool: PoolActor) -> None:
        dead = asyncio.ensure_future(pool.take("w", "here"))
        await asyncio.sleep(0)
        successor = asyncio.ensure_future(works(pool, "w", ran))
        await asyncio.sleep(0)
        asked = asyncio.ensure_future(pool.reach(CHAINS))
        await asyncio.sleep(0)
        await pool.close()
        await asyncio.gather(successor, asked)
        assert await dead == ()

    in_loop(tmp_path, do)
    assert len(ran) == len(STAGES), "nothing was lost and put back"


def test_what_nobody_is_left_to_run_ends(tmp_path: Path) -> None:
    async def do(pool: PoolActor) -> Any:
        waiting = asyncio.ensure_future(pool.reach(CHAINS[:2]))
        await pool.take("w", "here")
        await pool.lost("w", "killed")
        await pool.give_up("no worker is left")
        return await waiting

    for stages in in_loop(tmp_path, do):
        assert stages[-1].status is Status.FAILED and "no worker is left" in stages[-1].reason


def test_a_pool_that_is_started_anew_knows_that_nobody_is_left(tmp_path: Path) -> None:
    notes = Kept()
    in_loop(tmp_path, lambda pool: pool.give_up("no worker is left"), notes)
    (stages,) = in_loop(tmp_path, lambda pool: pool.reach(CHAINS[:1]), notes)
    assert stages[-1].status is Status.FAILED and "no worker is left" in stages[-1].reason


def test_a_pool_that_is_started_anew_lets_workers_go_when_it_was_closed(tmp_path: Path) -> None:
    notes = Kept()
    in_loop(tmp_path, lambda pool: pool.close(), notes)
    assert in_loop(tmp_path, lambda pool: pool.take("w", "here"), notes) == ()


@pytest.mark.usefixtures("ray_cluster")
def test_rays_head_keeps_notes_of_a_pool_apart_from_others() -> None:
    internal_kv._internal_kv_reset()  # as a cluster of ray.cluster_utils does when it ends
    notes, others = HeadNotes("pool-1"), HeadNotes("pool-10")
    notes.write("closed", "")
    notes.write("given up", "why \N{SNOWMAN}")
    others.write("closed", "")
    assert (HeadNotes("pool-1").read("closed"), notes.read("given up")) == ("", "why \N{SNOWMAN}")
    notes.clear()
    assert (notes.read("closed"), notes.read("given up"), others.read("closed")) == (None, None, "")


def test_a_workers_time_is_accounted_for(tmp_path: Path) -> None:
    """What it held is start-up, stages and idle; writing and waiting are idle."""
    stage_s, between_s = 0.01, 0.05

    async def do(pool: PoolActor) -> tuple[float, float]:
        loop = asyncio.get_running_loop()
        began = loop.time()
        asked = asyncio.ensure_future(pool.reach(CHAINS))
        await asyncio.sleep(0)
        await pool.close()
        while cohort := await pool.take("w", "here"):
            await asyncio.sleep(stage_s + between_s)
            await pool.complete("w", cohort[0].fingerprint, outcome(stage_s))
        await asked
        (spent,) = await pool.times()
        busy = stage_s * len(STAGES)
        return loop.time() - began, spent.start_up_s + spent.idle_s + busy

    held, told = in_loop(tmp_path, do)
    assert told == pytest.approx(held, abs=0.1)
    assert told > (stage_s + between_s) * len(STAGES)


class Elsewhere(InMemory):
    """A store that answers when the event loop of the pool has turned meanwhile."""

    loop: asyncio.AbstractEventLoop | None = None

    def _look(self) -> None:
        if self.loop is not None:
            turned = threading.Event()
            self.loop.call_soon_threadsafe(turned.set)
            assert turned.wait(5)

    def read(self, name: str) -> bytes | None:
        self._look()
        return super().read(name)

    def list(self, folder: str) -> Mapping[str, Stored]:
        self._look()
        return super().list(folder)


def test_a_store_that_is_far_away_holds_nobody_up(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Drivers overlap, some ask for what is known; what is there already is found."""
    remote, ran = Elsewhere(), list[str]()
    monkeypatch.setattr("study.remote.open_remote", lambda _: remote)
    monkeypatch.setattr("study.places.cache_of", lambda _: tmp_path)
    here = open_store(URL)
    first = CHAINS[0][0]
    list(run_cohort(here, load_runner(RUNNER), [first]))

    async def do(pool: PoolActor) -> None:
        remote.loop = asyncio.get_running_loop()
        worker = asyncio.ensure_future(works(pool, "w", ran))
        asked = (pool.reach(CHAINS[:n]) for n in (1, len(CHAINS), 2, 1))
        await asyncio.gather(*asked)
        await pool.close()
        await worker

    monkeypatch.setattr("study.places.cache_of", lambda _: tmp_path / "another machine")
    in_loop(URL, do)
    assert len(ran) == len(STAGES) - 1 and set(ran) == STAGES - {first.fingerprint}


def test_a_workers_latest_group_is_given_back_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    given_back: list[object] = []
    monkeypatch.setattr("study.backends.ray_pool.remove_placement_group", given_back.append)
    first, second, other = object(), object(), object()

    async def do(pool: PoolActor) -> None:
        await pool.close()  # nothing was asked for, so that nobody waits
        for worker, group in (("a", first), ("b", other), ("a", second)):
            assert await pool.take(worker, "here", group) == ()  # type: ignore[arg-type]
        for worker in ("a", "a", "never came"):
            await pool.free_group(worker)

    in_loop(tmp_path, do)
    assert given_back == [second]

"""Results on an object store: whole or absent there, whoever dies when, and the same everywhere."""

from __future__ import annotations

import io
import json
import shutil
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from itertools import count, takewhile
from pathlib import Path

import polars as pl
import pytest

from pbb.records import StageOutcome, Status
from search_spaces.study_file import Study
from study import lease, mirrored, places
from study.backends.worker import load_runner, run_cohort
from study.folder import FolderError
from study.launch import LaunchResult, launch
from study.lease import DEAD_AFTER_S
from study.mirrored import MirroredStore
from study.places import open_store
from study.plan import PlannedStage, make_plan
from study.processes import ProcessName
from study.remote import Remote, RemoteDown
from study.status import status
from study.store import DONE, Store, StoreError
from tests.study.object_stores import URL, InMemory, Killed, Mortal
from tests.study.studies import RUNNER, fake_base, small_study
from tests.study.undisturbed import items_of_small


class Machines:
    """Machines with caches of their own over one object store."""

    def __init__(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        self.there = InMemory()
        self.remote: Remote = self.there
        self._tmp_path = tmp_path
        self.cache = tmp_path / "one"
        monkeypatch.setattr("study.remote.open_remote", lambda url: self.remote)
        monkeypatch.setattr(places, "cache_of", lambda url: self.cache)

    def go_to(self, machine: str) -> None:
        self.cache = self._tmp_path / machine

    def launch(self, study: Study | None = None) -> LaunchResult:
        return launch(
            study or small_study(), URL, "local", quiet=True, runner=RUNNER, resolve=fake_base
        )

    def store(self) -> MirroredStore:
        store = open_store(URL)
        assert isinstance(store, MirroredStore)
        return store

    def items(self) -> dict[str, bytes]:
        content = self.there.content()
        return {n: data for n, data in content.items() if n.startswith("small/items/")}


@pytest.fixture
def machines(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Machines:
    return Machines(tmp_path, monkeypatch)


@pytest.fixture
def planned() -> PlannedStage:
    return make_plan(small_study(), fake_base).trials[0].chain[0]


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory: pytest.TempPathFactory) -> dict[str, bytes]:
    """Item rows of the study on a local root."""
    found = items_of_small(tmp_path_factory.mktemp("undisturbed"))
    return {f"small/items/{name}": rows for name, rows in found.items()}


def run_stage(store: Store, planned: PlannedStage) -> None:
    list(run_cohort(store, load_runner(RUNNER), [planned]))


def assert_no_half(there: InMemory) -> None:
    """Every mark's files are there, and every trial row's item rows."""
    content = there.content()
    for name, data in content.items():
        if name.endswith(f"/{DONE}"):
            mark, folder = json.loads(data), name.removesuffix(DONE) + json.loads(data)["attempt"]
            assert {n: len(content[f"{folder}/{n}"]) for n in mark["bytes"]} == mark["bytes"]
    if "small/trials.parquet" in content:
        rows = pl.read_parquet(io.BytesIO(content["small/trials.parquet"]))
        ended = rows.filter(status="ok")["trial"].to_list()
        assert all(f"small/items/{trial}.parquet" in content for trial in ended)


def test_another_machine_takes_up_what_is_there(
    machines: Machines, undisturbed: dict[str, bytes]
) -> None:
    first = machines.launch()
    assert (first.ok, first.failed) == (7, 0) and first.stages_run > 0
    assert machines.items() == undisturbed
    machines.go_to("two")
    told = status(f"{URL}/small", fake_base)
    assert "7 ok" in told and "missing" not in told
    again = machines.launch()
    assert (again.ok, again.stages_run) == (7, 0)
    assert machines.items() == undisturbed


def test_a_parent_trained_elsewhere_is_built_on(
    machines: Machines, undisturbed: dict[str, bytes]
) -> None:
    for chain in {trial.chain for trial in make_plan(small_study(), fake_base).trials}:
        run_stage(machines.store(), chain[0])
    machines.go_to("two")
    result = machines.launch()
    assert result.stages_run < len(make_plan(small_study(), fake_base).stages())
    assert machines.items() == undisturbed


@pytest.mark.parametrize("n", [25])
def test_killed_before_a_change_of_the_store_the_next_launch_finishes(
    n: int, machines: Machines, undisturbed: dict[str, bytes]
) -> None:
    assert dies_and_is_finished(n, machines, undisturbed)


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_killed_before_every_change_of_the_store(
    machines: Machines, undisturbed: dict[str, bytes]
) -> None:
    steps = takewhile(lambda n: dies_and_is_finished(n, machines, undisturbed), count(1))
    assert len(list(steps)) >= 40


def dies_and_is_finished(n: int, machines: Machines, undisturbed: dict[str, bytes]) -> bool:
    """False where a launch makes fewer changes. Finished on the machine that died, or another."""
    machines.there = InMemory()
    machines.go_to(f"{n}")
    machines.remote = Mortal(machines.there, n)
    try:
        machines.launch()
    except Killed:
        died = True
    else:
        died = False
    assert_no_half(machines.there)
    machines.there.age(".lock/", DEAD_AFTER_S + 1)
    machines.remote = machines.there
    if n % 2:
        machines.go_to(f"{n}, another")
    assert (machines.launch().ok, machines.items()) == (7, undisturbed)
    assert machines.launch().stages_run == 0
    assert_no_half(machines.there)
    assert not list((machines.cache / "stages").glob(".pending/*"))
    return died


def test_of_two_machines_the_first_to_finish_wins(
    machines: Machines, planned: PlannedStage
) -> None:
    def sealed(machine: str, text: str) -> tuple[MirroredStore, Path]:
        machines.go_to(machine)
        store = machines.store()
        folder = store.begin(planned.fingerprint)
        (folder / "weights").write_text(text)
        return store, folder

    end = StageOutcome(status=Status.OK, wall_s=1.0, load_s=0.5)
    one, first = sealed("one", "first")
    two, second = sealed("two", "other")
    name = planned.fingerprint
    assert one.commit(name, first, planned.stage, planned.parent, end)
    assert not two.commit(name, second, planned.stage, planned.parent, end)
    for store in (one, two):
        assert (store.fetched(name) / "weights").read_text() == "first"
    attempts = {n.split("/")[2] for n in machines.there.names() if name in n}
    assert len(attempts) == 2  # the mark, and the attempt that counts


def test_a_damaged_stage_is_noticed_and_made_anew(
    machines: Machines, planned: PlannedStage
) -> None:
    run_stage(machines.store(), planned)
    name = planned.fingerprint
    for part in ("done", "stage.json", "adapter.safetensors"):
        mark = json.loads(machines.there.read(f"stages/{name}/done") or b"")
        inner = "" if part == DONE else f"{mark['attempt']}/"
        machines.there.truncate(f"stages/{name}/{inner}{part}")
        machines.go_to(f"reader of {part}")
        store = machines.store()
        assert store.outcome(name) is None
        with pytest.raises(StoreError, match="not whole"):
            store.fetched(name)
        run_stage(store, planned)
        machines.go_to(f"another reader of {part}")
        assert (machines.store().fetched(name) / "adapter.safetensors").is_file()


def test_a_stage_that_could_not_be_brought_over_is_not_trained_again(
    machines: Machines, planned: PlannedStage, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Down(InMemory):
        def put_new(self, name: str, data: bytes) -> bool:
            raise RemoteDown("the network is down")

    monkeypatch.setattr(mirrored, "WAITS_S", (0.0,))
    machines.remote = Down(machines.there.objects)
    with pytest.raises(RemoteDown):
        run_stage(machines.store(), planned)
    machines.remote = machines.there
    assert not machines.store().has(planned.fingerprint)
    machines.store().sweep()
    assert machines.store().has(planned.fingerprint)


def test_another_launch_of_the_machine_may_sweep_at_any_time(
    machines: Machines, planned: PlannedStage
) -> None:
    class Swept(InMemory):
        def put_new(self, name: str, data: bytes) -> bool:
            done = super().put_new(name, data)
            shutil.rmtree(machines.cache / "stages" / ".pending")
            return done

    machines.remote = Swept(machines.there.objects)
    run_stage(machines.store(), planned)
    machines.remote = machines.there
    assert machines.store().fetched(planned.fingerprint).is_dir()
    assert_no_half(machines.there)


# --- the lock


@pytest.fixture
def held(machines: Machines) -> Iterator[Machines]:
    with machines.store().shared("small"):
        machines.go_to("two")
        yield machines


def test_two_launches_from_two_machines_do_not_meet(held: Machines) -> None:
    with pytest.raises(FolderError, match="another launch"):
        held.launch()
    assert held.launch(small_study("other")).ok == 7


def test_one_may_be_launched_when_the_other_has_ended(machines: Machines) -> None:
    with machines.store().shared("small"):
        pass
    machines.go_to("two")
    assert machines.launch().ok == 7
    assert len([n for n in machines.there.names() if ".lock/" in n]) == 1


def test_a_dead_launch_is_taken_over_once_it_is_unheard_of(
    machines: Machines, monkeypatch: pytest.MonkeyPatch
) -> None:
    foreign = ProcessName("elsewhere", 1, "1")
    with monkeypatch.context() as elsewhere:
        elsewhere.setattr(ProcessName, "own", classmethod(lambda cls: foreign))
        abandoned = lease.take(machines.there, "small")
    with pytest.raises(FolderError, match="another launch"):
        lease.take(machines.there, "small")
    machines.there.age(".lock/", DEAD_AFTER_S + 1)
    taken = lease.take(machines.there, "small")
    with pytest.raises(FolderError, match="another launch"):
        lease.take(machines.there, "small")
    abandoned.renew()
    with pytest.raises(FolderError, match="took this study over"):
        abandoned.check()
    taken.renew()
    taken.check()


def test_a_holder_that_was_overtaken_twice_knows_it(machines: Machines) -> None:
    """The second to overtake clears away the number by which the first did."""
    first = lease.take(machines.there, "small")
    machines.there.age(".lock/", DEAD_AFTER_S + 1)
    lease.take(machines.there, "small").release()
    third = lease.take(machines.there, "small")
    first.renew()
    with pytest.raises(FolderError, match="took this study over"):
        first.check()
    third.renew()
    third.check()


def test_of_many_that_take_a_free_lock_one_gets_it(machines: Machines) -> None:
    def attempt(_: int) -> bool:
        try:
            lease.take(machines.there, "small")
        except FolderError:
            return False
        return True

    with ThreadPoolExecutor(8) as pool:
        assert sum(pool.map(attempt, range(8))) == 1


def test_a_holder_says_that_it_lives(machines: Machines, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lease, "RENEWED_EVERY_S", 0.01)
    with lease.leased(machines.there, "small"):
        before = machines.there.read("small/.lock/1")
        deadline = time.monotonic() + 10
        while machines.there.read("small/.lock/1") == before:
            assert time.monotonic() < deadline
            time.sleep(0.01)


# --- the folder


def test_a_reader_does_not_disturb_a_launch_of_its_machine(machines: Machines) -> None:
    store = machines.store()
    with store.shared("small"):
        mine = store.root / "small" / "items" / "mine.parquet"
        mine.parent.mkdir(parents=True)
        mine.write_bytes(b"not yet there")
        status_of = machines.store().pull("small")
        assert status_of == store.root / "small" and mine.exists()
    assert machines.there.read("small/items/mine.parquet") == b"not yet there"


def test_what_a_launch_removes_is_removed_there(machines: Machines) -> None:
    store, first = machines.store(), "small/items/0123abcd.parquet"
    machines.there.write(first, b"rows")
    with store.shared("small"):
        (store.root / first).unlink()
    assert first not in machines.there.names()
    machines.go_to("two")
    assert not (machines.store().pull("small") / first.removeprefix("small/")).exists()


def test_names_that_lead_out_of_the_cache_are_not_followed(
    machines: Machines, planned: PlannedStage, tmp_path: Path
) -> None:
    run_stage(machines.store(), planned)
    machines.there.write("small/study.yaml", b"name: small")
    for evil in ("../../victim", "a/../../../victim", ".lock", "..", "items/../../../victim"):
        machines.there.objects[f"/bucket/runs/small/{evil}"] = next(
            iter(machines.there.objects.values())
        )
    machines.go_to("two")
    machines.store().pull("small")
    assert not list(tmp_path.rglob("victim"))
    name = next(n for n in machines.there.names() if n.endswith(f"/{DONE}"))
    fingerprint = name.split("/")[1]
    mark = json.loads(machines.there.read(name) or b"")
    for lie in (
        {"bytes": {**mark["bytes"], "../../../victim": 1}},
        {"bytes": {**mark["bytes"], "/tmp/victim": 1}},
        {"attempt": "../.."},
        {"bytes": {}},
        {"bytes": [1]},
    ):
        machines.there.write(name, json.dumps({**mark, **lie}).encode())
        assert machines.store().outcome(fingerprint) is None
        with pytest.raises(StoreError):
            machines.store().fetched(fingerprint)

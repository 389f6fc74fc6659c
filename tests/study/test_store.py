"""The store: whole or absent, whoever dies and whoever else writes."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from pathlib import Path

import polars as pl
import pytest
from polars.testing import assert_frame_equal

from pbb.records import StageOutcome, Status
from study.backends.worker import load_runner, run_cohort
from study.files import write_json, write_parquet, write_text
from study.plan import PlannedStage, make_plan
from study.processes import ProcessName
from study.store import ABANDONED_AFTER_S, ITEMS_FILE, Store, StoreError
from tests.study.studies import RUNNER, fake_base, small_study

OK = StageOutcome(status=Status.OK, wall_s=1.0, load_s=0.5)
ROOT = Path(__file__).parents[2]
FAILPOINT = Path(__file__).parent / "failpoint.py"


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return Store(tmp_path)


@pytest.fixture
def planned() -> PlannedStage:
    return make_plan(small_study(), fake_base).trials[0].chain[0]


def written(store: Store, planned: PlannedStage, text: str) -> Path:
    folder = store.begin(planned.fingerprint)
    (folder / "weights").write_text(text)
    return folder


def commit(store: Store, planned: PlannedStage, folder: Path, outcome: StageOutcome = OK) -> bool:
    return store.commit(planned.fingerprint, folder, planned.stage, planned.parent, outcome)


def contents(folder: Path) -> dict[str, bytes]:
    files = (path for path in folder.rglob("*") if path.is_file())
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in files}


def test_a_committed_stage_is_there_with_its_outcome(store: Store, planned: PlannedStage) -> None:
    assert not store.has(planned.fingerprint)
    assert store.outcome(planned.fingerprint) is None
    assert commit(store, planned, written(store, planned, "w"))
    assert store.has(planned.fingerprint)
    assert store.outcome(planned.fingerprint) == OK
    assert (store.path(planned.fingerprint) / "weights").read_text() == "w"


def test_the_first_of_two_writers_wins(store: Store, planned: PlannedStage) -> None:
    one, two = written(store, planned, "first"), written(store, planned, "second")
    assert one != two
    assert commit(store, planned, one)
    before = contents(store.path(planned.fingerprint))
    assert not commit(store, planned, two)
    assert contents(store.path(planned.fingerprint)) == before
    assert not two.exists()


def test_a_whole_stage_stays_where_another_was_first_by_a_hair(
    store: Store, planned: PlannedStage, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One that has just looked for it must not take it away from those that read it."""
    one, two = written(store, planned, "first"), written(store, planned, "second")
    look, seen = store._outcome_here, []

    def beaten(fingerprint: str) -> StageOutcome | None:
        seen.append(fingerprint)
        if len(seen) > 1:
            return look(fingerprint)
        assert Store(store.root).commit(fingerprint, one, planned.stage, None, OK)
        return None

    monkeypatch.setattr(store, "_outcome_here", beaten)
    final = store.path(planned.fingerprint)
    assert not store.commit(planned.fingerprint, two, planned.stage, None, OK)
    assert (final / "weights").read_text() == "first"


def test_racing_processes_leave_one_whole_stage(tmp_path: Path, planned: PlannedStage) -> None:
    racers = [failpoint(0, "commit", tmp_path) for _ in range(4)]
    assert [racer.wait(60) for racer in racers] == [0, 0, 0, 0]
    store = Store(tmp_path)
    assert store.has(planned.fingerprint)
    assert [p.name for p in (tmp_path / "stages").iterdir() if p.name != ".tmp"] == [
        planned.fingerprint
    ]
    assert not list((tmp_path / "stages" / ".tmp").iterdir())


def test_a_damaged_stage_is_not_had_and_is_replaced(store: Store, planned: PlannedStage) -> None:
    commit(store, planned, written(store, planned, "weights"))
    weights = store.path(planned.fingerprint) / "weights"
    weights.write_text("wei")
    assert not store.has(planned.fingerprint)
    assert commit(store, planned, written(store, planned, "weights"))
    assert store.has(planned.fingerprint)
    assert weights.read_text() == "weights"


def test_only_a_stage_that_is_whole_is_handed_out(store: Store, planned: PlannedStage) -> None:
    with pytest.raises(StoreError, match=planned.fingerprint):
        store.fetched(planned.fingerprint)
    commit(store, planned, written(store, planned, "whole"))
    assert (store.fetched(planned.fingerprint) / "weights").read_text() == "whole"
    (store.path(planned.fingerprint) / "weights").write_text("torn")
    for ask in (store.fetched, store.read_items):
        with pytest.raises(StoreError, match=planned.fingerprint):
            ask(planned.fingerprint)


def test_divergence_is_a_result_and_memory_is_not(store: Store, planned: PlannedStage) -> None:
    scarce = OK.model_copy(update={"status": Status.OUT_OF_MEMORY})
    with pytest.raises(ValueError, match="out_of_memory"):
        commit(store, planned, store.begin(planned.fingerprint), scarce)
    assert not store.has(planned.fingerprint)
    diverged = OK.model_copy(update={"status": Status.DIVERGED, "reason": "NaN at step 3"})
    assert commit(store, planned, store.begin(planned.fingerprint), diverged)
    assert store.outcome(planned.fingerprint) == diverged


def test_sweeping_spares_the_living(store: Store, planned: PlannedStage) -> None:
    mine = written(store, planned, "mine")
    dead = subprocess.Popen([sys.executable, "-c", ""])
    dead.wait()
    name = ProcessName(ProcessName.own().host, dead.pid, "1")
    orphan = mine.with_name(f"{planned.fingerprint}@{name}@0")
    elsewhere = mine.with_name(f"{planned.fingerprint}@otherhost~1~1@0")
    ancient = mine.with_name(f"{planned.fingerprint}@otherhost~2~1@0")
    for folder in (orphan, elsewhere, ancient):
        folder.mkdir()
    long_ago = time.time() - 2 * ABANDONED_AFTER_S
    os.utime(ancient, (long_ago, long_ago))
    store.sweep()
    assert mine.exists() and elsewhere.exists()
    assert not orphan.exists() and not ancient.exists()


def test_what_a_stage_may_resume_from_goes_when_it_is_committed(
    store: Store, planned: PlannedStage
) -> None:
    others = [planned.fingerprint[:-4] + end for end in ("aaaa", "bbbb")]
    folders = [store.resume_folder(name) for name in (planned.fingerprint, *others)]
    for folder in folders:
        folder.mkdir(parents=True)
        (folder / "state").write_text("half way")
    commit(store, planned, written(store, planned, "w"))
    assert [folder.exists() for folder in folders] == [False, True, True]
    folders[0].mkdir()  # by a process that was still at it
    long_ago = time.time() - 2 * ABANDONED_AFTER_S
    os.utime(folders[2], (long_ago, long_ago))
    store.sweep()
    assert [folder.exists() for folder in folders] == [False, True, False]


def test_a_reused_process_number_is_not_the_dead_process() -> None:
    own = ProcessName.own()
    assert ProcessName.parse(str(own)) == own
    assert not own.is_dead()
    assert ProcessName(own.host, own.pid, "1").is_dead()


def test_killed_at_any_step_a_commit_is_whole_or_absent(
    tmp_path: Path, planned: PlannedStage
) -> None:
    assert failpoint(0, "commit", tmp_path / "whole").wait(60) == 0
    whole = contents(Store(tmp_path / "whole").path(planned.fingerprint))
    deaths = 0
    for n in range(1, 100):
        root = tmp_path / str(n)
        died = failpoint(n, "commit", root).wait(60) != 0
        store = Store(root)
        if store.has(planned.fingerprint):
            assert contents(store.path(planned.fingerprint)) == whole
        assert len(list(run_cohort(store, load_runner(RUNNER), [planned]))) == 1
        store.sweep()
        assert contents(store.path(planned.fingerprint)) == whole
        assert not list((root / "stages" / ".tmp").iterdir())
        if not died:
            break
        deaths += 1
    assert deaths >= 5  # stage.json, the stage's files, the mark, the folder's name


@pytest.mark.parametrize("suffix", ["json", "txt", "parquet"])
def test_a_failing_write_leaves_the_old_file(tmp_path: Path, suffix: str) -> None:
    path = tmp_path / f"file.{suffix}"
    write_text(path, "old")
    with pytest.raises((ValueError, TypeError, AttributeError)):
        if suffix == "json":
            write_json(path, {"loss": float("nan")})
        elif suffix == "txt":
            write_text(path, 3)  # type: ignore[arg-type]
        else:
            write_parquet(path, None)  # type: ignore[arg-type]
    assert contents(tmp_path) == {path.name: b"old"}


def test_parquet_keeps_frame_and_metadata(tmp_path: Path) -> None:
    frame = pl.DataFrame({"x": [1, 2], "y": ["a", None]})
    write_parquet(tmp_path / ITEMS_FILE, frame, {"pbb_schema_version": "1"})
    assert_frame_equal(pl.read_parquet(tmp_path / ITEMS_FILE), frame)
    assert pl.read_parquet_metadata(tmp_path / ITEMS_FILE)["pbb_schema_version"] == "1"


def failpoint(n: int, what: str, root: Path) -> subprocess.Popen[bytes]:
    command = [sys.executable, str(FAILPOINT), str(n), what, str(root)]
    return subprocess.Popen(command, env={**os.environ, "PYTHONPATH": str(ROOT)})

"""Memory and disk that run out: said plainly, nothing lost, and the next launch finishes."""

from __future__ import annotations

import errno
import os
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from search_spaces.errors import StudyError
from study.disk import DiskFull
from study.launch import BackendName, LaunchResult, launch
from study.store import Store
from study.trials import read_trials
from tests.chaos.cases import FEW
from tests.chaos.evidence import leftovers, rows
from tests.chaos.storm import MOST_S, brought
from tests.chaos.victim import TOLD, start, steps_of
from tests.study.studies import RUNNER, fake_base, small_study


def launched(root: Path, backend: BackendName = "local", runner: str = RUNNER) -> LaunchResult:
    return launch(small_study(), root, backend, quiet=True, runner=runner, resolve=fake_base)


@pytest.mark.parametrize(("where", "status"), [("Device", "out_of_memory"), ("Host", "failed")])
def test_a_stage_without_memory_is_told_and_tried_again_by_the_next_launch(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, where: str, status: str
) -> None:
    wanted = launched(tmp_path / "undisturbed")
    monkeypatch.setenv("SCARCE", "stage2")
    result = launched(tmp_path / "r", runner=f"tests.chaos.scarce:{where}")
    assert (result.ok, result.failed) == (1, 6)
    ended = read_trials(result.folder / "trials.parquet")
    bad = [row for row in ended if row["status"] != "ok"]
    assert {row["status"] for row in bad} == {status}
    assert all("80 GiB asked" in row["reason"] for row in bad)
    monkeypatch.delenv("SCARCE")
    again = launched(tmp_path / "r")
    assert (again.ok, again.stages_run) == (7, 12)
    assert rows(tmp_path / "r", "small") == rows(tmp_path / "undisturbed", "small")
    assert wanted.ok == 7


def test_a_full_disk_ends_the_launch_at_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """No stage is computed again for an end that it cannot have."""
    log = tmp_path / "begun.txt"
    monkeypatch.setenv("FAKE_ENGINE_LOG", str(log))
    with monkeypatch.context() as patch:
        patch.setattr(Store, "commit", _no_space)
        with pytest.raises(DiskFull, match="launch again"):
            launched(tmp_path / "r")
    assert len(log.read_text().splitlines()) == 1
    assert launched(tmp_path / "r").ok == 7
    assert leftovers(tmp_path / "r") == []


def _no_space(*_: object) -> None:
    raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


def test_what_tune_and_optuna_left_is_never_read(tmp_path: Path) -> None:
    """There is no journal to be torn: their own folder is deleted, whatever it holds."""
    torn = tmp_path / ".ray" / "small" / "tune" / "searcher-state.pkl"
    torn.parent.mkdir(parents=True)
    torn.write_bytes(b"\x80\x04torn")
    assert launched(tmp_path).ok == 7
    assert leftovers(tmp_path) == []


@pytest.mark.slow
@pytest.mark.timeout(1800)
def test_the_disk_is_full_from_any_commit_point_on(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    wanted = brought(FEW, tmp_path / "undisturbed")
    for step in range(1, steps_of(tmp_path / "undisturbed") + 1):
        root = tmp_path / f"step-{step}"
        process = start(FEW, root, step=step, every="full")
        process.join(MOST_S)
        told = capfd.readouterr().err
        if process.exitcode:  # else only the removal of something was left to do
            assert process.exitcode == TOLD, told
            assert os.strerror(errno.ENOSPC) in told and "Traceback" not in told
        assert brought(FEW, root) == wanted


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of 160 kB."""
    disk = tmp_path / "disk"
    disk.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=160k", "tmpfs", str(disk)]
    if subprocess.run(mount, capture_output=True).returncode:
        pytest.skip("needs the right to mount a file system")
    yield disk
    subprocess.run(["umount", "--lazy", str(disk)], check=True)


@pytest.mark.slow
@pytest.mark.timeout(300)
@pytest.mark.parametrize("backend", ["local", pytest.param("ray", marks=pytest.mark.ray)])
def test_a_disk_that_fills_up_and_is_given_room(
    tmp_path: Path, small_disk: Path, backend: BackendName, request: pytest.FixtureRequest
) -> None:
    if backend == "ray":
        request.getfixturevalue("ray_cluster")
    root = small_disk / "runs"
    try:
        result = launched(root, backend)
    except StudyError as error:
        assert os.strerror(errno.ENOSPC) in str(error)
    else:
        ended = read_trials(result.folder / "trials.parquet")
        reasons = {row["reason"] for row in ended if row["status"] != "ok"}
        assert reasons and all(os.strerror(errno.ENOSPC) in reason for reason in reasons)
    subprocess.run(["mount", "-o", "remount,size=64m", str(small_disk)], check=True)
    assert launched(root, backend).ok == 7
    launched(tmp_path / "undisturbed")
    assert rows(root, "small") == rows(tmp_path / "undisturbed", "small")
    assert leftovers(root) == []

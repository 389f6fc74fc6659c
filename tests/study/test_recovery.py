"""However a launch ends, the next one finishes it, and nobody can tell from the rows."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from search_spaces.errors import StudyError
from search_spaces.study_file import Study
from study.launch import launch
from study.trials import read_trials
from tests.study.studies import RUNNER, branching, fake_base, small_study

ROOT = Path(__file__).parents[2]
FAILPOINT = Path(__file__).parent / "failpoint.py"


def items(root: Path) -> dict[str, bytes]:
    files = sorted((root / "small" / "items").iterdir())
    return {path.name: path.read_bytes() for path in files}


def finish(root: Path, study: Study | None = None) -> int:
    """Launch again, in this process; gives the number of stages that were left to run."""
    wanted = study or small_study()
    result = launch(wanted, root, "local", quiet=True, runner=RUNNER, resolve=fake_base)
    assert (result.ok, result.failed) == (7, 0)
    return result.stages_run


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory: pytest.TempPathFactory) -> dict[str, bytes]:
    root = tmp_path_factory.mktemp("undisturbed")
    finish(root)
    return items(root)


class Victim:
    """A launch in a process of its own, which a test may kill."""

    def __init__(self, root: Path, backend: str, *, failpoint: int = 0, sleep_s: float = 0) -> None:
        self._log = root.with_suffix(".log")
        variables = {
            "PYTHONPATH": str(ROOT),
            "FAKE_ENGINE_LOG": str(self._log),
            "FAKE_ENGINE_SLEEP_S": str(sleep_s),
        }
        self.process = subprocess.Popen(
            [sys.executable, str(FAILPOINT), str(failpoint), backend, str(root)],
            env={**os.environ, **variables},
            stderr=subprocess.PIPE,
            text=True,
        )

    def begun(self) -> list[int]:
        """The process that began each stage so far."""
        lines = self._log.read_text().splitlines() if self._log.exists() else []
        return [int(line.split()[0]) for line in lines]

    def end(self) -> str:
        """Wait for the process to end; gives what it wrote to standard error."""
        return self.process.communicate(timeout=100)[1]


def wait_until(holds: Callable[[], bool], within_s: float) -> None:
    deadline = time.monotonic() + within_s
    while not holds():
        assert time.monotonic() < deadline, "waited too long"
        time.sleep(0.05)


@pytest.mark.parametrize("step", [1, 3, 8, 30, 55, 95, 130])
def test_killed_at_a_durable_step(tmp_path: Path, undisturbed: dict[str, bytes], step: int) -> None:
    root = tmp_path / "runs"
    victim = Victim(root, "local", failpoint=step)
    victim.end()
    assert victim.process.returncode == -signal.SIGKILL
    assert finish(root) > 0
    assert items(root) == undisturbed
    assert finish(root) == 0


@pytest.mark.parametrize("step", [20, 60, 110, 170])
def test_killed_between_evaluations_of_one_trial(tmp_path: Path, step: int) -> None:
    study = branching(small_study())
    finish(tmp_path / "undisturbed", study)
    root = tmp_path / "runs"
    victim = Victim(root, "branching", failpoint=step)
    victim.end()
    assert victim.process.returncode == -signal.SIGKILL
    assert finish(root, study) > 0
    assert items(root) == items(tmp_path / "undisturbed")
    assert finish(root, study) == 0


def test_ctrl_c_keeps_what_is_finished(tmp_path: Path, undisturbed: dict[str, bytes]) -> None:
    root = tmp_path / "runs"
    victim = Victim(root, "local", sleep_s=0.2)
    wait_until(lambda: len(victim.begun()) >= 5, 60)
    victim.process.send_signal(signal.SIGINT)
    assert "KeyboardInterrupt" in victim.end()
    ended = [row["status"] for row in read_trials(root / "small" / "trials.parquet")]
    assert len(ended) == 7 and "cancelled" in ended
    assert 0 < finish(root) <= 11
    assert items(root) == undisturbed


def test_two_launches_of_one_study_do_not_meet(tmp_path: Path) -> None:
    root = tmp_path / "runs"
    victim = Victim(root, "local", sleep_s=0.5)
    wait_until(lambda: bool(victim.begun()), 60)
    with pytest.raises(StudyError, match="another launch"):
        finish(root)
    victim.process.kill()
    victim.end()
    finish(root)  # the dead process's lock does not outlive it


@pytest.mark.ray
@pytest.mark.timeout(300)
@pytest.mark.parametrize(
    "how", [pytest.param(signal.SIGKILL, marks=pytest.mark.slow), signal.SIGINT]
)
def test_a_launch_on_ray_that_is_stopped(
    tmp_path: Path, undisturbed: dict[str, bytes], how: signal.Signals
) -> None:
    root = tmp_path / "runs"
    victim = Victim(root, "ray", sleep_s=0.5)
    wait_until(lambda: len(victim.begun()) >= 6, 120)
    victim.process.send_signal(how)
    told = victim.end()
    assert victim.process.returncode != 0
    if how is signal.SIGINT:
        assert victim.process.returncode == -signal.SIGINT, "and not by a crash"
        assert "KeyboardInterrupt" in told
        ended = [row["status"] for row in read_trials(root / "small" / "trials.parquet")]
        assert len(ended) == 7 and "cancelled" in ended
    assert finish(root) <= 10, "what was finished is not run again"
    assert items(root) == undisturbed
    wait_until(lambda: not any(map(is_alive, victim.begun())), 60)
    assert finish(root) == 0
    assert items(root) == undisturbed


def is_alive(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False

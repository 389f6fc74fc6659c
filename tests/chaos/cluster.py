"""The storms on Ray: each process that a launch has there is killed, at drawn times."""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
import time
import uuid
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Final

from study.trials import read_trials
from tests.chaos.cases import SMALL
from tests.chaos.evidence import leftovers, rows
from tests.chaos.local import SEED
from tests.chaos.storm import Figures, brought

ROOT: Final = Path(__file__).parents[2]
LAUNCH: Final = ROOT / "tests" / "study" / "failpoint.py"
MARK: Final = "PBB_CHAOS_MARK"
AT_LEAST: Final = 5
"""Kills of each storm."""
STAGE_S: Final = 1.0
MOST_S: Final = 600.0

PROCESSES: Final[Mapping[str, str]] = {
    "worker": "ray::RayTrainWorker",
    "pool": "ray::PoolActor",
    "driver": "ray::ResourceTrainable",
    "controller": "ray::TrainController",
    "trainers": "ray::_trainers",
    "head": "gcs/gcs_server",
    "node": "raylet/raylet",
}
"""What tells a process of a launch, in its title or command; `launch` is the launch itself."""


class ClusterLaunch:
    """A launch of the small study on a Ray of its own. Its processes carry a mark, to be found."""

    def __init__(self, root: Path) -> None:
        self._mark = uuid.uuid4().hex
        self._log = root.with_suffix(f".{self._mark}.log")
        variables = {
            "PYTHONPATH": str(ROOT),
            "FAKE_ENGINE_LOG": str(self._log),
            "FAKE_ENGINE_SLEEP_S": str(STAGE_S),
            "RAY_gcs_rpc_server_reconnect_timeout_s": "5",
            MARK: self._mark,
        }
        self._launch = subprocess.Popen(
            [sys.executable, str(LAUNCH), "0", "ray", str(root)],
            env={**os.environ, **variables},
            stderr=subprocess.PIPE,
            text=True,
        )

    def begun(self) -> int:
        """Stages begun so far."""
        return len(self._log.read_text().splitlines()) if self._log.exists() else 0

    def runs(self) -> bool:
        """Whether the launch has not ended."""
        return self._launch.poll() is None

    def kill(self, what: str) -> None:
        """SIGKILL one process, as soon as there is one. Raises where the launch ended before."""
        wait_until(lambda: what == "launch" or bool(self._found(what)) or not self.runs())
        pid = self._launch.pid if what == "launch" else self._found(what)[0]
        assert self.runs(), f"ended before its {what} was killed"
        os.kill(pid, signal.SIGKILL)

    def end(self) -> tuple[int, str]:
        """Wait for the launch to end and its processes to go; exit code and standard error."""
        try:
            told = self._launch.communicate(timeout=MOST_S)[1]
        finally:
            self._launch.kill()
        wait_until(lambda: not self._found("worker"))
        return self._launch.returncode, told

    def _found(self, what: str) -> list[int]:
        return [pid for pid, title in marked(self._mark).items() if PROCESSES[what] in title]


def marked(mark: str) -> dict[int, str]:
    """Living processes whose environment has the mark, and their titles."""
    found = {}
    for entry in Path("/proc").iterdir():
        if not entry.name.isdigit():
            continue
        try:
            if f"{MARK}={mark}".encode() in (entry / "environ").read_bytes():
                found[int(entry.name)] = (entry / "cmdline").read_text("utf-8", "replace")
        except OSError:  # gone meanwhile, or another user's
            continue
    return found


def wait_until(holds: Callable[[], bool]) -> None:
    """Raises AssertionError after a time in which anything should have happened."""
    deadline = time.monotonic() + MOST_S
    while not holds():
        assert time.monotonic() < deadline, "waited too long"
        time.sleep(0.1)


def survived(folder: Path) -> Figures:
    """Losses that one launch bears: it goes on to its end, and nothing is left to run."""
    wanted = brought(SMALL, folder / "undisturbed")
    draw = random.Random(SEED)
    root = folder / "root"
    told = Figures("each process of a launch on Ray, at drawn times")
    launch = ClusterLaunch(root)
    victims = ["worker", "pool", "driver", "worker", "pool", "controller", "trainers"]
    draw.shuffle(victims)
    for number, victim in enumerate(victims):
        wait_until(lambda n=number: launch.begun() > 2 * n or not launch.runs())  # type: ignore[misc]
        time.sleep(draw.uniform(0, STAGE_S))
        launch.kill(victim)
        told.kills += 1
    code, said = launch.end()
    assert code == 0, said
    ended = {row["status"] for row in read_trials(root / "small" / "trials.parquet")}
    assert ended == {"ok"}
    assert rows(root, "small") == wanted
    assert leftovers(root) == []
    return told.ended()


def launched_again(folder: Path) -> Figures:
    """Losses that may end a launch: another brings the study to its end."""
    wanted = brought(SMALL, folder / "undisturbed")
    draw = random.Random(SEED)
    told = Figures("launch, head, and only node of launches on Ray, at drawn times")
    for number, victim in enumerate(("head", "launch", "node", "launch", "head")):
        root = folder / f"{victim}-{number}"
        launch = ClusterLaunch(root)
        wait_until(lambda each=launch: each.begun() > 1 or not each.runs())  # type: ignore[misc]
        time.sleep(draw.uniform(0, 3 * STAGE_S))
        launch.kill(victim)
        told.kills += 1
        code, said = launch.end()
        assert victim != "head" or (code and "launch again" in said), said
        if number == 0:  # the others by the local backend: the folder is the same, and it is faster
            code, said = ClusterLaunch(root).end()
            assert code == 0, said
            assert rows(root, "small") == wanted
        assert brought(SMALL, root) == wanted
        told.relaunches += 1
    return told.ended()


STORMS: Final[Mapping[str, Callable[[Path], Figures]]] = {
    storm.__name__: storm for storm in (survived, launched_again)
}

"""A stage that reinforces goes through pool, store and backend as any other, and survives death."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from pbb.models.registry import resolve
from pbb.training import reinforcement
from pbb.training.resume import STATE_FILE
from pbb.training.rollouts import Answer, step_answers
from study.plan import PlannedStage, make_plan
from study.store import STAGE_FILE, Store
from tests.study.reinforcing import launched, reinforcing_study

ROOT = Path(__file__).parents[2]


def chain() -> Sequence[PlannedStage]:
    (trial,) = make_plan(reinforcing_study(), resolve).trials
    return trial.chain


def results(root: Path) -> dict[str, bytes]:
    """All files of the committed chain, but for those that tell the time it took."""
    store, found = Store(root), {}
    for stage in chain():
        for file in sorted(store.path(stage.fingerprint).rglob("*")):
            if file.is_file() and file.name not in (STAGE_FILE, "done"):
                found[file.relative_to(root).as_posix()] = file.read_bytes()
    return found


def resumable(root: Path) -> list[Path]:
    return list((root / "stages" / ".resume").glob("*"))


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("undisturbed")
    result = launched(root)
    assert (result.ok, result.failed) == (1, 0)
    return root


def test_what_is_committed_is_not_run_again(undisturbed: Path) -> None:
    assert [stage.stage.kind for stage in chain()] == ["train", "rl", "evaluate"]
    assert not resumable(undisturbed)
    again = launched(undisturbed)
    assert (again.ok, again.stages_run) == (1, 0)


def test_what_raised_midway_is_gone_on_with(
    undisturbed: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The pool tries again with a fresh runner, which takes the steps that are left."""
    taken: list[int] = []

    def answers(*args: Any) -> list[Answer]:
        taken.append(args[4])
        if taken.count(5) in (1, 2) and args[4] == 5:
            raise RuntimeError("the device fell off the bus")
        return step_answers(*args)

    monkeypatch.setattr(reinforcement, "step_answers", answers)
    assert launched(tmp_path).ok == 1
    assert taken == [1, 2, 3, 4, 5, 5, 5, 6, 7]
    assert results(tmp_path) == results(undisturbed)
    assert not resumable(tmp_path)


@pytest.mark.slow
def test_killed_by_a_signal_it_goes_on_to_the_same_bytes(undisturbed: Path, tmp_path: Path) -> None:
    reinforced = chain()[1].fingerprint
    state = Store(tmp_path).resume_folder(reinforced) / STATE_FILE
    victim = subprocess.Popen(
        [sys.executable, "-m", "tests.study.reinforcing", str(tmp_path)],
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
    )
    deadline = time.monotonic() + 100
    while not state.exists():
        assert victim.poll() is None and time.monotonic() < deadline
        time.sleep(0.002)
    victim.send_signal(signal.SIGKILL)
    assert victim.wait(60) == -signal.SIGKILL
    assert state.exists() and not Store(tmp_path).has(reinforced)
    assert launched(tmp_path).ok == 1
    assert results(tmp_path) == results(undisturbed)

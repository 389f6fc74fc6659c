"""A launch on the local backend in a process of its own, to be killed; started from a warm fork.

A fork server has imported everything, so that a launch costs what it does and not an interpreter.
"""

from __future__ import annotations

import errno
import itertools
import multiprocessing
import os
import shutil
import signal
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import pbb.engine
from pbb.config import Base
from pbb.models.registry import resolve as resolve_base
from search_spaces.errors import StudyError
from search_spaces.study_file import Study
from study.backends.worker import ENGINE
from study.launch import launch, status
from tests.study.studies import RUNNER, fake_base

_FORKS: Final = multiprocessing.get_context("forkserver")
_FORKS.set_forkserver_preload(["tests.chaos.victim", "tests.study.fake_engine"])

STATE_EVERY: Final = 2
"""Steps of reinforcement after which a stage keeps its state; few, so that kills fall between."""
TOLD: Final = 2
"""Exit code of a launch that said what was wrong."""


@dataclass(frozen=True)
class Case:
    """A study, and what runs its stages."""

    study: Study
    real: bool = False

    @property
    def runner(self) -> str:
        return ENGINE if self.real else RUNNER

    def resolve(self, name: str) -> Base:
        return resolve_base(name) if self.real else fake_base(name)


def start(
    case: Case, root: Path, *, step: int = 0, every: str = "kill", sleep_s: float = 0.0
) -> Any:
    """Begin a launch. step: what `every` names happens at the n-th step on files; 0 = never."""
    process = _FORKS.Process(target=_launch, args=(case, root, step, every, sleep_s))
    process.start()
    return process


def steps_of(root: Path) -> int:
    """Steps on files of the last launch under `root` that came to its end."""
    return int(root.with_suffix(".steps").read_text())


def _launch(case: Case, root: Path, step: int, every: str, sleep_s: float) -> None:
    os.environ["FAKE_ENGINE_SLEEP_S"] = str(sleep_s)
    pbb.engine.EVERY_STEPS = STATE_EVERY  # type: ignore[misc]
    taken = arm(step, {"kill": _die, "full": _full}[every], forever=every == "full")
    try:
        result = launch(
            case.study, root, "local", quiet=True, runner=case.runner, resolve=case.resolve
        )
    except StudyError as error:
        print(error, file=sys.stderr)
        raise SystemExit(TOLD) from None
    root.with_suffix(".steps").write_text(str(taken()))
    if result.failed:
        print(status(result.folder), file=sys.stderr)
        raise SystemExit(1)


def arm(n: int, act: Callable[[], object], *, forever: bool = False) -> Callable[[], int]:
    """Act before the n-th step of this process that makes, syncs, renames or removes files.

    forever: before all that follow too, but for removals. Gives the number of steps so far.
    """
    count = itertools.count(1)
    taken = 0

    def before(do: Callable[..., Any], removes: bool) -> Callable[..., Any]:
        def step(*args: Any, **kwargs: Any) -> Any:
            nonlocal taken
            taken = next(count)
            if taken == n or (forever and n and taken > n and not removes):
                act()
            return do(*args, **kwargs)

        return step

    os.fsync = before(os.fsync, removes=False)
    os.replace = before(os.replace, removes=False)
    shutil.rmtree = before(shutil.rmtree, removes=True)  # type: ignore[assignment]
    for name in ("replace", "mkdir", "unlink"):
        setattr(Path, name, before(getattr(Path, name), removes=name == "unlink"))
    return lambda: taken


def _die() -> None:
    os.kill(os.getpid(), signal.SIGKILL)


def _full() -> None:
    raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

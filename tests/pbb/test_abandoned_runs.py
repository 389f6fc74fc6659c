"""However the process ends that waits for functions to run, nothing of theirs outlives it."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

SLOW = """
from pbb.domains.algorithms.jobs import run_jobs
from pbb.domains.algorithms.sandbox import Job
slow = "def f(n):\\n    return sum(range(10 ** 11)) + n\\n"
run_jobs([Job(slow, "f", ("1", "2", "3"))] * 12)
"""
PROMPT_SECONDS = 3.0


def until(holds: Callable[[], bool], seconds: float) -> bool:
    end = time.monotonic() + seconds
    while not holds() and time.monotonic() < end:
        time.sleep(0.02)
    return holds()


def inside(folder: Path) -> list[int]:
    """Processes that work in a folder of this one."""
    found = []
    for path in Path("/proc").glob("[0-9]*/cwd"):
        try:
            there = path.readlink()
        except OSError:
            continue
        if folder in there.parents:
            found.append(int(path.parent.name))
    return found


@pytest.mark.skipif(not Path("/proc/self/cwd").exists(), reason="processes are seen in /proc")
@pytest.mark.parametrize("sent", [signal.SIGINT, signal.SIGTERM, signal.SIGKILL])
def test_runs_end_with_the_process_that_waits_for_them(tmp_path: Path, sent: int) -> None:
    waits = subprocess.Popen(
        [sys.executable, "-c", SLOW],
        env={**os.environ, "TMPDIR": str(tmp_path), "PYTHONPATH": os.pathsep.join(sys.path)},
        stderr=subprocess.DEVNULL,
    )
    try:
        assert until(lambda: len(inside(tmp_path)) > 1, 60)
        waits.send_signal(sent)
        waits.wait(PROMPT_SECONDS)
        assert until(lambda: not inside(tmp_path), PROMPT_SECONDS)
        assert until(lambda: not any(tmp_path.iterdir()), PROMPT_SECONDS)
    finally:
        waits.kill()
        waits.wait()

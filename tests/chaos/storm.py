"""Launches on the local backend, killed again and again until one comes to its end."""

from __future__ import annotations

import random
import signal
import time
from dataclasses import dataclass, field
from pathlib import Path

from tests.chaos.evidence import leftovers, rows
from tests.chaos.victim import Case, start, steps_of

MOST_S = 600.0
"""No launch here takes as long."""
DRAWN_STEPS = 90
"""What three stages take; a launch that always died within one would never get further."""


@dataclass
class Figures:
    """What a storm did. wall_s: seconds, of all launches together."""

    kind: str
    kills: int = 0
    relaunches: int = 0
    wall_s: float = 0.0
    _began_s: float = field(default_factory=time.monotonic)

    def ended(self) -> Figures:
        """Stop the clock."""
        self.wall_s = time.monotonic() - self._began_s
        return self


def brought(case: Case, root: Path) -> dict[str, bytes]:
    """Launch without disturbance; what it left, and nothing beside."""
    process = start(case, root)
    process.join(MOST_S)
    assert process.exitcode == 0, f"the launch ended with {process.exitcode}"
    assert leftovers(root) == []
    return rows(root, case.study.name)


def killed_at_every_step(kind: str, case: Case, folder: Path, first: Case | None = None) -> Figures:
    """A new root for each step on files, a launch that dies before it, and one that finishes.

    first: a case brought to its end before, under each root.
    """
    wanted = brought(case, folder / "undisturbed")
    steps = _steps(case, folder, first)
    told = Figures(kind)
    for step in range(1, steps + 1):
        root = folder / f"step-{step}"
        if first is not None:
            brought(first, root)
        process = start(case, root, step=step)
        process.join(MOST_S)
        assert process.exitcode == -signal.SIGKILL, f"step {step} was not reached"
        told.kills += 1
        assert brought(case, root) == wanted, f"killed before step {step}"
        told.relaunches += 1
    return told.ended()


def _steps(case: Case, folder: Path, first: Case | None) -> int:
    if first is None:
        return steps_of(folder / "undisturbed")
    brought(first, folder / "counted")
    brought(case, folder / "counted")
    return steps_of(folder / "counted")


def killed_on_the_way(kind: str, case: Case, folder: Path, at_least: int, seed: int) -> Figures:
    """Each launch under a root dies before its n-th step, n drawn, until one ends; new roots."""
    wanted = brought(case, folder / "undisturbed")
    draw = random.Random(seed)
    told = Figures(kind)
    for number in range(at_least):
        root = folder / f"root-{number}"
        while True:
            process = start(case, root, step=draw.randint(1, DRAWN_STEPS))
            process.join(MOST_S)
            if process.exitcode == 0:
                break
            assert process.exitcode == -signal.SIGKILL
            told.kills += 1
            told.relaunches += 1
        assert leftovers(root) == []
        assert rows(root, case.study.name) == wanted
        if told.kills >= at_least:
            break
    return told.ended()


def killed_at_random_times(
    kind: str, cases: list[Case], folder: Path, at_least: int, seed: int, sleep_s: float = 0.0
) -> Figures:
    """All cases are launched at once under one root; each dies at a time drawn, until all ended.

    Times are uniform up to half of what one undisturbed launch takes.
    """
    wanted = [brought(case, folder / f"alone-{n}") for n, case in enumerate(cases)]
    draw = random.Random(seed)
    began_s = time.monotonic()
    process = start(cases[0], folder / "timed", sleep_s=sleep_s)
    process.join(MOST_S)
    most_s = (time.monotonic() - began_s) / 2
    told = Figures(kind)
    for number in range(at_least):
        root = folder / f"root-{number}"
        left = list(cases)
        while left:
            running = [start(case, root, sleep_s=sleep_s) for case in left]
            for process in running:
                process.join(draw.uniform(0, most_s))
                process.kill()
                process.join()
            codes = [process.exitcode for process in running]
            assert {*codes} <= {0, -signal.SIGKILL}, codes
            told.kills += sum(code != 0 for code in codes)
            told.relaunches += sum(code != 0 for code in codes)
            left = [case for case, code in zip(left, codes, strict=True) if code]
        for case, rows_wanted in zip(cases, wanted, strict=True):
            assert brought(case, root) == rows_wanted
        if told.kills >= at_least:
            break
    return told.ended()

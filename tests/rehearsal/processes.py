"""What a launch's processes used: processor seconds and peak memory, by kind of process."""

from __future__ import annotations

import contextlib
import re
import threading
from collections import defaultdict
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

import psutil

EVERY_S = 0.5
KINDS = (
    ("trial drivers", re.compile(r"^ray::(Driver|ImplicitFunc|bundle_reservation)")),
    ("stage pool", re.compile(r"^ray::PoolActor")),
    ("trainers", re.compile(r"^ray::(RayTrainWorker|TrainController|.*[Tt]rain|.*Placement)")),
    ("other Ray workers", re.compile(r"^ray::")),
    ("Ray's control store", re.compile(r"gcs_server")),
    ("raylet", re.compile(r"raylet/raylet")),
)
"""What a process's command line tells; others of a launch are Ray's agents and monitors."""


@dataclass
class Used:
    """cpu_s: of all processes of the kind. peak_mib: resident, of the greatest of them."""

    processes: int = 0
    cpu_s: float = 0.0
    peak_mib: float = 0.0


@dataclass
class _Seen:
    kind: str = ""
    cpu_s: float = 0.0
    peak_mib: float = 0.0


@dataclass
class Watch:
    """This process and all that descend from it, looked at twice a second.

    A process that lives for less than that is not seen. peak_mib: resident, of all at one moment,
    with pages that processes share counted for each.
    """

    peak_mib: float = 0.0
    _seen: dict[int, _Seen] = field(default_factory=lambda: defaultdict(_Seen))

    def look(self) -> None:
        """Take down what each has used so far."""
        own = psutil.Process()
        together = 0.0
        for process in [own, *own.children(recursive=True)]:
            with contextlib.suppress(psutil.Error), process.oneshot():
                spent, held = process.cpu_times(), process.memory_info().rss / 2**20
                seen = self._seen[process.pid]
                seen.kind = _kind(process, own)
                seen.cpu_s = spent.user + spent.system
                seen.peak_mib = max(seen.peak_mib, held)
                together += held
        self.peak_mib = max(self.peak_mib, together)

    @property
    def cpu_s(self) -> float:
        """Of all processes."""
        return sum(seen.cpu_s for seen in self._seen.values())

    def by_kind(self) -> dict[str, Used]:
        """What each kind used, the most used first."""
        found: dict[str, Used] = defaultdict(Used)
        for seen in sorted(self._seen.values(), key=lambda seen: -seen.cpu_s):
            used = found[seen.kind]
            used.processes += 1
            used.cpu_s += seen.cpu_s
            used.peak_mib = max(used.peak_mib, seen.peak_mib)
        return dict(sorted(found.items(), key=lambda item: -item[1].cpu_s))


def _kind(process: psutil.Process, own: psutil.Process) -> str:
    if process == own:
        return "launch: Tune and Optuna"
    command = " ".join(process.cmdline())
    return next((kind for kind, known in KINDS if known.search(command)), "Ray's other processes")


@contextmanager
def watched() -> Iterator[Watch]:
    """Look until the block ends."""
    watch, over = Watch(), threading.Event()

    def look() -> None:
        while not over.wait(EVERY_S):
            watch.look()

    thread = threading.Thread(target=look, daemon=True)
    thread.start()
    try:
        yield watch
    finally:
        over.set()
        thread.join()
        watch.look()

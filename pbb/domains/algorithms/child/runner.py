"""Runs functions that may be hostile, each in processes of its own. Standard library.

`main` reads a request from standard input and writes one line of JSON to standard output. It runs
nothing of a source itself: it forks a process for each function, which confines itself (confine.py)
and reports call by call, and kills it at a limit; the calls that are left get a new one.
"""

from __future__ import annotations

import gc
import json
import os
import select
import signal
import sys
import time
from typing import Any, Final

from .calls import Row, run
from .confine import isolate_network

MAX_LINE_BYTES: Final = 1 << 16
POLL_SECONDS: Final = 0.02


_STOPPED: Final = "its process ended by itself"
_GARBAGE: Final = "its process wrote garbage"


class _Ended(Exception):
    """A process gives no further row: why."""


class _Abandoned(Exception):
    """Nobody waits for the rows: the process that started this one has ended, however it did."""


def main() -> None:
    """Request: {"jobs": [...], "limits": {...}}; reply: {"layers": [name], "rows": [[Row]]}."""
    request = json.load(sys.stdin)
    host = int(sys.argv[2])
    isolated = isolate_network()
    gc.freeze()
    gc.disable()  # collecting would copy pages that all processes share
    layers: list[str] = []
    try:
        rows = [_run_job(job, request["limits"], layers, host) for job in request["jobs"]]
    except _Abandoned:
        # Made for this process, and nobody else is left to remove it.
        os.rmdir(os.getcwd())  # noqa: PTH106, PTH109  pathlib takes long to import
        return
    layers += ["no network"] * isolated
    sys.stdout.write(json.dumps({"layers": layers, "rows": rows}) + "\n")


def _run_job(
    job: dict[str, Any], limits: dict[str, Any], layers: list[str], host: int
) -> list[Row]:
    """A row for each call. layers: filled with those in force, where that is not known yet. host:
    the process that waits for them. Raises _Abandoned.
    """
    rows: list[Row] = []
    spent = 0.0
    total = len(job["calls"])
    while len(rows) < total:
        if spent > limits["seconds"]:
            return _filled(rows, total, f"not run: {limits['seconds']:g} s spent on this source")
        worker = _Worker(job, len(rows), limits, host)
        try:
            ready = _greeting(worker.message())
            if "refused" in ready:
                return _filled(rows, total, f"refused: {ready['refused']}")
            layers += [] if layers else ready["layers"]
        except _Ended as ended:
            return _filled(rows, total, f"could not be loaded: {ended}")
        else:
            rows += worker.rows(total - len(rows))
        finally:
            spent += worker.close()
    return rows


def _filled(rows: list[Row], total: int, error: str) -> list[Row]:
    return rows + [(None, "", "", error)] * (total - len(rows))


class _Worker:
    """A forked process that runs the calls of a job from `start` on."""

    def __init__(self, job: dict[str, Any], start: int, limits: dict[str, Any], host: int) -> None:
        self._host = host
        self._limit: float = limits["seconds_per_call"]
        self._wall_factor: float = limits["wall_factor"]
        self._answer_chars: int = limits["answer_chars"]
        self._left = b""
        self._begun = time.monotonic()
        self._buried: tuple[int, float] | None = None
        self._fd, theirs = os.pipe()
        self._pid = os.fork()
        if self._pid == 0:
            run(job, start, limits, theirs)
        os.close(theirs)

    def rows(self, most: int) -> list[Row]:
        """Rows until the process stops, of its own accord or at a limit; one at least."""
        rows: list[Row] = []
        try:
            while len(rows) < most:
                rows.append(_row(self.message(), self._answer_chars))
        except _Ended as ended:
            if not rows or str(ended) != _STOPPED:
                rows.append((None, "", "", str(ended)))
        return rows

    def message(self) -> Any:
        """The next line that the process writes. Raises _Ended, _Abandoned."""
        begun, worked = time.monotonic(), self._cpu()
        while b"\n" not in self._left:
            if os.getppid() != self._host:
                raise _Abandoned
            if len(self._left) > MAX_LINE_BYTES:
                raise _Ended(_GARBAGE)
            if select.select([self._fd], [], [], POLL_SECONDS)[0]:
                more = os.read(self._fd, MAX_LINE_BYTES)
                if not more:
                    raise _Ended(_epitaph(self._bury()[0]))
                self._left += more
            elapsed = time.monotonic() - begun
            if self._cpu() - worked > self._limit or elapsed > self._limit * self._wall_factor:
                raise _Ended(f"timeout: over {self._limit:g} s")
        line, _, self._left = self._left.partition(b"\n")
        try:
            return json.loads(line)
        except (ValueError, RecursionError):
            raise _Ended(_GARBAGE) from None

    def close(self) -> float:
        """Kills the process; seconds that it took: of processor, or a share of those elapsed."""
        os.close(self._fd)
        elapsed = time.monotonic() - self._begun
        return max(self._bury()[1], elapsed / self._wall_factor)

    def _bury(self) -> tuple[int, float]:
        """How the process ended, as wait(2) says it, and its seconds of processor time."""
        if self._buried is None:
            os.kill(self._pid, signal.SIGKILL)  # one that ended by itself keeps its own status
            _, status, used = os.wait4(self._pid, 0)
            self._buried = status, used.ru_utime + used.ru_stime
        return self._buried

    def _cpu(self) -> float:
        """Seconds of processor time; of elapsed time where a system does not tell another's."""
        try:
            return time.clock_gettime(~self._pid << 3 | 2)  # clock_getcpuclockid(3), Linux
        except (OSError, OverflowError):
            return time.monotonic() - self._begun


def _epitaph(status: int) -> str:
    if not os.WIFSIGNALED(status):
        return _STOPPED
    number = os.WTERMSIG(status)
    if number == signal.SIGXCPU:
        return "timeout: all processor time spent"
    return f"its process died of {signal.Signals(number).name}"


def _greeting(said: Any) -> dict[str, Any]:
    """{"layers": [name]} or {"refused": reason}. Raises _Ended."""
    if isinstance(said, dict) and ("layers" in said or "refused" in said):
        return said
    raise _Ended(_GARBAGE)


def _row(said: Any, answer_chars: int) -> Row:
    """A row that is one by its types and bounds, whoever wrote it. Raises _Ended."""
    if isinstance(said, list) and len(said) == 4:
        answer, trace, path, error = said
        texts = [each for each in (answer, error) if each is not None] + [trace, path]
        fair = all(isinstance(each, str) and each.isprintable() for each in texts)
        if fair and len(answer or "") <= answer_chars:
            return answer, trace, path, error
    raise _Ended(_GARBAGE)

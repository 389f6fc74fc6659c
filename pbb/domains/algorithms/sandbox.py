"""Python functions that nobody vouches for, run by CPython in a limited subprocess, with traces.

The host sends texts and gets texts: it never parses, evaluates or unpickles what a function made.
A runner (child/runner.py, `python` without site packages, user folders or any environment) forks a
process for each function, so that one cannot touch another's results, and kills it at its limits.
It ends by itself, and takes its folder along, when the process that wants its answers is gone.

Three layers, each of them tested with those before it taken away:

1. The source is screened (child/screening.py): imports, dunder names, frames, `open`, `eval`.
2. What is left runs with few builtins and cut-down modules, under an audit hook that refuses every
   audited act (child/guard.py).
3. The process gives up what it does not need (child/confine.py): an empty environment, one open
   descriptor (a pipe), limits on memory, processor time, files and processes; on Linux also no
   network where namespaces are permitted, the user nobody where started by root, no new
   privileges, and on x86_64 and aarch64 a filter that lets some fifteen system calls through.

Guaranteed on Linux with the filter (`layers()` tells): even code that escapes the first two layers
opens no file or socket, starts no process, signals nobody and outlives no limit; it can compute,
write to its pipe, and so lie about its own answers, which are bounded text. Elsewhere the third
layer is weaker, and the first two, which no one should call proof, stand for it. Not guaranteed
anywhere: safety from faults of the kernel or the processor. This is no virtual machine.
"""

from __future__ import annotations

import contextlib
import json
import os
import selectors
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Final, Literal

from pbb.domains.algorithms.child.screening import text_refusal

MAX_REPLY_BYTES: Final = 256 << 20
WALL_FACTOR: Final = 5
"""Limits are of processor time; elapsed, it may be so many times that on a busy machine."""
START_SECONDS: Final = 60.0
"""For the interpreter to start, on a machine that is busy with other things."""
_LATE: Final = ("timeout:", "not run:", "could not be loaded: timeout:")
"""How the runner's errors begin where seconds ran out."""
_RUNNING: Final[set[subprocess.Popen[bytes]]] = set()
"""Runners that threads wait for."""
BOOTSTRAP: Final = "import sys; sys.path.append(sys.argv[1]); from child.runner import main; main()"


class SandboxError(ValueError):
    """A whole process, or a generator of inputs, failed: why."""


class TooSlow(SandboxError):
    """Seconds ran out, as they might not on another machine."""


@dataclass(frozen=True, slots=True)
class Limits:
    """seconds_per_call: of processor time for a call; seconds: for all calls of one function.

    memory_mb: address space of the process, the interpreter's own included. trace_values: values in
    a trace, each of a list counted, and one more for every eight characters of a long one.
    answer_chars: of an answer, or of an argument list that is drawn. steps: lines executed in a
    call; unlike the seconds, the same on every machine.
    """

    seconds_per_call: float = 1.0
    seconds: float = 10.0
    memory_mb: int = 256
    trace_values: int = 80
    answer_chars: int = 200
    steps: int = 20_000

    def __post_init__(self) -> None:
        for name, value in asdict(self).items():
            if value <= 0:
                raise SandboxError(f"{name}={value}: a limit must be above 0")


@dataclass(frozen=True, slots=True)
class Job:
    """A function of a source, and its calls: argument lists as Python literals, `[3, 1, 2], 5`."""

    source: str
    name: str
    calls: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Ran:
    """One call. answer: a Python literal as `repr` writes it; null where there is none.

    trace: see child/tracing.py; empty on an error. path: a digest of the SET of lines executed,
    since loops make the sequence of branches different for almost every input; empty where the
    call did not end. error: null, or what went wrong; with "trace too long" there is an answer.
    """

    answer: str | None
    trace: str
    path: str
    error: str | None

    @property
    def late(self) -> bool:
        """Whether seconds ran out; every other error is the same on every machine."""
        return (self.error or "").startswith(_LATE)


def run_function(
    source: str,
    name: str,
    calls: Sequence[str],
    limits: Limits = Limits(),
    *,
    hash_seed: int = 0,
) -> tuple[Ran, ...]:
    """One Ran for each call; a source that is refused gives an error for each.

    Each call loads the source anew, so none sees what another bound there. What is imported is
    shared: screening refuses to set an attribute of it by its name, and a change by another way
    (`c = Counter; c.seen = 1`) is seen by later calls: cases.prepare runs all calls again in the
    opposite order, and refuses a function that answers otherwise then.
    Raises SandboxError.
    """
    return run_functions([Job(source, name, tuple(calls))], limits, hash_seed=hash_seed)[0]


def run_functions(
    jobs: Sequence[Job], limits: Limits = Limits(), *, hash_seed: int = 0
) -> tuple[tuple[Ran, ...], ...]:
    """As `run_function` for each job, started once for all. No job can touch another's results."""
    return _run("function", jobs, limits, hash_seed)


def run_generators(
    jobs: Sequence[Job], limits: Limits, hash_seed: int
) -> tuple[tuple[Ran, ...], ...]:
    """As `run_functions`, where a call is the seed of the one argument, a random.Random."""
    return _run("inputs", jobs, limits, hash_seed)


def layers() -> tuple[str, ...]:
    """Names of the third layer's parts that work on this machine."""
    job = Job("def f():\n    return 0", "f", ("",))
    return tuple(_reply("function", [job], Limits(), 0)["layers"])


def _run(
    kind: Literal["function", "inputs"], jobs: Sequence[Job], limits: Limits, hash_seed: int
) -> tuple[tuple[Ran, ...], ...]:
    """Texts that cannot be a source or a call do not reach the runner."""
    refused = [text_refusal(job.source) for job in jobs]
    fair = [job for job, reason in zip(jobs, refused, strict=True) if reason is None]
    replies = iter(_reply(kind, fair, limits, hash_seed)["rows"] if fair else [])
    return tuple(
        _checked(next(replies), job)
        if reason is None
        else (Ran(None, "", "", f"refused: {reason}"),) * len(job.calls)
        for job, reason in zip(jobs, refused, strict=True)
    )


def _reply(
    kind: Literal["function", "inputs"], jobs: Sequence[Job], limits: Limits, hash_seed: int
) -> dict[str, Any]:
    """What the runner says: {"layers": [name], "rows": [[row] a job]}. Raises SandboxError."""
    if not 0 <= hash_seed < 2**32:
        raise SandboxError(f"hash_seed={hash_seed}: must be from 0 to 4294967295")
    request = {
        "jobs": [{"kind": kind, **asdict(job)} for job in jobs],
        "limits": {**asdict(limits), "wall_factor": WALL_FACTOR},
    }
    patience = WALL_FACTOR * (limits.seconds + limits.seconds_per_call) * len(jobs)
    said = _talk(json.dumps(request), hash_seed, time.monotonic() + START_SECONDS + patience)
    try:
        reply = json.loads(said)
        if len(reply["rows"]) == len(jobs) and isinstance(reply["layers"], list):
            return dict(reply)
    except (ValueError, RecursionError, KeyError, TypeError):
        pass
    tail = said[-300:].decode("utf-8", "replace")
    raise SandboxError(f"the runner of {sys.executable} failed: {tail or 'it said nothing'}")


def _talk(request: str, hash_seed: int, deadline: float) -> bytes:
    """All that the runner prints, errors included. Leaves no process and no file behind."""
    with (
        tempfile.TemporaryDirectory(prefix="pbb-") as folder,
        tempfile.TemporaryFile() as given,  # a pipe would have one of the two wait
    ):
        given.write(request.encode())
        given.seek(0)
        process = subprocess.Popen(
            _command(),
            stdin=given,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            env={"PYTHONHASHSEED": str(hash_seed)},
            cwd=folder,
            start_new_session=True,
        )
        _RUNNING.add(process)
        try:
            return _read(process, deadline)
        finally:
            _RUNNING.discard(process)
            _end(process)


def end_runners() -> None:
    """Kills those that run now: the threads that wait for them go on, with a SandboxError."""
    for process in tuple(_RUNNING):
        if process.returncode is None:
            _kill(process)


def _command() -> list[str]:
    """Isolated as by -I, that is -E -P -s, but for -E, which would ignore the hash seed.

    That seed is the only variable of the environment. -S: no site packages; -B: writes no bytecode.
    """
    if os.name != "posix" or not sys.executable:
        raise SandboxError(
            "functions run on POSIX systems only, by the interpreter at sys.executable"
        )
    flags = ["-P", "-s", "-S", "-B", "-X", "utf8"]
    return [sys.executable, *flags, "-c", BOOTSTRAP, str(Path(__file__).parent), str(os.getpid())]


def _read(process: subprocess.Popen[bytes], deadline: float) -> bytes:
    assert process.stdout is not None
    said = bytearray()
    with selectors.DefaultSelector() as selector:
        selector.register(process.stdout, selectors.EVENT_READ)
        while len(said) <= MAX_REPLY_BYTES:
            if not selector.select(max(0.0, deadline - time.monotonic())):
                raise SandboxError(
                    "the runner gave no answer in time, though it kills what is late"
                )
            more = os.read(process.stdout.fileno(), 1 << 16)
            if not more:
                return bytes(said)
            said += more
    raise SandboxError(
        f"the runner said more than {MAX_REPLY_BYTES} bytes; send fewer jobs at once"
    )


def _end(process: subprocess.Popen[bytes]) -> None:
    _kill(process)
    process.wait()
    if process.stdout is not None:
        process.stdout.close()


def _kill(process: subprocess.Popen[bytes]) -> None:
    """Kills the whole group: its leader is not waited for yet, so the number is still its own."""
    with contextlib.suppress(ProcessLookupError, PermissionError):  # macOS's word for all-dead
        os.killpg(process.pid, signal.SIGKILL)


def _checked(rows: Sequence[Sequence[Any]], job: Job) -> tuple[Ran, ...]:
    """Rows of a job. Raises SandboxError where they are not one for each call."""
    if len(rows) != len(job.calls):
        raise SandboxError(f"the runner gave {len(rows)} results for {len(job.calls)} calls")
    return tuple(Ran(*row) for row in rows)

"""The sandbox of algorithms: what it contains. What it tells is tested beside this."""

from __future__ import annotations

import os
import socket
import stat
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from pbb.domains.algorithms import sandbox
from pbb.domains.algorithms.sandbox import Job, Limits, SandboxError
from tests.pbb.attacks import ATTACKS, Attack

TIGHT = Limits(seconds_per_call=0.15, seconds=0.5, memory_mb=200, steps=5000)
SENTINEL = Job("def f(n):\n    m = n * 2\n    return m + 1\n", "f", ("3",))

WITHOUT = {
    0: "",
    1: "from child import calls; calls.refusal = lambda *a: None; ",
    2: "import builtins, child.guard as g; from child import calls; calls.watch = lambda own: "
    "g.Watch(); calls.refusal = lambda *a: None; calls.namespace = lambda: "
    "{'__name__': 'f', '__builtins__': builtins}; ",
}
"""Layers taken away, the first or the first two -> what the runner starts with."""


@dataclass(frozen=True)
class Outside:
    """What an attack could reach: a folder for everyone, a port, a word in the environment."""

    folder: Path
    listener: socket.socket
    mark: str

    def job(self, attack: Attack) -> Job:
        port = str(self.listener.getsockname()[1])
        source = attack.source.replace("OUTSIDE", str(self.folder)).replace("PORT", port)
        return Job(source, "f", ("",))

    def is_untouched(self) -> bool:
        canary = self.folder / "canary"
        return (
            sorted(path.name for path in self.folder.iterdir()) == ["canary", "planted.py"]
            and canary.read_text() == "tweet"
            and stat.S_IMODE(canary.stat().st_mode) == 0o666
        )

    def was_called(self) -> bool:
        try:
            self.listener.accept()
        except BlockingIOError:
            return False
        return True

    def processes(self) -> list[str]:
        """Processes that were forked from this test's runners, wherever they went."""
        found = []
        for path in Path("/proc").glob("[0-9]*/cmdline"):
            try:
                found += [str(path)] if self.mark in path.read_text(errors="replace") else []
            except OSError:
                continue
        return found


@pytest.fixture
def outside(monkeypatch: pytest.MonkeyPatch) -> Iterator[Outside]:
    monkeypatch.setenv("PBB_CANARY", "tweet")
    with (
        tempfile.TemporaryDirectory() as name,  # pytest's own would be closed to other users
        socket.create_server(("127.0.0.1", 0)) as listener,
    ):
        folder = Path(name)
        (folder / "canary").write_text("tweet")
        (folder / "planted.py").write_text("")
        (folder / "canary").chmod(0o666)
        folder.chmod(0o777)
        listener.setblocking(False)
        yield Outside(folder, listener, f"attacked-{name}")


def weaken(monkeypatch: pytest.MonkeyPatch, without: int, mark: str) -> None:
    boot = sandbox.BOOTSTRAP.replace("from child", f"{WITHOUT[without]}from child", 1)
    monkeypatch.setattr(sandbox, "BOOTSTRAP", f"{boot}  # {mark}")
    if without:
        monkeypatch.setattr(sandbox, "text_refusal", lambda source: None)


# --- containment


@pytest.mark.parametrize("without", [0, 1, 2])
def test_attacks_are_contained(
    without: int, outside: Outside, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With all layers, without the first, and with the operating system's alone."""
    if without == 2 and "system call filter" not in sandbox.layers():
        pytest.skip("this system has no filter of system calls, and the attacks are real")
    weaken(monkeypatch, without, outside.mark)
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    jobs = [job for attack in ATTACKS for job in (outside.job(attack), SENTINEL)]

    began = time.monotonic()
    ran = sandbox.run_functions(jobs, TIGHT)

    assert time.monotonic() - began < 60
    results = {attack.name: row[0] for attack, row in zip(ATTACKS, ran[::2], strict=True)}
    escaped = [a for a in ATTACKS if results[a.name].answer == "'escaped'" and a.without >= without]
    assert not [attack.name for attack in escaped]
    if not without:
        assert not [name for name, row in results.items() if row.error is None or row.answer]
    assert {row[0].answer for row in ran[1::2]} == {"7"}, "another function was touched"
    assert outside.is_untouched()
    assert not outside.was_called()
    assert not outside.processes()
    assert not list(tmp_path.iterdir())


def test_the_corpus_is_large_and_distinct() -> None:
    assert len({attack.name for attack in ATTACKS}) == len(ATTACKS) >= 30


@pytest.mark.parametrize("start", [None, "raise SystemExit('no such thing')", "print('[')"])
def test_a_runner_that_fails_is_named(start: str | None, monkeypatch: pytest.MonkeyPatch) -> None:
    if start is None:
        monkeypatch.setattr(sandbox, "BOOTSTRAP", "import time; time.sleep(60)")
        monkeypatch.setattr(sandbox, "START_SECONDS", 0.0)
    else:
        monkeypatch.setattr(sandbox, "BOOTSTRAP", start)
    with pytest.raises(SandboxError):
        sandbox.run_functions([SENTINEL], Limits(seconds=0.1, seconds_per_call=0.1))


def test_processes_end_with_the_host_s_patience(monkeypatch: pytest.MonkeyPatch) -> None:
    """A runner that started another and hangs takes it along."""
    code = "import os, time; os.fork(); print(os.getpgid(0), flush=True); time.sleep(60)"
    monkeypatch.setattr(sandbox, "BOOTSTRAP", code)
    monkeypatch.setattr(sandbox, "START_SECONDS", 0.5)
    started: list[int] = []
    end = sandbox._end
    monkeypatch.setattr(
        sandbox, "_end", lambda process: (started.append(process.pid), end(process))
    )
    with pytest.raises(SandboxError):
        sandbox.run_functions([SENTINEL], Limits(seconds=0.1, seconds_per_call=0.1))
    with pytest.raises(ProcessLookupError):
        while True:  # those killed are still to be buried by their new parent
            os.killpg(started[0], 0)
            time.sleep(0.01)


@pytest.mark.parametrize("limit", ["seconds", "seconds_per_call", "memory_mb", "steps"])
def test_a_limit_is_above_nothing(limit: str) -> None:
    with pytest.raises(SandboxError, match=limit):
        Limits(**{limit: 0})

"""A command in this process, and the law that every command keeps whatever it is given."""

from __future__ import annotations

import contextlib
import io
import signal
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from types import FrameType
from unittest import mock

from study.cli import main

LIMIT_CPU_S = 40.0
"""What is refused is refused soon; a command that works this long on a small input hangs."""

Tree = dict[str, tuple[int, int, int]]


class Hung(BaseException):
    """A command took more processor time than any small input is worth."""


@dataclass(frozen=True)
class Ended:
    """Exit code, and what was said."""

    code: int
    out: str
    err: str


def command(*arguments: object) -> Ended:
    """`pbb-study` with these arguments. Whatever main() lets through, this lets through.

    The streams encode as a terminal's do: what cannot be written in UTF-8 is an error on standard
    output.
    """
    out, err = io.BytesIO(), io.BytesIO()
    said = io.TextIOWrapper(out, "utf-8", write_through=True)
    told = io.TextIOWrapper(err, "utf-8", "backslashreplace", write_through=True)
    words = ["pbb-study", *map(str, arguments)]
    code: object = 0
    streams = contextlib.redirect_stdout(said), contextlib.redirect_stderr(told)
    with mock.patch.object(sys, "argv", words), _limited(), streams[0], streams[1]:
        try:
            main()
        except SystemExit as left:
            code = left.code
    assert isinstance(code, int | None), f"{code!r} is no exit code"
    return Ended(code or 0, out.getvalue().decode(), err.getvalue().decode())


def lawful(world: Path, *arguments: object, writes: tuple[Path, ...] = ()) -> Ended:
    """Run a command: it ends well or with a message, and no file changes but in `writes`.

    world: a folder, of which all files are watched. The command runs in a folder of it, so that a
    relative path that goes astray is seen.
    """
    here = world / "here"
    here.mkdir(exist_ok=True)
    before = tree(world)
    with contextlib.chdir(here):
        ended = command(*arguments)
    assert ended.code in (0, 1, 2, 130), ended
    assert "Traceback (most recent" not in ended.err
    if ended.code == 2:
        assert ended.err.strip(), "refused without a word"
    if ended.code == 1:
        assert (ended.out + ended.err).strip(), "failed without a word"
    after = tree(world)
    changed = {name for name in before.keys() | after.keys() if before.get(name) != after.get(name)}
    allowed = [path.relative_to(world) for path in writes]
    strays = [n for n in changed if not any(Path(n).is_relative_to(each) for each in allowed)]
    assert not strays, f"{arguments} wrote {sorted(strays)}"
    return ended


def tree(folder: Path) -> Tree:
    """Everything below a folder: kind, size and time of every file; a folder's own time is left out
    where only its entries matter."""
    found = {}
    for path in folder.rglob("*"):
        state = path.lstat()
        is_folder = path.is_dir() and not path.is_symlink()
        sizes = (0, 0) if is_folder else (state.st_size, state.st_mtime_ns)
        found[str(path.relative_to(folder))] = (state.st_mode, *sizes)
    return found


@contextlib.contextmanager
def _limited() -> Iterator[None]:
    def stop(signum: int, frame: FrameType | None) -> None:
        raise Hung(f"more than {LIMIT_CPU_S:g} s of processor time")

    former = signal.signal(signal.SIGVTALRM, stop)
    signal.setitimer(signal.ITIMER_VIRTUAL, LIMIT_CPU_S)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_VIRTUAL, 0)
        signal.signal(signal.SIGVTALRM, former)

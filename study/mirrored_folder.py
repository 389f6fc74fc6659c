"""A study folder on an object store, and its copy in the cache.

Written: what is named goes before what names it, so `study.yaml` first, item rows before the trial
rows that name them, and what was removed here is removed there last. Read: the copy becomes what is
there. `<cache>/.mirror/<study>.json` says which versions are the same on both sides; without it
files are copied once more.
"""

from __future__ import annotations

import fcntl
import json
import os
import time
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from itertools import groupby
from pathlib import Path
from typing import Final, NamedTuple, TypeVar

from study.files import write_atomically, write_json
from study.folder import STUDY_FILE, FolderError
from study.remote import Remote, is_name

T = TypeVar("T")

NOTES: Final = ".mirror"
NAMING: Final = frozenset({"trials.parquet", "tuning.parquet", STUDY_FILE})
"""Files that say what others there mean."""
AT_ONCE: Final = 16
TRIES: Final = 10
"""A reader that looks whether a launch is at work holds its lock for a moment."""


class _Copy(NamedTuple):
    """A file here. tag: of the object that it equals; empty where that is not known."""

    size: int
    mtime_ns: int
    tag: str = ""


_ABSENT: Final = _Copy(-1, 0)


class MirroredFolder:
    """The folder `study` of a remote root and of its cache."""

    def __init__(self, remote: Remote, cache: Path, study: str) -> None:
        self._remote, self._study = remote, study
        self._path = cache / study
        self._notes = cache / NOTES / f"{study}.json"
        self._equal = _read_notes(self._notes)

    @contextmanager
    def at_work(self) -> Iterator[None]:
        """A launch's hold of the copy, which is first brought up to date. Raises FolderError where
        a launch of this machine has it."""
        with _locked(self._notes.with_suffix(".work")) as held:
            if not held:
                raise FolderError(
                    f"{self._path}: another launch is running there; wait, or stop it"
                )
            with _locked(self._notes.with_suffix(".pull"), patient=True):
                self._pull()
            yield

    def pull_unless_at_work(self) -> Path:
        """The copy, up to date; as it is where a launch of this machine is writing it."""
        with _locked(self._notes.with_suffix(".pull"), patient=True):
            with _locked(self._notes.with_suffix(".work")) as free:
                pass  # a launch that begins now waits for us
            if free:
                self._pull()
        return self._path

    def push(self) -> None:
        """Bring over what changed here since, in an order that any death may cut short."""
        here = _files(self._path)
        changed = [name for name, copy in here.items() if copy[:2] != self._same(name)]
        for _, names in groupby(sorted(changed, key=self._rank), key=self._rank):
            side_by_side(self._put, names)
        self._equal.update({name: here[name] for name in changed})
        gone = self._equal.keys() - here.keys()
        self._remote.delete(f"{self._study}/{name}" for name in gone)
        for name in gone:
            del self._equal[name]

    def settle(self) -> None:
        """Note what is equal, so that the next pull copies nothing."""
        there = self._remote.list(self._study)
        self._equal = {
            name: copy._replace(tag=there[name].tag)
            for name, copy in self._equal.items()
            if name in there and there[name].size == copy.size
        }
        self._note()

    def _pull(self) -> None:
        there, here = self._remote.list(self._study), _files(self._path)
        for name in here.keys() - there.keys():
            (self._path / name).unlink()
        stale = [
            name
            for name, stored in there.items()
            if not stored.tag
            or here.get(name, _ABSENT)._replace(tag=stored.tag) != self._equal.get(name)
        ]
        side_by_side(self._get, stale)
        now = _files(self._path)
        self._equal = {n: now[n]._replace(tag=there[n].tag) for n in there if n in now}
        self._note()

    def _note(self) -> None:
        write_json(self._notes, {name: list(copy) for name, copy in self._equal.items()})

    def _same(self, name: str) -> tuple[int, int] | None:
        known = self._equal.get(name)
        return known[:2] if known else None

    def _rank(self, name: str) -> tuple[int, int]:
        """Least first."""
        if name.endswith(STUDY_FILE) and name not in self._equal:
            return (0, 0)
        named = name.rpartition("/")[2] in NAMING
        return (2, -name.count("/")) if named else (1, 0)

    def _put(self, name: str) -> None:
        self._remote.put(f"{self._study}/{name}", self._path / name)

    def _get(self, name: str) -> None:
        copy(self._remote, f"{self._study}/{name}", self._path / name)


def copy(remote: Remote, name: str, path: Path) -> None:
    """An object into a file, in one step; nothing where it has been removed."""

    def write(file: Path) -> None:
        if not remote.fetch(name, file):
            raise FileNotFoundError(name)

    with suppress(FileNotFoundError):
        write_atomically(path, write)


@contextmanager
def _locked(path: Path, *, patient: bool = False) -> Iterator[bool]:
    """Whether this process has the lock, among those of this machine; see `study.folder`."""
    path.parent.mkdir(parents=True, exist_ok=True)
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT, 0o600)
    try:
        yield _lock(descriptor, patient)
    finally:
        os.close(descriptor)


def _lock(descriptor: int, patient: bool) -> bool:
    for _ in range(TRIES):
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | (0 if patient else fcntl.LOCK_NB))
        except BlockingIOError:
            time.sleep(0.05)
        else:
            return True
    return False


def _files(folder: Path) -> dict[str, _Copy]:
    """What is mirrored: all but logs, which are a machine's own, and hidden files."""
    found = {}
    for path in folder.rglob("*"):
        name = path.relative_to(folder).as_posix()
        if is_name(name) and path.suffix != ".log" and path.is_file() and not path.is_symlink():
            about = path.stat()
            found[name] = _Copy(about.st_size, about.st_mtime_ns)
    return found


def side_by_side(do: Callable[[str], T], names: Iterable[str]) -> list[T]:
    """What `do` gives for each name, with several requests under way at a time."""
    with ThreadPoolExecutor(AT_ONCE) as pool:
        return list(pool.map(do, names))


def _read_notes(path: Path) -> dict[str, _Copy]:
    try:
        data = json.loads(path.read_text("utf-8"))
        return {
            name: _Copy(int(size), int(mtime_ns), str(tag))
            for name, (size, mtime_ns, tag) in data.items()
        }
    except (OSError, ValueError, TypeError, AttributeError, LookupError, RecursionError):
        return {}

"""A root on an object store: the truth is there, and a folder of this machine is its cache.

```text
<root>/stages/<fingerprint>/<attempt>/...   the files of a stage, below a name no one else uses
<root>/stages/<fingerprint>/done            the mark: which attempt counts, and its files' sizes
<root>/<study>/...                          the study folder (`mirrored_folder`), and `.lock/`
```

A stage is brought there first, its mark last and only where there is none; then it gets its name
in the cache. So a stage in the cache is there as well, whoever dies when. Until it is there it
waits, sealed, in `stages/.pending/`, and the next launch on this machine brings it over.
"""

from __future__ import annotations

import json
import re
import time
import uuid
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from pbb.records import StageOutcome
from study.files import write_json
from study.lease import Lease, leased
from study.mirrored_folder import MirroredFolder, copy, side_by_side
from study.remote import Remote, RemoteDown, is_name
from study.store import (
    DAMAGED,
    DONE,
    FINGERPRINT,
    STAGE_FILE,
    STAGES,
    Store,
    told_outcome,
    told_sizes,
)

WAITS_S: Final = (1.0, 5.0, 20.0, 60.0)
"""Before each further attempt to bring a stage over while the store cannot be reached."""
_ATTEMPT: Final = re.compile(r"[0-9a-f]{32}")


@dataclass(frozen=True)
class _Mark:
    attempt: str
    sizes: Mapping[str, int]

    @classmethod
    def parse(cls, text: bytes) -> _Mark | None:
        """Null for what is no mark, or names files elsewhere."""
        try:
            attempt, sizes = json.loads(text)["attempt"], told_sizes(text)
            plain = all(is_name(name) and isinstance(size, int) for name, size in sizes.items())
            known = _ATTEMPT.fullmatch(attempt) is not None and STAGE_FILE in sizes
        except DAMAGED:
            return None
        return cls(attempt, sizes) if plain and known else None

    def data(self) -> bytes:
        return json.dumps({"bytes": self.sizes, "attempt": self.attempt}, indent=2).encode()


class MirroredStore(Store):
    """Committed stages and study folders of `remote`, cached in the folder `cache`."""

    def __init__(self, remote: Remote, cache: Path) -> None:
        super().__init__(cache)
        self._remote = remote
        self._pending = self._stages / ".pending"
        self._expected: dict[str, StageOutcome | None] = {}
        self._folder: MirroredFolder | None = None
        self._lease: Lease | None = None

    @property
    def place(self) -> Path | str:
        """See Store."""
        return self._remote.url

    def expect(self, fingerprints: Iterable[str]) -> None:
        """See Store. That a stage is absent answers the next question about it, no later one."""
        missing = [name for name in dict.fromkeys(fingerprints) if self._outcome_here(name) is None]
        found = side_by_side(self._outcome_there, missing)
        self._expected = dict(zip(missing, found, strict=True))

    def outcome(self, fingerprint: str) -> StageOutcome | None:
        """See Store."""
        here = self._outcome_here(fingerprint)
        if here is not None:
            return here
        known = self._expected.get(fingerprint)
        if known is None and fingerprint in self._expected:
            return self._expected.pop(fingerprint)
        return known or self._outcome_there(fingerprint)

    def glimpse(self, fingerprints: Iterable[str], name: str) -> None:
        """See Store. The folder that it lies in then is none of a committed stage."""

        def bring(fingerprint: str) -> None:
            mark = self._mark(fingerprint)
            if mark and name in mark.sizes:
                there = f"{self._name(fingerprint)}/{mark.attempt}/{name}"
                copy(self._remote, there, self.path(fingerprint) / name)

        missing = [each for each in fingerprints if not (self.path(each) / name).exists()]
        side_by_side(bring, missing)

    def sweep(self) -> None:
        """See Store. Stages whose commit was cut short are brought over."""
        super().sweep()
        waiting = self._pending.iterdir() if self._pending.is_dir() else ()
        for folder in list(waiting):
            if FINGERPRINT.fullmatch(folder.name) and self._mark(folder.name) is None:
                self._bring(folder.name)
            self.discard(folder)

    @contextmanager
    def shared(self, study: str) -> Iterator[None]:
        """See Store."""
        folder = MirroredFolder(self._remote, self.root, study)
        with leased(self._remote, study) as self._lease, folder.at_work():
            self._folder = folder
            try:
                yield
            finally:
                self.push()
                folder.settle()
                self._folder = None

    def push(self) -> None:
        """See Store. Raises FolderError where another launch has taken the study over."""
        if self._folder is not None and self._lease is not None:
            self._lease.check()
            self._folder.push()

    def pull(self, study: str) -> Path:
        """See Store."""
        return MirroredFolder(self._remote, self.root, study).pull_unless_at_work()

    def publish(self, files: Iterable[Path]) -> list[str]:
        """See Store."""
        inside = [file.absolute() for file in files if file.absolute().is_relative_to(self.root)]
        names = {file.relative_to(self.root).as_posix(): file for file in inside}
        for name, file in names.items():
            self._remote.put(name, file)
        return [f"{self._remote.url}/{name}" for name in names]

    def _publish(self, folder: Path, fingerprint: str) -> bool:
        """Bring a sealed folder over, then give it its name here."""
        waiting = self._pending / self.path(fingerprint).name
        waiting.parent.mkdir(parents=True, exist_ok=True)
        try:
            folder.replace(waiting)
        except OSError:
            if not waiting.exists():
                raise
        return _patiently(lambda: self._bring(fingerprint))

    def _bring(self, fingerprint: str) -> bool:
        """What waits of a stage goes over and then into the cache; False where others were first,
        whose files are taken instead."""
        waiting, base = self._pending / fingerprint, self._name(fingerprint)
        try:
            mark = _Mark(uuid.uuid4().hex, told_sizes((waiting / DONE).read_bytes()))
            for name in mark.sizes:
                self._remote.put(f"{base}/{mark.attempt}/{name}", waiting / name)
        except FileNotFoundError:  # another process of this machine had the same, and was quicker
            return False
        first = self._remote.put_new(f"{base}/{DONE}", mark.data())
        if first:
            old = [n for n in self._remote.list(base) if n.partition("/")[0] != mark.attempt]
            self._remote.delete(f"{base}/{name}" for name in old if name != DONE)
        elif self._mark(fingerprint) is None:  # what is there is damaged
            self._remote.write(f"{base}/{DONE}", mark.data())
            first = True
        else:
            self._remote.delete(f"{base}/{mark.attempt}/{name}" for name in mark.sizes)
        with suppress(FileNotFoundError):  # a launch of this machine has swept it, as it may now
            if first:
                super()._publish(waiting, fingerprint)
        if self._outcome_here(fingerprint) is None:
            self._fetch(fingerprint)
        self.discard(waiting)
        return first

    def _fetch(self, fingerprint: str) -> bool:
        """See Store."""
        mark = self._mark(fingerprint)
        if mark is None:
            return False
        base, folder = self._name(fingerprint), self.begin(fingerprint)
        try:
            for name, size in mark.sizes.items():
                file = folder / name
                file.parent.mkdir(parents=True, exist_ok=True)
                there = self._remote.fetch(f"{base}/{mark.attempt}/{name}", file)
                if not there or file.stat().st_size != size:
                    return False
            write_json(folder / DONE, {"bytes": mark.sizes})
            super()._publish(folder, fingerprint)
        finally:
            self.discard(folder)
        return True

    def _mark(self, fingerprint: str) -> _Mark | None:
        """The mark of a stage that is whole there."""
        base = self._name(fingerprint)
        text = self._remote.read(f"{base}/{DONE}")
        mark = _Mark.parse(text) if text is not None else None
        if mark is None:
            return None
        there = self._remote.list(f"{base}/{mark.attempt}")
        whole = all(name in there and there[name].size == n for name, n in mark.sizes.items())
        return mark if whole else None

    def _outcome_there(self, fingerprint: str) -> StageOutcome | None:
        mark = self._mark(fingerprint)
        if mark is None:
            return None
        text = self._remote.read(f"{self._name(fingerprint)}/{mark.attempt}/{STAGE_FILE}")
        try:
            return told_outcome(text or b"")
        except DAMAGED:
            return None

    def _name(self, fingerprint: str) -> str:
        return f"{STAGES}/{self.path(fingerprint).name}"


def _patiently(do: Callable[[], bool]) -> bool:
    """A trained stage is worth some waiting for the network."""
    for wait_s in WAITS_S:
        try:
            return do()
        except RemoteDown:
            time.sleep(wait_s)
    return do()

"""One launch at a time of a study on an object store, whichever machines they are on.

The lock is the object of the highest number below `<study>/.lock`. To take it is to make the next
number, which a store lets one process do; so it needs no clock, and two can never take over at
once. The holder writes its object anew every so often; one that has stopped doing so is dead. Times
are the store's own, so machines' clocks may differ.
"""

from __future__ import annotations

import json
import threading
import uuid
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Any, Final

from study.folder import FolderError
from study.processes import ProcessName
from study.remote import Remote, RemoteError

RENEWED_EVERY_S: Final = 30.0
DEAD_AFTER_S: Final = 300.0
"""A launch that has not been heard of for so long may be taken over from."""


class Lease:
    """Held by this process until it is released, or lost to another that thought us dead."""

    def __init__(self, remote: Remote, folder: str, number: int) -> None:
        self._remote, self._folder, self._number = remote, folder, number
        self._lost = threading.Event()
        self._over = threading.Event()

    def check(self) -> None:
        """Raises FolderError where another launch has taken over."""
        if self._lost.is_set():
            raise FolderError(
                f"{self._remote.url}: another launch took this study over while this one could "
                f"not reach the store for {DEAD_AFTER_S:.0f} s; it goes on with what is there"
            )

    def renew(self) -> None:
        """Say that the holder lives, and see whether it still holds."""
        if _last(self._remote, self._folder) > self._number:
            self._lost.set()
            return
        self._remote.write(f"{self._folder}/{self._number}", _record())

    def release(self) -> None:
        """Let the next one in at once. Not done where the store is down: it is dead soon enough."""
        self._over.set()
        if not self._lost.is_set():
            with suppress(RemoteError):
                self._remote.write(f"{self._folder}/{self._number}", _record(released=True))

    def keep(self) -> None:
        """Renew until released."""
        while not self._over.wait(RENEWED_EVERY_S) and not self._lost.is_set():
            with suppress(RemoteError):
                self.renew()


@contextmanager
def leased(remote: Remote, study: str) -> Iterator[Lease]:
    """The lock of a study for as long as the block lasts. Raises FolderError where it is held."""
    lease = take(remote, study)
    threading.Thread(target=lease.keep, daemon=True).start()
    try:
        yield lease
    finally:
        lease.release()


def take(remote: Remote, study: str) -> Lease:
    """The lock of a study, taken once. Raises FolderError where another launch holds it."""
    folder = f"{study}/.lock"
    numbers = _numbers(remote, folder)
    last = max(numbers, default=0)
    if last and not _is_free(remote, folder, last):
        raise _busy(remote, study, _read(remote, folder, last))
    if not remote.put_new(f"{folder}/{last + 1}", _record()):
        raise _busy(remote, study, _read(remote, folder, last + 1))
    highest = _last(remote, folder)
    if highest > last + 1:  # a slow request came after others had taken, and cleared, this number
        remote.delete([f"{folder}/{last + 1}"])
        raise _busy(remote, study, _read(remote, folder, highest))
    remote.delete(f"{folder}/{number}" for number in numbers)
    return Lease(remote, folder, last + 1)


def _numbers(remote: Remote, folder: str) -> list[int]:
    return [int(name) for name in remote.list(folder) if name.isdecimal()]


def _last(remote: Remote, folder: str) -> int:
    return max(_numbers(remote, folder), default=0)


def _is_free(remote: Remote, folder: str, number: int) -> bool:
    record = _read(remote, folder, number)
    holder = ProcessName.parse(str(record.get("holder", "")))
    if record.get("released") or (holder is not None and holder.is_dead()):
        return True
    return _unheard_s(remote, folder, number) > DEAD_AFTER_S


def _unheard_s(remote: Remote, folder: str, number: int) -> float:
    """Seconds by the store's clock, which an object made just now tells."""
    probe = f"now-{uuid.uuid4().hex}"
    remote.write(f"{folder}/{probe}", b"")
    try:
        found = remote.list(folder)
    finally:
        remote.delete([f"{folder}/{probe}"])
    now_s, then_s = (
        found[name].modified_s if name in found else None for name in (probe, str(number))
    )
    return now_s - then_s if now_s and then_s else 0.0


def _record(*, released: bool = False) -> bytes:
    data = {"holder": str(ProcessName.own()), "released": released, "word": uuid.uuid4().hex}
    return json.dumps(data).encode()


def _read(remote: Remote, folder: str, number: int) -> dict[str, Any]:
    """What the holder wrote; empty where that is damaged, which is held until it is old."""
    text = remote.read(f"{folder}/{number}") or b"{}"
    try:
        data = json.loads(text)
    except (ValueError, RecursionError):
        return {}
    return data if isinstance(data, dict) else {}


def _busy(remote: Remote, study: str, record: dict[str, Any]) -> FolderError:
    holder = str(record.get("holder", "unknown"))[:100]
    return FolderError(
        f"{remote.url}/{study}: another launch is running there ({holder!r}); wait, or stop it. "
        f"One that died on another machine is taken over {DEAD_AFTER_S:.0f} s later"
    )

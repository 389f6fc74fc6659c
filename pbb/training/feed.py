"""Batches made ahead of the training that takes them, in a thread; in order, whatever the timing.

A thread and no process: stages last seconds, Ray's workers must not fork, and what costs most,
tokenising, is done outside Python's lock. Several items at a time, so that the thread, which
takes Python's lock from a small step whenever it wakes, wakes seldom.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from queue import SimpleQueue
from types import TracebackType
from typing import Final, Generic, Self, TypeVar

T = TypeVar("T")

AHEAD: Final = 16
"""Steps that may lie ready: enough for a pause of the maker, little to hold in memory."""


@dataclass(frozen=True)
class _End:
    """Nothing more comes: the source is exhausted, or raised."""

    error: BaseException | None = None


class Feed(Iterator[T], Generic[T]):
    """The items of `source`, at most `ahead` of them made before they are asked for.

    What the source raises is raised where its item would have come. waited_s: seconds that the
    taker has spent waiting. Leaving the context stops the thread.
    """

    def __init__(self, source: Iterable[T], ahead: int = AHEAD) -> None:
        self.waited_s = 0.0
        self._ready: SimpleQueue[T | _End] = SimpleQueue()
        self._at_once = max(1, ahead // 2)
        self._room = threading.Semaphore(ahead // self._at_once)
        self._taken = 0
        self._closed = False
        self._ended = False
        self._thread = threading.Thread(target=self._fill, args=(source,), name="feed", daemon=True)
        self._thread.start()

    def _fill(self, source: Iterable[T]) -> None:
        end = _End()
        try:
            items = iter(source)
            while self._room.acquire():
                for _ in range(self._at_once):
                    if self._closed:
                        raise StopIteration
                    self._ready.put(next(items))
        except StopIteration:
            pass
        except BaseException as error:
            end = _End(error)
        self._ready.put(end)

    def __next__(self) -> T:
        if self._ended:
            raise StopIteration
        began = time.perf_counter()
        item = self._ready.get()
        self.waited_s += time.perf_counter() - began
        if isinstance(item, _End):
            self._ended = True
            raise item.error or StopIteration
        self._taken += 1
        if self._taken % self._at_once == 0:
            self._room.release()
        return item

    def close(self) -> None:
        """Stop making items; returns when the one under way is done."""
        self._closed = self._ended = True
        self._room.release()
        self._thread.join()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

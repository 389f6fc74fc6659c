"""Progress of a launch: a live line on a terminal, a plain one now and then elsewhere."""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final, Protocol, TextIO

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

from study.pool import Counts

PLAIN_EVERY_S: Final = 30.0


class Display(Protocol):
    """Shows how far the stages are."""

    def update(self, counts: Counts) -> None:
        """The stages stand so."""


class Silent:
    """Shows nothing."""

    def update(self, counts: Counts) -> None:
        """See Display."""


class Plain:
    """A line when something was finished, at most every `PLAIN_EVERY_S` seconds."""

    def __init__(self, sink: TextIO) -> None:
        self._sink = sink
        self._clock = _Clock()
        self._next_s = 0.0
        self._told: Counts | None = None

    def update(self, counts: Counts) -> None:
        """See Display."""
        now = time.monotonic()
        at_end = counts.running + counts.waiting == 0
        if counts == self._told or (now < self._next_s and not at_end):
            return
        self._told, self._next_s = counts, now + PLAIN_EVERY_S
        self._sink.write(f"stages: {described(counts)}{self._clock.left(counts)}\n")
        self._sink.flush()


class Live:
    """A bar that redraws itself."""

    def __init__(self, progress: Progress) -> None:
        self._progress = progress
        self._clock = _Clock()
        self._task = progress.add_task("starting", total=None)

    def update(self, counts: Counts) -> None:
        """See Display."""
        ended = counts.done + counts.cached + counts.failed
        self._progress.update(
            self._task,
            total=ended + counts.running + counts.waiting,
            completed=ended,
            description=f"{described(counts)}{self._clock.left(counts)}",
        )


@contextmanager
def display(quiet: bool) -> Iterator[Display]:
    """What suits the terminal. It keeps writing there if standard error is turned elsewhere."""
    if quiet:
        yield Silent()
        return
    with os.fdopen(os.dup(sys.__stderr__.fileno() if sys.__stderr__ else 2), "w") as sink:
        if not sink.isatty():
            yield Plain(sink)
            return
        columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn())
        progress = Progress(
            *columns,
            TimeElapsedColumn(),
            console=Console(file=sink),
            transient=True,
            redirect_stdout=False,  # or rich would bring to the terminal what a backend
            redirect_stderr=False,  # has turned elsewhere
        )
        with progress:
            yield Live(progress)


def described(counts: Counts) -> str:
    """The counts in words, without those that are zero, but always `done`."""
    parts = [f"{counts.done} done"]
    for number, word in (
        (counts.cached, "cached"),
        (counts.running, "running"),
        (counts.waiting, "waiting"),
        (counts.failed, "failed"),
    ):
        if number:
            parts.append(f"{number} {word}")
    return ", ".join(parts)


class _Clock:
    """Time left, from the pace since the first stage of this launch was begun."""

    def __init__(self) -> None:
        self._began_s: float | None = None

    def left(self, counts: Counts) -> str:
        now = time.monotonic()
        if self._began_s is None and counts.running:
            self._began_s = now
        to_do = counts.running + counts.waiting
        if self._began_s is None or not counts.done or not to_do:
            return ""
        seconds = (now - self._began_s) / counts.done * to_do
        return f", about {_told(seconds)} left"


def _told(seconds: float) -> str:
    if seconds < 90:
        return f"{seconds:.0f} s"
    minutes = seconds / 60
    return f"{minutes:.0f} min" if minutes < 90 else f"{minutes / 60:.1f} h"

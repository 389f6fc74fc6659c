"""Watches Ray's head, since without it Ray ends a process with no word on the terminal."""

from __future__ import annotations

import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Final

EVERY_S: Final = 1.0
MISSED: Final = 3
"""So many times in a row it must fail to answer before that is told."""


@contextmanager
def head_watch(address: str, tell: Callable[[str], None]) -> Iterator[None]:
    """Watch the head at host:port while the block lasts; `tell` gets a line where it is gone.

    To be left before Ray is stopped, which a head of our own does not outlive.
    """
    over = threading.Event()
    thread = threading.Thread(target=_watch, args=(address, tell, over), daemon=True)
    thread.start()
    try:
        yield
    finally:
        over.set()
        thread.join()


def _watch(address: str, tell: Callable[[str], None], over: threading.Event) -> None:
    missed = 0
    while missed < MISSED:
        if over.wait(EVERY_S):
            return
        missed = 0 if _answers(address) else missed + 1
    if not over.is_set():
        tell(
            f"pbb-study: Ray's head at {address} does not answer. Unless it comes back, this "
            "launch ends within a minute; launch again: all that is finished is kept"
        )


def _answers(address: str) -> bool:
    host, _, port = address.rpartition(":")
    try:
        with socket.create_connection((host.strip("[]"), int(port)), timeout=EVERY_S):
            return True
    except OSError:
        return False

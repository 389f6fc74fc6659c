"""Watches Ray's head, since without it Ray ends a process with no word on the terminal."""

from __future__ import annotations

import os
import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Final

import ray

EVERY_S: Final = 1.0
MISSED: Final = 3
"""So many times in a row it must fail to answer before that is told."""


@contextmanager
def head_watch() -> Iterator[Callable[[], None]]:
    """Gives a function that begins to watch the head of the Ray that is connected then.

    It tells the standard error of the moment at which this was entered, wherever that goes later.
    """
    terminal, over = os.dup(2), threading.Event()
    threads: list[threading.Thread] = []

    def begin() -> None:
        address = ray.get_runtime_context().gcs_address
        threads.append(threading.Thread(target=_watch, args=(address, terminal, over), daemon=True))
        threads[-1].start()

    try:
        yield begin
    finally:
        over.set()
        for thread in threads:
            thread.join()
        os.close(terminal)


def _watch(address: str, terminal: int, over: threading.Event) -> None:
    missed = 0
    while missed < MISSED:
        if over.wait(EVERY_S):
            return
        missed = 0 if _answers(address) else missed + 1
    told = (
        f"pbb-study: Ray's head at {address} does not answer. Unless it comes back, this launch "
        "ends within a minute; launch again: all that is finished is kept\n"
    )
    os.write(terminal, told.encode())


def _answers(address: str) -> bool:
    host, _, port = address.rpartition(":")
    try:
        with socket.create_connection((host.strip("[]"), int(port)), timeout=EVERY_S):
            return True
    except OSError:
        return False

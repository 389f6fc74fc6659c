"""Which process on which machine: the names that lock files and private folders carry."""

from __future__ import annotations

import os
import socket
from dataclasses import dataclass
from pathlib import Path
from typing import Self


@dataclass(frozen=True)
class ProcessName:
    """A process; `started` tells it from a later one that was given the same number."""

    host: str
    pid: int
    started: str

    @classmethod
    def own(cls) -> Self:
        """This process."""
        return cls(_host(), os.getpid(), _started(os.getpid()) or "0")

    @classmethod
    def parse(cls, text: str) -> Self | None:
        """What `str` wrote, or null where the text is no process's name."""
        host, *numbers = text.strip().rsplit("~", 2)
        if len(numbers) != 2 or not all(number.isdigit() for number in numbers):
            return None
        return cls(host, int(numbers[0]), numbers[1])

    def __str__(self) -> str:
        return f"{self.host}~{self.pid}~{self.started}"

    def is_dead(self) -> bool:
        """True only where this is certain: a process of this machine that is gone."""
        if self.host != _host():
            return False
        try:
            os.kill(self.pid, 0)
        except ProcessLookupError:
            return True
        except PermissionError:
            pass
        return _started(self.pid) not in (None, self.started)


def _host() -> str:
    """This machine, and on it this container: process numbers mean something only within it."""
    try:
        space = Path("/proc/self/ns/pid").readlink().name
    except OSError:
        space = ""
    return socket.gethostname() + "".join(filter(str.isdigit, space))


def _started(pid: int) -> str | None:
    """When the process began, in clock ticks since boot; null where the system does not say."""
    try:
        text = Path(f"/proc/{pid}/stat").read_text("ascii", errors="replace")
    except OSError:
        return None
    state, *fields = text.rpartition(")")[2].split()
    return "-1" if state == "Z" else fields[18]

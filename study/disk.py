"""A full disk: how it shows, and what is said of it."""

from __future__ import annotations

import errno
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from search_spaces.errors import StudyError

_FULL: Final = (errno.ENOSPC, errno.EDQUOT)


class DiskFull(StudyError):
    """Nothing more can be written; no other attempt would do better."""


def is_full(error: BaseException) -> bool:
    """Whether an error says that no space is left, or that a quota is used up.

    Writers that are not Python's (safetensors, Polars) have errors of their own, but say it in the
    system's words.
    """
    if isinstance(error, OSError) and error.errno in _FULL:
        return True
    return any(os.strerror(number) in str(error) for number in _FULL)


@contextmanager
def told_if_full(root: Path) -> Iterator[None]:
    """Raise DiskFull in place of an error that means it."""
    try:
        yield
    except Exception as error:
        if not is_full(error) or isinstance(error, StudyError):
            raise
        raise disk_full(root, error) from error


def disk_full(place: Path, error: BaseException, again: str = "launch") -> DiskFull:
    """What is said of it. again: the command that goes on once there is room."""
    why = (error.strerror if isinstance(error, OSError) else None) or os.strerror(errno.ENOSPC)
    return DiskFull(
        f"{place}: the disk is full ({why}); make room and {again} again: all that is finished is "
        "kept"
    )

"""Freed memory that stays with the process, to be used again at once."""

from __future__ import annotations

import ctypes
from typing import Final

_TRIM_THRESHOLD: Final = -1
_TOP_PAD: Final = -2
_MMAP_THRESHOLD: Final = -3
"""Names of settings in glibc's malloc.h."""

ALWAYS: Final = 2**30
"""Bytes that no tensor of a small model reaches."""
AT_ONCE: Final = 2**26
"""Bytes by which the heap grows."""


def keep_freed_memory() -> None:
    """Let glibc keep what is freed; without glibc, nothing is done.

    A training step takes and frees the same few megabytes every time. Given back to the kernel,
    they come again page by page, each cleared and mapped anew: nearly a tenth of a small step.
    """
    try:
        mallopt = ctypes.CDLL(None).mallopt
    except (AttributeError, OSError, TypeError):
        return
    for setting, value in (
        (_MMAP_THRESHOLD, ALWAYS),
        (_TRIM_THRESHOLD, ALWAYS),
        (_TOP_PAD, AT_ONCE),
    ):
        mallopt(setting, value)

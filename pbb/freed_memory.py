"""Freed memory that stays with the process, to be used again at once."""

from __future__ import annotations

import ctypes
from typing import Final

_TRIM_THRESHOLD: Final = -1
_TOP_PAD: Final = -2
_MMAP_THRESHOLD: Final = -3
"""Names of settings in glibc's malloc.h."""

LARGE: Final = 2**25
"""Bytes from which an allocation is the kernel's own again; older glibc takes no more."""
KEPT: Final = 2**28
"""Bytes that may lie free at the end of the heap."""
AT_ONCE: Final = 2**26
"""Bytes by which the heap grows."""


def keep_freed_memory() -> None:
    """Let glibc keep what is freed, within bounds; without glibc, nothing is done.

    A training step takes and frees the same few megabytes every time. Given back to the kernel,
    they come again page by page, each cleared and mapped anew: nearly a tenth of a small step.
    """
    try:
        mallopt = ctypes.CDLL(None).mallopt
    except (AttributeError, OSError, TypeError):
        return
    # Any setting ends glibc's own adapting, so without the first the others would do harm.
    if mallopt(_MMAP_THRESHOLD, LARGE):
        mallopt(_TRIM_THRESHOLD, KEPT)
        mallopt(_TOP_PAD, AT_ONCE)

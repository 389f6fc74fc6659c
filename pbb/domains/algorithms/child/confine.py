"""The third layer, the operating system's: what containment rests on. Standard library.

Each step that a system does not offer is skipped, and its name left out of what is returned.
"""

from __future__ import annotations

import ctypes
import os
import platform
import resource
import signal
import struct
import sys
from typing import Any, Final

RESULTS_FD: Final = 3
"""The only descriptor left open: a pipe to the process that started this one."""

_PR_SET_PDEATHSIG, _PR_SET_NO_NEW_PRIVS, _PR_SET_SECCOMP, _SECCOMP_MODE_FILTER = 1, 38, 22, 2
_CLONE_NEWNET: Final = 0x40000000

# Numbers of system calls (uapi/asm/unistd.h, asm-generic/unistd.h), by machine: its audit number,
# the one that writes, those that map memory with a protection, and others that compute needs:
# brk munmap mremap madvise futex rt_sigprocmask rt_sigreturn clock_gettime
# restart_syscall exit exit_group.
_CALLS: Final = {
    "x86_64": (0xC000003E, 1, (9, 10), (12, 11, 25, 28, 202, 14, 15, 228, 219, 60, 231)),
    "aarch64": (
        *(0xC00000B7, 64, (222, 226)),
        (214, 215, 216, 233, 98, 135, 139, 113, 128, 93, 94),
    ),
}


def isolate_network() -> bool:
    """Moves this process, and those it starts, to a network namespace without any interface."""
    try:
        return bool(_libc().unshare(_CLONE_NEWNET) == 0)
    except (OSError, AttributeError):
        return False


def confine(results_fd: int, cpu_seconds: int, memory_bytes: int) -> tuple[str, ...]:
    """Gives up all but computing, and writing to `results_fd`, which is RESULTS_FD from here on.

    cpu_seconds: of the whole process. Returns the names of the layers in force. Nothing that is not
    loaded yet can be loaded afterwards.
    """
    os.dup2(results_fd, RESULTS_FD)
    os.closerange(0, RESULTS_FD)
    os.closerange(RESULTS_FD + 1, 1024)
    layers = {
        "unprivileged": _drop_privileges(),
        "limits": _limit(cpu_seconds, memory_bytes),
        "no new privileges": _prctl(_PR_SET_NO_NEW_PRIVS, 1),
        "dies with its parent": _prctl(_PR_SET_PDEATHSIG, signal.SIGKILL),
        "system call filter": _filter_calls(),
    }
    return tuple(name for name, works in layers.items() if works)


def _drop_privileges() -> bool:
    if os.getuid() != 0:
        return True
    nobody = 65534
    try:
        os.setgroups([])
        os.setgid(nobody)
        os.setuid(nobody)
    except OSError:
        return False
    return True


def _limit(cpu_seconds: int, memory_bytes: int) -> bool:
    values = {
        "RLIMIT_CORE": 0,
        "RLIMIT_FSIZE": 0,
        "RLIMIT_NOFILE": 0,
        "RLIMIT_NPROC": 0,
        "RLIMIT_CPU": cpu_seconds,
        "RLIMIT_AS": memory_bytes,
    }
    works = {name: _set_limit(name, value) for name, value in values.items()}
    return all(works.values())  # each was tried


def _set_limit(name: str, value: int) -> bool:
    try:
        resource.setrlimit(getattr(resource, name), (value, value))
    except (ValueError, OSError, AttributeError):
        return False
    return True


def _libc() -> Any:
    return ctypes.CDLL(None, use_errno=True)


def _prctl(option: int, second: int, third: object = 0) -> bool:
    if not sys.platform.startswith("linux"):
        return False
    words = [
        ctypes.c_ulong(second),
        third or ctypes.c_ulong(0),
        ctypes.c_ulong(0),
        ctypes.c_ulong(0),
    ]
    return bool(_libc().prctl(option, *words) == 0)


def _filter_calls() -> bool:
    """Lets through some fifteen system calls; any other fails as not permitted (EPERM)."""
    if platform.machine() not in _CALLS or sys.maxsize < 2**32:
        return False
    program = _program(*_CALLS[platform.machine()])
    text = ctypes.create_string_buffer(program)
    header = ctypes.create_string_buffer(
        struct.pack("@HP", len(program) // 8, ctypes.addressof(text))
    )
    return _prctl(_PR_SET_SECCOMP, _SECCOMP_MODE_FILTER, ctypes.byref(header))


def _program(machine: int, write: int, mapping: tuple[int, ...], plain: tuple[int, ...]) -> bytes:
    """The filter in classic BPF (linux/filter.h, linux/seccomp.h): no jump leads far."""
    load, equal, any_bit, give = 0x20, 0x15, 0x45, 0x06
    refuse, allow = (give, 0, 0, 0x00050000 | 1), (give, 0, 0, 0x7FFF0000)

    def when(call: int, body: list[tuple[int, int, int, int]]) -> list[tuple[int, int, int, int]]:
        return [(equal, 0, len(body), call), *body]

    def argument(index: int) -> tuple[int, int, int, int]:
        return (load, 0, 0, 16 + 8 * index)  # the lower half: both machines are little-endian

    steps = [(load, 0, 0, 4), (equal, 1, 0, machine), refuse, (load, 0, 0, 0)]
    for call in plain:
        steps += when(call, [allow])
    for call in mapping:  # memory that cannot be executed
        steps += when(call, [argument(2), (any_bit, 0, 1, 4), refuse, allow])
    steps += when(write, [argument(0), (equal, 0, 1, RESULTS_FD), allow, refuse])
    steps.append(refuse)
    return b"".join(struct.pack("=HBBI", *step) for step in steps)

"""What a unit of work costs: constants that were measured, and how this machine compares."""

from __future__ import annotations

import os
import time
from dataclasses import dataclass
from typing import Final

import numpy as np

from study.costs import Work

CPU: Final = Work(
    stages=0.029,
    updates=0.0021,
    learnt_tokens=3.4e-06,
    choices=0.00066,
    decoded_tokens=5.6e-06,
    flop=9.2e-12,
)
"""Seconds of one core, float32, eager, bases of 0.16 to 3.0 million parameters: what `make
bench-forecast` printed on 2026-11-26 under numerics version 3, on an x86-64 server."""
GPU: Final = Work(flop=1 / 1.4e13)
"""Seconds of one datacentre GPU, bf16, eager, padded: 4 x 135M x 25,000 tokens/s, measured in
training. The latency of decoding, a launch a token, is not priced: long answers take longer."""
PROBE_S: Final = 0.00992
"""What `probe` took where and when `CPU` was measured."""
LAUNCH_S: Final = 23.0
"""From a launch on Ray to the first stage, and from the last one to the report; measured."""


@dataclass(frozen=True)
class Machine:
    """cores: CPUs that trainers may hold. slowness: seconds here for one where `CPU` was
    measured."""

    cores: int
    slowness: float


REFERENCE: Final = Machine(cores=2, slowness=1.0)
"""Where the prices were measured."""


def this_machine() -> Machine:
    """The machine that this process runs on; takes a tenth of a second to find out."""
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    return Machine(cores or 1, probe() / PROBE_S)


def probe() -> float:
    """Processor seconds that a fixed piece of work takes: small matrices, as small bases have them.

    The least of several tries, since what disturbs a try only lengthens it.
    """
    rng = np.random.default_rng(0)
    left, right = rng.random((8, 64), np.float32), rng.random((64, 192), np.float32)

    def once() -> float:
        began = time.thread_time()
        for _ in range(2000):
            np.tanh(left @ right).sum()
        return time.thread_time() - began

    return min(once() for _ in range(5))

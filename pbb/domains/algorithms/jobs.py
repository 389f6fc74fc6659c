"""Many functions in the sandbox at once, shared out among the processors."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from typing import Final, TypeVar

from pbb.domains.algorithms.drawing import Drawing, Drawn, draw_inputs
from pbb.domains.algorithms.sandbox import Job, Limits, Ran, run_functions
from pbb.domains.algorithms.source import PLACEHOLDER

LIMITS: Final = Limits(seconds_per_call=0.5, seconds=2.0)
CALLS_PER_SECOND: Final = 100
"""All calls of a function may take longer than LIMITS say where there are many."""
T = TypeVar("T")
R = TypeVar("R")


def job(code: str, calls: Iterable[str]) -> Job:
    """Calls of a standalone function."""
    return Job(code, PLACEHOLDER, tuple(calls))


def run_jobs(jobs: Sequence[Job], hash_seed: int = 0) -> list[tuple[Ran, ...]]:
    """As `run_functions`."""
    longest = max((len(each.calls) for each in jobs), default=0)
    limits = replace(LIMITS, seconds=max(LIMITS.seconds, longest / CALLS_PER_SECOND))
    return _shared_out(lambda part: run_functions(part, limits, hash_seed=hash_seed), jobs)


def run_drawings(drawings: Sequence[Drawing], hash_seed: int = 0) -> list[Drawn]:
    """As `draw_inputs`."""
    return _shared_out(lambda part: draw_inputs(part, LIMITS, hash_seed=hash_seed), drawings)


def _shared_out(run: Callable[[Sequence[T]], Sequence[R]], given: Sequence[T]) -> list[R]:
    """In order; each part waits for a process of its own, so threads suffice."""
    share = -(-len(given) // (os.cpu_count() or 1)) or 1
    parts = [given[i : i + share] for i in range(0, len(given), share)]
    with ThreadPoolExecutor(max_workers=os.cpu_count()) as pool:
        return [each for part in pool.map(run, parts) for each in part]

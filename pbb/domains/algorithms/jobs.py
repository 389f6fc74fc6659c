"""Many functions in the sandbox at once, shared out among the processors."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor, wait
from dataclasses import replace
from typing import Final, TypeVar

from pbb.domains.algorithms.drawing import Drawing, Drawn, draw_inputs
from pbb.domains.algorithms.sandbox import Job, Limits, Ran, end_runners, run_functions
from pbb.domains.algorithms.source import PLACEHOLDER

LIMITS: Final = Limits(seconds_per_call=0.5, seconds=2.0)
CALLS_PER_SECOND: Final = 100
"""All calls of a function may take longer than LIMITS say where there are many."""
POLL_SECONDS: Final = 0.05
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
        waiting: list[Future[Sequence[R]]] = []
        try:
            waiting.extend(pool.submit(run, part) for part in parts)
            while wait(waiting, timeout=POLL_SECONDS).not_done:
                pass  # awake now and then: a signal that comes as a wait begins would lie unseen
            return [each for future in waiting for each in future.result()]
        except (KeyboardInterrupt, SystemExit):
            _abandon(waiting)
            raise


def _abandon(waiting: Sequence[Future[R]]) -> None:
    """Ends all runs at once; otherwise leaving the pool would wait for them."""
    for future in waiting:
        future.cancel()
    while wait(waiting, timeout=POLL_SECONDS).not_done:
        end_runners()  # again and again: a thread may have been about to start one

"""What is rehearsed: each part runs in a process of its own and gives its figures."""

from __future__ import annotations

import os
import resource
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path
from typing import Any
from unittest.mock import patch

from analysis.load import load_counts
from study import items
from study.backends import ray_environment
from study.launch import LaunchResult, launch
from study.plan import make_plan
from tests.rehearsal.designs import files_in, rehearsed
from tests.rehearsal.processes import watched
from tests.rehearsal.simulated import RUNNER
from tests.study.studies import fake_base

STAGES_A_SEED = 81
"""One stage 1, and stage 2 and evaluation of 40 runs."""

Figures = dict[str, Any]


def pool_and_store(folder: Path, stages: int, workers: int, stage_s: float) -> Figures:
    """At least so many stages through the pool and the store."""
    from tests.rehearsal.pool_and_store import pass_through  # brings Ray, prepared in `on_ray`

    trials = make_plan(rehearsed(trials_of(stages)), fake_base).trials
    began, worked = time.monotonic(), time.process_time()
    passed = pass_through(trials, folder, workers=workers, stage_s=stage_s)
    return asdict(passed) | {
        "trials": len(trials),
        "cpu_s": time.process_time() - worked,
        "wall_s": time.monotonic() - began,
        "peak_gib": peak_gib(),
        "files": files_in(folder / "stages"),
    }


def collecting(folder: Path, stages: int) -> Figures:
    """Launches of the study whose stages `pool_and_store` left in the store."""
    study = rehearsed(trials_of(stages))
    figures: Figures = {}

    def launched() -> LaunchResult:
        return launch(study, folder, "local", quiet=True, runner=RUNNER, resolve=fake_base)

    def read() -> None:
        load_counts(folder / study.name)

    with patch.object(items, "MANY_FILES", 10**9):
        with timed(figures, "collect"):
            result = launched()
        figures["files"] = files_in(result.folder / "items")
        with timed(figures, "read"):
            read()
    files = items.ItemFiles(result.folder / "items")
    with timed(figures, "compact"):
        files.compact([path.stem for path in (result.folder / "items").iterdir()])
    figures["files_compacted"] = files_in(result.folder / "items")
    with timed(figures, "read_compacted"):
        read()
    with timed(figures, "relaunch"):
        assert launched().stages_run == 0
    return figures | {"trials": result.ok, "peak_gib": peak_gib()}


def on_ray(folder: Path, trials: int) -> Figures:
    """Trials through Ray Tune and OptunaSearch with instant stages, from `launch` to its end."""
    ray_environment.prepare()
    began, began_at = time.monotonic(), time.time()
    with watched() as watch:
        result = launch(
            rehearsed(trials), folder, "ray", quiet=True, runner=RUNNER, resolve=fake_base
        )
    first = min(path.stat().st_mtime for path in folder.glob("stages/*/adapter_config.json"))
    return {
        "trials": result.ok,
        "stages": result.stages_run,
        "wall_s": time.monotonic() - began,
        "first_stage_s": first - began_at,
        "cpu_s": watch.cpu_s,
        "peak_gib": watch.peak_mib / 1024,
        "processes": {kind: asdict(used) for kind, used in watch.by_kind().items()},
    }


PARTS: dict[str, Callable[..., Figures]] = {
    each.__name__: each for each in (pool_and_store, collecting, on_ray)
}


def trials_of(stages: int) -> int:
    """How many trials have at least so many stages."""
    return -(-stages // STAGES_A_SEED) * (STAGES_A_SEED // 2)


def peak_gib() -> float:
    """Peak resident memory of this process."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20


@contextmanager
def timed(figures: Figures, what: str) -> Iterator[None]:
    """Note seconds and processor seconds of the block."""
    began, worked = time.monotonic(), time.process_time()
    yield
    figures[f"{what}_s"] = time.monotonic() - began
    figures[f"{what}_cpu_s"] = time.process_time() - worked


def machine() -> Figures:
    """What kind it is, and how busy it was."""
    return {"cores": os.cpu_count(), "load": os.getloadavg()[0]}

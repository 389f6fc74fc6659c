"""A sample of a study's trials by the engine: `python -m tests.bench.engine_stages STUDY COUNT`.

Every distinct stage once, in this process, handed out by the pool's own rules: one after the other
on CPU, in cohorts on a GPU, whose seconds are their stages' in equal parts (those of a sample are
smaller than the study's, so it takes many trials to show what cohorts gain). Prints JSON: seconds
of each stage by fingerprint, loading its base included; accuracies by trial; and when the stages
were run.
"""

from __future__ import annotations

import json
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import polars as pl
import torch

from pbb.engine import Engine
from pbb.jobs import Job
from pbb.records import Status
from pbb.stage_files import ITEMS_FILE
from study.backends.work import share_right
from study.plan import PlannedStage, Trial
from study.pool import StagePool
from tests.bench.answered_sample import Asked, asked_of, planned, sample
from tests.bench.training import seconds_on

WORKER = "bench"


def by_engine(trials: Sequence[Trial], device: str, at_once: int, folder: Path) -> dict[str, Any]:
    """Runs the trials' stages. at_once: of a cohort. folder: for what stages leave.

    Gives the seconds of each, when by the clock cohorts began and ended, and accuracies.
    """
    pool, engine = StagePool(lambda _: None, cohort_size=at_once), Engine(device)
    for trial in trials:
        pool.request(trial.chain)
    seconds: dict[str, float] = {}
    spans: list[tuple[float, float]] = []
    while cohort := pool.take(WORKER):
        jobs = [
            Job(each.stage, folder / each.parent if each.parent else None, _new(folder, each))
            for each in cohort
        ]
        began_s, began = time.time(), seconds_on(engine.device)
        outcomes = list(engine.run_cohort(jobs))
        share = (seconds_on(engine.device) - began) / len(cohort)
        spans.append((began_s, time.time()))
        for planned_, outcome in zip(cohort, outcomes, strict=True):
            if outcome.status is not Status.OK:
                raise SystemExit(f"a stage ended as {outcome.status.value}: {outcome.reason}")
            seconds[planned_.fingerprint] = share
            pool.complete(WORKER, planned_.fingerprint, outcome)
    return {
        "stages": seconds,
        "spans": spans,
        "accuracy": {
            trial.id: share_right(
                trial, pl.read_parquet(folder / trial.chain[-1].fingerprint / ITEMS_FILE)
            )
            for trial in trials
        },
    }


def _new(folder: Path, stage: PlannedStage) -> Path:
    out = folder / stage.fingerprint
    out.mkdir()
    return out


def main(asked: Asked) -> None:
    """Run the sample of the study's trials."""
    torch.set_num_threads(1)
    plan = planned(asked.study, asked.smoke)
    trials = sample(plan.trials, asked.trials)
    at_once = plan.study.resources.stages_at_once if asked.device == "cuda" else 1
    with tempfile.TemporaryDirectory() as folder:
        print(json.dumps(by_engine(trials, asked.device, at_once, Path(folder))))


if __name__ == "__main__":
    main(asked_of(__doc__))

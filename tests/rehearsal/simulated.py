"""A runner whose stages take simulated time and leave files like those of a small real stage."""

from __future__ import annotations

import io
import os
import time
from collections.abc import Iterator, Sequence
from functools import cache

import numpy as np
import polars as pl
from safetensors.numpy import save

from pbb.config import EvaluateStage, Question
from pbb.jobs import Job
from pbb.records import ITEM_SCHEMA, NEUTRAL_ITEM_COLUMNS, StageOutcome, Status, TrainSummary

RUNNER = "tests.rehearsal.simulated:Simulated"
SECONDS = "REHEARSAL_STAGE_S"
"""Environment variable: how long a stage takes; instant where it is not set."""
ADAPTER_BYTES = 64 * 1024
PROGRAMS, ITEMS = 32, 8
"""Target programs asked, and items of each."""


class Simulated:
    """Every stage ends well; all adapters and all answers are the same."""

    def run_cohort(self, jobs: Sequence[Job]) -> Iterator[StageOutcome]:
        """Outcomes in order."""
        return map(self._run, jobs)

    def _run(self, job: Job) -> StageOutcome:
        began = time.monotonic()
        if isinstance(job.stage, EvaluateStage):
            (job.out / "items.parquet").write_bytes(_answers(_format(job.stage)))
            summary = None
        else:
            (job.out / "adapter_model.safetensors").write_bytes(_adapter())
            (job.out / "adapter_config.json").write_text("{}")
            summary = _summary(job.stage.recipe.steps)
        time.sleep(max(0.0, stage_s() - (time.monotonic() - began)))
        return StageOutcome(
            status=Status.OK, summary=summary, wall_s=time.monotonic() - began, load_s=0.0
        )


def stage_s() -> float:
    """How long a stage takes."""
    return float(os.environ.get(SECONDS, "0"))


def _format(stage: EvaluateStage) -> str:
    return next(each.response_format for each in stage.questions if isinstance(each, Question))


@cache
def _adapter() -> bytes:
    return save({"weight": np.zeros(ADAPTER_BYTES // 4, dtype=np.float32)})


@cache
def _answers(response_format: str) -> bytes:
    """A Parquet file of neutral item rows."""
    rows = [
        {
            "response_format": response_format,
            "domain": "arithmetic",
            "representation": "code",
            "paths": 2,
            "split": "target",
            "measure": "execution",
            "stage": 2,
            "step": 30,
            "program": f"zibble{program:02}",
            "item": item,
            "correct": (program + item) % 3 == 0,
            "score": float((program + item) % 3 == 0),
            "prompt": f"compute zibble{program:02}({item})\ntrace:",
            "expected": str(program * item),
            "output": f" {program} * {item} = {program * item}\nanswer: {program * item}",
        }
        for program in range(PROGRAMS)
        for item in range(ITEMS)
    ]
    schema = {name: ITEM_SCHEMA[name] for name in NEUTRAL_ITEM_COLUMNS}
    with (file := io.BytesIO()):
        pl.DataFrame(rows, schema=schema).write_parquet(file)
        return file.getvalue()


def _summary(steps: int) -> TrainSummary:
    return TrainSummary(
        steps=steps,
        tokens=64 * steps,
        target_tokens=32 * steps,
        replay_tokens=0,
        documents=10,
        unique_documents=10,
        epochs=1.0,
        final_loss_nats_per_token=0.5,
        adapter_shift=1.0,
    )

"""A runner whose results follow from the stage alone, for tests of everything around training.

Environment: FAKE_ENGINE_LOG, a file that gets a line for every stage begun; FAKE_ENGINE_SLEEP_S;
FAKE_ENGINE_RAISE and FAKE_ENGINE_DIVERGE, a training role each, or `evaluate <stage>.<step>`.
"""

from __future__ import annotations

import hashlib
import os
import signal
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
import polars as pl
from safetensors.numpy import load_file, save_file

from pbb.config import EvaluateStage, Question, RlStage, Stage, TrainingStage
from pbb.durable import parquet_bytes
from pbb.jobs import Job
from pbb.records import ITEM_SCHEMA, NEUTRAL_ITEM_COLUMNS, StageOutcome, Status, TrainSummary


class FakeEngine:
    """Weights are the digest of the stage and of its parent's weights; answers follow from them."""

    def run(self, stage: Stage, parent: Path | None, out: Path, scratch: Path) -> StageOutcome:
        inherited = load_file(_weights(stage, parent))["w"].tobytes() if parent else b""
        digest = hashlib.sha256(stage.model_dump_json().encode() + inherited).digest()
        role = _asked_at(stage) if isinstance(stage, EvaluateStage) else stage.role
        _log(f"{role} {digest.hex()[:12]}")
        (out / "half-written").write_bytes(digest)
        _misbehave(role)
        (out / "half-written").unlink()
        if os.environ.get("FAKE_ENGINE_DIVERGE") == role:
            return StageOutcome(status=Status.DIVERGED, reason="NaN", wall_s=0.1, load_s=0.0)
        if isinstance(stage, EvaluateStage):
            (out / "items.parquet").write_bytes(parquet_bytes(_answers(stage, digest)))
            return StageOutcome(status=Status.OK, wall_s=0.25, load_s=0.0)
        _save(digest, out)
        for step in stage.checkpoints:
            _save(hashlib.sha256(digest + str(step).encode()).digest(), out / f"checkpoint-{step}")
        return StageOutcome(status=Status.OK, summary=_summary(stage), wall_s=0.5, load_s=0.0)

    def run_cohort(self, jobs: Sequence[Job]) -> Iterator[StageOutcome]:
        if len(jobs) > 1:
            _log(f"cohort {len(jobs)}")
        return (self.run(job.stage, job.parent, job.out, job.scratch) for job in jobs)


class KilledOnce(FakeEngine):
    """The process that finds the file `kill` in the store's root removes it and dies mid-stage."""

    def run(self, stage: Stage, parent: Path | None, out: Path, scratch: Path) -> StageOutcome:
        kill = out.parents[2] / "kill"
        if parent is not None and kill.is_file():
            kill.unlink()
            (out / "half-written").touch()
            os.kill(os.getpid(), signal.SIGKILL)
        return super().run(stage, parent, out, scratch)


def _asked_at(stage: EvaluateStage) -> str:
    return f"{stage.kind} {stage.stage}.{stage.step}"


def _save(digest: bytes, folder: Path) -> None:
    folder.mkdir(exist_ok=True)
    save_file({"w": np.frombuffer(digest, dtype=np.uint8)}, folder / "adapter.safetensors")


def _weights(stage: Stage, parent: Path) -> Path:
    asked = stage.checkpoint if isinstance(stage, EvaluateStage) else None
    return (parent / f"checkpoint-{asked}" if asked else parent) / "adapter.safetensors"


def _log(line: str) -> None:
    name = os.environ.get("FAKE_ENGINE_LOG")
    if name:
        with Path(name).open("a") as file:
            file.write(f"{os.getpid()} {line}\n")


def _misbehave(role: str) -> None:
    time.sleep(float(os.environ.get("FAKE_ENGINE_SLEEP_S", "0")))
    if os.environ.get("FAKE_ENGINE_RAISE") == role:
        raise RuntimeError("the device fell off the bus")


def _summary(stage: TrainingStage) -> TrainSummary:
    each = 100 if isinstance(stage, RlStage) else stage.recipe.tokens_per_step
    tokens = stage.recipe.steps * each
    return TrainSummary(
        steps=stage.recipe.steps,
        tokens=tokens,
        target_tokens=tokens // 2,
        replay_tokens=0,
        documents=10,
        unique_documents=10,
        epochs=1.0,
        final_loss_nats_per_token=0.5,
        adapter_shift=1.0,
    )


def _answers(stage: EvaluateStage, digest: bytes) -> pl.DataFrame:
    rows = []
    for question in stage.questions:
        executed = isinstance(question, Question)
        for program in range(2):
            for item in range(4):
                key = f"{question.model_dump_json()}{program}{item}".encode()
                value = hashlib.sha256(digest + key).digest()[0]
                rows.append(
                    {
                        "response_format": question.response_format if executed else None,
                        "domain": "arithmetic",
                        "representation": "code",
                        "paths": 1,
                        "split": question.split,
                        "measure": question.measure if executed else "recall",
                        "stage": stage.stage,
                        "step": stage.step,
                        "program": f"{question.split}{program}",
                        "item": item,
                        "correct": value % 2 == 0,
                        "score": value / 255,
                        "prompt": f"p{item} = ?",
                        "expected": "0",
                        "output": str(value % 2),
                    }
                )
    schema = {name: ITEM_SCHEMA[name] for name in NEUTRAL_ITEM_COLUMNS}
    return pl.DataFrame(rows, schema=schema)

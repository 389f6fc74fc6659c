"""What a stage leaves in its folder, and finds in its parent's."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Final

import polars as pl
from torch import Tensor

from pbb.config import EvaluateStage, Lora
from pbb.durable import parquet_bytes
from pbb.models.adapters import LORA_FILE, AdapterError, Attached, checkpoint
from pbb.records import RlStepRecord, StepRecord

STEPS_FILE: Final = "steps.parquet"
ITEMS_FILE: Final = "items.parquet"


def evaluated_folder(stage: EvaluateStage, parent: Path | None) -> Path | None:
    """Where the weights lie that are evaluated; null for the bare base. Raises AdapterError."""
    if stage.checkpoint is None:
        return parent
    return _kept_checkpoint(parent, stage.checkpoint)


def saved_lora(folder: Path) -> Lora:
    """What the weights of a folder are."""
    return Lora.model_validate_json((folder / LORA_FILE).read_text())


def _kept_checkpoint(parent: Path | None, step: int) -> Path:
    folder = checkpoint(parent, step) if parent else None
    if folder is None or not folder.is_dir():
        raise AdapterError(
            f"evaluation asks for the weights after step {step}, which {parent or 'the bare base'} "
            "did not keep; name the step in its stage's checkpoints"
        )
    return folder


def save_checkpoint(attached: Attached, weights: dict[str, Tensor], out: Path, step: int) -> None:
    """Write a stage's weights as they were after a step."""
    folder = checkpoint(out, step)
    folder.mkdir()
    attached.write(folder, weights)


def write_records(records: Sequence[StepRecord] | Sequence[RlStepRecord], out: Path) -> None:
    """Write what the steps of a stage were."""
    frame = pl.DataFrame([r.model_dump() for r in records])
    (out / STEPS_FILE).write_bytes(parquet_bytes(frame))

"""Outputs of an experiment: the records it writes and their Parquet schema.

Everything downstream (`analysis`, a user's own notebook) reads these and nothing else.
"""

from __future__ import annotations

from enum import StrEnum
from typing import Final

import polars as pl
from pydantic import BaseModel, ConfigDict

SCHEMA_VERSION: Final = 2
"""2 has the column `stage`, and rows without a response format (`measure` recall)."""
SCHEMA_KEY: Final = "pbb_schema_version"
"""Key of the Parquet file's own metadata under which the schema version stands."""
TRIALS_KEY: Final = "pbb_trials"
"""Key in a file of many trials: how many rows each of them has, in order, as a JSON object."""
REPLACES_KEY: Final = "pbb_replaces"
"""Key in such a file: names of files of many trials whose rows it took over, as a JSON list."""

ITEM_SCHEMA: Final[dict[str, pl.DataType]] = {
    "study": pl.String(),
    "cell": pl.String(),
    "run": pl.String(),
    "model": pl.String(),
    "n_params": pl.Int64(),
    "curriculum": pl.String(),
    "arm": pl.String(),
    "instructions": pl.Int32(),
    "demonstrations": pl.Int32(),
    "demonstration_format": pl.String(),
    "response_format": pl.String(),
    "representation": pl.String(),
    "domain": pl.String(),
    "lora_rank": pl.Int32(),
    "acquisition": pl.Int32(),
    "templates": pl.Int32(),
    "paths": pl.Int32(),
    "seed": pl.Int64(),
    "stage1_seed": pl.Int64(),
    "split": pl.String(),
    "measure": pl.String(),
    "stage": pl.Int32(),
    "step": pl.Int32(),
    "program": pl.String(),
    "item": pl.Int32(),
    "correct": pl.Boolean(),
    "score": pl.Float32(),
    "prompt": pl.String(),
    "expected": pl.String(),
    "output": pl.String(),
    "factors": pl.String(),
}
"""One row per evaluated item; meanings in docs/contracts.md."""

REQUIRED_COLUMNS: Final = (
    "run",
    "model",
    "arm",
    "demonstrations",
    "seed",
    "program",
    "item",
    "correct",
)
"""The columns that item rows from elsewhere must bring; the others have defaults."""


class Status(StrEnum):
    """How a trial or a stage ended."""

    OK = "ok"
    DIVERGED = "diverged"
    OUT_OF_MEMORY = "out_of_memory"
    FAILED = "failed"
    CANCELLED = "cancelled"


class StepRecord(BaseModel):
    """What one optimizer step did. Units in the names."""

    model_config = ConfigDict(frozen=True)

    step: int
    loss_nats_per_token: float
    grad_norm: float
    learning_rate: float
    tokens: int
    target_tokens: int


class RlStepRecord(BaseModel):
    """What one step of reinforcement did: answers sampled, judged, and learnt from.

    Shares are of the step's answers (right, truncated), groups (flat) or sampled tokens (clipped).
    loss, grad_norm, clipped_share: means over the updates of the step. Entropy is the sampling
    policy's, at the stage's temperature; kl is its k3 estimate of the divergence from the parent.
    """

    model_config = ConfigDict(frozen=True)

    step: int
    loss: float
    """Of advantages and ratios, so without a unit; it does not tell how much is learnt."""
    grad_norm: float
    learning_rate: float
    tokens: int
    """Of prompts and answers, padding excluded."""
    target_tokens: int
    """Sampled."""
    reward_mean: float
    right_share: float
    flat_groups_share: float
    """Groups in which every answer earned the same: they teach nothing."""
    truncated_share: float
    """Answers cut off at the stage's limit before their end token."""
    answer_tokens_mean: float
    entropy_nats_per_token: float
    kl_nats_per_token: float
    clipped_share: float
    """Tokens whose ratio the clip held back; 0 on the first update of a step."""


class TrainSummary(BaseModel):
    """Effort of one training stage: what makes two arms comparable (design: same effort).

    epochs: documents drawn over unique documents; tokens exclude padding;
    replay_tokens: the share of `tokens` that came from replayed stage-1 documents. Of a stage that
    reinforces: tokens are those of prompts and answers, target_tokens were sampled, documents are
    prompts asked, and there is no final loss, since its loss measures nothing.
    """

    model_config = ConfigDict(frozen=True)

    steps: int
    tokens: int
    target_tokens: int
    replay_tokens: int
    documents: int
    unique_documents: int
    epochs: float
    final_loss_nats_per_token: float | None
    adapter_shift: float
    """Largest |logit difference| between adapter and parent on a probe; 0 means: not applied."""
    data_wait_s: float = 0.0
    """Seconds that training waited for documents; of the machine, so no part of the result."""


class StageOutcome(BaseModel):
    """How one stage ended. `wall_s` excludes loading the base, which is `load_s` (0 when warm)."""

    model_config = ConfigDict(frozen=True)

    status: Status
    reason: str | None = None
    summary: TrainSummary | None = None
    wall_s: float
    load_s: float


NEUTRAL_ITEM_COLUMNS: Final = (
    "response_format",
    "domain",
    "representation",
    "paths",
    "split",
    "measure",
    "stage",
    "step",
    "program",
    "item",
    "correct",
    "score",
    "prompt",
    "expected",
    "output",
)
"""The columns an evaluation stage knows; the study adds who asked (study, cell, run, factors)."""

"""What plain contenders are given: settings of transformers' Trainer, and padded batches."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor

from pbb.config import Numerics


def trainer_settings(numerics: Numerics, device: torch.device) -> dict[str, Any]:
    """Arguments of every Trainer here: one pass, a fused optimizer, nothing saved or told."""
    return {
        "num_train_epochs": 1,
        "optim": "adamw_torch_fused",
        "bf16": numerics.dtype == "bfloat16",
        "use_cpu": device.type == "cpu",
        "save_strategy": "no",
        "logging_strategy": "no",
        "report_to": [],
        "disable_tqdm": True,
    }


def padded(rows: Sequence[dict[str, Any]]) -> dict[str, torch.Tensor]:
    """A batch of the Trainer's, as wide as its longest document. rows: ids and n_prompt of each."""
    width = max(len(row["ids"]) for row in rows)
    tokens = torch.zeros(len(rows), width, dtype=torch.long)
    mask, labels = torch.zeros_like(tokens), torch.full_like(tokens, -100)
    for i, row in enumerate(rows):
        n = len(row["ids"])
        tokens[i, :n] = torch.tensor(row["ids"])
        mask[i, :n] = 1
        labels[i, row["n_prompt"] : n] = tokens[i, row["n_prompt"] : n]
    return {"input_ids": tokens, "attention_mask": mask, "labels": labels}


def left_padded(prompts: Sequence[Sequence[int]], pad_id: int) -> tuple[Tensor, Tensor]:
    """Tokens and attention mask (rows, longest), as generate takes them."""
    width = max(map(len, prompts))
    tokens = torch.full((len(prompts), width), pad_id)
    mask = torch.zeros_like(tokens)
    for row, prompt in enumerate(prompts):
        tokens[row, width - len(prompt) :] = torch.tensor(prompt)
        mask[row, width - len(prompt) :] = 1
    return tokens, mask

"""Batched decoding with left padding and a key-value cache; greedy, or by a choice of one's own."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import torch
from torch import Tensor, nn
from transformers import DynamicCache

from pbb.models.head import backbone, last_logits

Choice = Callable[[Tensor, int, Tensor], Tensor]
"""(logits (B, V) float32, number of tokens chosen before, numbers (B,) of the prompts that the rows
answer) -> ids (B,) of the next tokens."""


def greedy(
    model: nn.Module,
    prompts: Sequence[Sequence[int]],
    *,
    pad_id: int,
    eos_id: int,
    max_new_tokens: int,
    device: torch.device,
) -> list[list[int]]:
    """The most likely continuation of each prompt, without the end token.

    Prompts are padded on the left, and positions count from each row's first real token, so a row's
    continuation does not depend on its neighbours' lengths.
    """
    return continued(
        model,
        prompts,
        lambda logits, step, rows: logits.argmax(dim=-1),
        pad_id=pad_id,
        eos_id=eos_id,
        max_new_tokens=max_new_tokens,
        device=device,
    )


@torch.inference_mode()
def continued(
    model: nn.Module,
    prompts: Sequence[Sequence[int]],
    choose: Choice,
    *,
    pad_id: int,
    eos_id: int,
    max_new_tokens: int,
    device: torch.device,
) -> list[list[int]]:
    """The continuation of each prompt, token by token as chosen, without the end token.

    Rows that have ended leave the batch when they are half of it: answers differ widely in length,
    and every further token costs a look at each row's whole cache.
    """
    tokens, mask = _left_padded(prompts, pad_id, device)
    positions = (mask.cumsum(dim=1) - 1).clamp(min=0)
    cache = DynamicCache()
    rows = torch.arange(len(prompts), device=device)
    going = torch.ones_like(rows, dtype=torch.bool)
    steps: list[Tensor] = []
    for step in range(max_new_tokens):
        hidden = backbone(model)(
            input_ids=tokens,
            attention_mask=mask,
            position_ids=positions,
            past_key_values=cache,
            use_cache=True,
        ).last_hidden_state
        chosen = choose(last_logits(model, hidden), step, rows)
        going &= chosen != eos_id
        steps.append(torch.full((len(prompts),), eos_id, device=device))
        steps[-1][rows] = torch.where(going, chosen, eos_id)
        left = int(going.sum())
        if left == 0:
            break
        mask = torch.cat([mask, mask.new_ones(len(rows), 1)], dim=1)
        positions = positions[:, -1:] + 1
        if 2 * left <= len(rows):
            kept = going.nonzero()[:, 0]
            cache.batch_select_indices(kept)
            rows, chosen, mask, positions, going = (
                each[kept] for each in (rows, chosen, mask, positions, going)
            )
        tokens = chosen[:, None]
    answers = torch.stack(steps, dim=1).tolist()
    return [row[: row.index(eos_id)] if eos_id in row else row for row in answers]


def _left_padded(
    prompts: Sequence[Sequence[int]], pad_id: int, device: torch.device
) -> tuple[Tensor, Tensor]:
    width = max(len(p) for p in prompts)
    tokens = torch.full((len(prompts), width), pad_id, dtype=torch.long)
    mask = torch.zeros((len(prompts), width), dtype=torch.long)
    for row, prompt in enumerate(prompts):
        tokens[row, width - len(prompt) :] = torch.tensor(prompt)
        mask[row, width - len(prompt) :] = 1
    return tokens.to(device), mask.to(device)

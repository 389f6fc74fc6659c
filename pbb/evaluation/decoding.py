"""Batched decoding with left padding and a key-value cache; greedy, or by a choice of one's own."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import torch
from torch import Tensor, nn
from transformers import DynamicCache

from pbb.models.head import backbone, last_logits

Choice = Callable[[Tensor, int], Tensor]
"""(logits (B, V) float32, number of tokens chosen before) -> ids (B,) of the next tokens."""


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
        lambda logits, _: logits.argmax(dim=-1),
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
    """The continuation of each prompt, token by token as chosen, without the end token."""
    tokens, mask = _left_padded(prompts, pad_id, device)
    positions = (mask.cumsum(dim=1) - 1).clamp(min=0)
    cache = DynamicCache()
    going = torch.ones(len(prompts), dtype=torch.bool, device=device)
    steps: list[Tensor] = []
    for step in range(max_new_tokens):
        hidden = backbone(model)(
            input_ids=tokens,
            attention_mask=mask,
            position_ids=positions,
            past_key_values=cache,
            use_cache=True,
        ).last_hidden_state
        chosen = choose(last_logits(model, hidden), step)
        going &= chosen != eos_id
        steps.append(torch.where(going, chosen, eos_id))
        if not bool(going.any()):
            break
        tokens = chosen[:, None]
        mask = torch.cat([mask, mask.new_ones(len(prompts), 1)], dim=1)
        positions = positions[:, -1:] + 1
    rows = torch.stack(steps, dim=1).tolist()
    return [row[: row.index(eos_id)] if eos_id in row else row for row in rows]


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

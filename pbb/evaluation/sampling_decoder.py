"""Batched sampling whose randomness belongs to the row and not to its batch."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from pbb.evaluation.decoding import Choice, Continue, continued


def sampled(
    model: nn.Module,
    prompts: Sequence[Sequence[int]],
    *,
    uniforms: NDArray[np.float64],
    pad_id: int,
    eos_id: int,
    max_new_tokens: int,
    device: torch.device,
    temperature: float = 1.0,
    by: Continue = continued,
) -> list[list[int]]:
    """A draw from softmax(logits / temperature) after each prompt, without the end token.

    uniforms: (number of prompts, max_new_tokens), as `drawing` takes them. by: the decoder. Raises
    ValueError for other shapes and for a temperature that is not positive.
    """
    wanted = (len(prompts), max_new_tokens)
    if uniforms.shape != wanted:
        raise ValueError(f"uniforms of shape {uniforms.shape}; give one a row and token: {wanted}")
    if not temperature > 0:
        raise ValueError(f"{temperature=} gives no distribution; use `greedy`, or raise it above 0")
    return by(
        model,
        prompts,
        drawing(uniforms, device, temperature),
        pad_id=pad_id,
        eos_id=eos_id,
        max_new_tokens=max_new_tokens,
        device=device,
    )


def drawing(
    uniforms: NDArray[np.float64], device: torch.device, temperature: float = 1.0
) -> Choice:
    """Draws from softmax(logits / temperature).

    uniforms: (prompts, tokens) in [0, 1), one for each token of each row. The token is the one in
    whose stretch of the cumulative distribution, in the order of ids, the number lies. So a row's
    continuation is a function of its prompt and its numbers; neighbours reach it only as they reach
    logits, by rounding.
    """
    numbers = torch.from_numpy(uniforms).to(device)

    def choose(logits: Tensor, step: int, rows: Tensor) -> Tensor:
        cumulative = (logits.double() / temperature).softmax(dim=-1).cumsum(dim=-1)
        point = numbers[rows, step, None] * cumulative[:, -1:]
        # right=True passes over tokens of probability 0, which end where the one before them does
        place = torch.searchsorted(cumulative, point, right=True)[:, 0]
        return place.clamp(max=logits.shape[-1] - 1)  # NaN, of a broken model, lies beyond all

    return choose

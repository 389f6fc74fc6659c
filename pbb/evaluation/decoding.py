"""Batched decoding with a key-value cache; greedy, or by a choice of one's own."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Protocol

import torch
from torch import Tensor, nn

from pbb.evaluation.lean_decoding import LeanDecoding
from pbb.evaluation.whole_decoding import WholeDecoding
from pbb.models.lean.reading import lean_llama
from pbb.models.packing import ROWS

Choice = Callable[[Tensor, int, Tensor], Tensor]
"""(logits (B, V) float32, number of tokens chosen before, numbers (B,) of the prompts that the rows
answer) -> ids (B,) of the next tokens."""


class Decoding(Protocol):
    """Prompts under way: `read` once, then `next` with each token that was chosen."""

    def read(self) -> Tensor:
        """Logits (rows, V) after the prompts, rows as given; float32."""

    def next(self, tokens: Tensor) -> Tensor:
        """Logits (rows, V) after one more token (rows,) each; float32."""

    def keep(self, rows: Tensor) -> None:
        """Go on with these rows alone, in this order."""


class Continue(Protocol):
    """A decoder: the continuation of each prompt, token by token as chosen, without the end
    token."""

    def __call__(
        self,
        model: nn.Module,
        prompts: Sequence[Sequence[int]],
        choose: Choice,
        *,
        pad_id: int,
        eos_id: int,
        max_new_tokens: int,
        device: torch.device,
    ) -> list[list[int]]: ...


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

    Rows that have ended leave the batch when they are half of it, but for a few that make its size
    one of few: answers differ widely in length, and every further token costs a look at each row's
    whole cache.
    """
    decoding = _begun(model, prompts, pad_id, max_new_tokens, device)
    rows = torch.arange(len(prompts), device=device)
    going = torch.ones_like(rows, dtype=torch.bool)
    steps: list[Tensor] = []
    logits = decoding.read()
    for step in range(max_new_tokens):
        chosen = choose(logits, step, rows)
        going &= chosen != eos_id
        steps.append(torch.full((len(prompts),), eos_id, device=device))
        steps[-1][rows] = torch.where(going, chosen, eos_id)
        left = int(going.sum())
        if left == 0 or step == max_new_tokens - 1:
            break
        width = -(-left // ROWS) * ROWS
        if 2 * width <= len(rows):
            kept = going.argsort(descending=True, stable=True)[:width]
            decoding.keep(kept)
            rows, chosen, going = (each[kept] for each in (rows, chosen, going))
        logits = decoding.next(chosen)
    answers = torch.stack(steps, dim=1).tolist()
    return [row[: row.index(eos_id)] if eos_id in row else row for row in answers]


def greedy(
    model: nn.Module,
    prompts: Sequence[Sequence[int]],
    *,
    pad_id: int,
    eos_id: int,
    max_new_tokens: int,
    device: torch.device,
    by: Continue = continued,
) -> list[list[int]]:
    """The most likely continuation of each prompt, without the end token.

    Positions count from each row's first token, so a row's continuation does not depend on its
    neighbours' lengths. by: the decoder.
    """
    return by(
        model,
        prompts,
        lambda logits, step, rows: logits.argmax(dim=-1),
        pad_id=pad_id,
        eos_id=eos_id,
        max_new_tokens=max_new_tokens,
        device=device,
    )


def _begun(
    model: nn.Module,
    prompts: Sequence[Sequence[int]],
    pad_id: int,
    most_new: int,
    device: torch.device,
) -> Decoding:
    lean = lean_llama(model)
    if lean is None:
        return WholeDecoding(model, prompts, pad_id=pad_id, device=device)
    return LeanDecoding(lean, prompts, pad_id=pad_id, most_new=most_new, device=device)

"""Continuations by a transformers model's own code: left padding, masks and its cache."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn
from transformers import DynamicCache

from pbb.models.head import backbone, last_logits


class WholeDecoding:
    """Prompts under way; see `pbb.evaluation.decoding.Decoding`."""

    def __init__(
        self,
        model: nn.Module,
        prompts: Sequence[Sequence[int]],
        *,
        pad_id: int,
        device: torch.device,
    ) -> None:
        self._model = model
        self._tokens, self._mask = _left_padded(prompts, pad_id, device)
        self._positions = (self._mask.cumsum(dim=1) - 1).clamp(min=0)
        self._cache = DynamicCache()

    def read(self) -> Tensor:
        """Logits (rows, V) after the prompts."""
        hidden = backbone(self._model)(
            input_ids=self._tokens,
            attention_mask=self._mask,
            position_ids=self._positions,
            past_key_values=self._cache,
            use_cache=True,
        ).last_hidden_state
        return last_logits(self._model, hidden)

    def next(self, tokens: Tensor) -> Tensor:
        """Logits (rows, V) after one more token each."""
        self._tokens = tokens[:, None]
        self._mask = torch.cat([self._mask, self._mask.new_ones(len(tokens), 1)], dim=1)
        self._positions = self._positions[:, -1:] + 1
        return self.read()

    def keep(self, rows: Tensor) -> None:
        """Go on with these rows alone."""
        self._cache.batch_select_indices(rows)
        self._mask, self._positions = self._mask[rows], self._positions[rows]


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

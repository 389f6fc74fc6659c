"""Continuations by the lean Llama: prompts read packed, then a fixed cache and a token a row.

Every row has its cache from slot 0 on and prompts are not padded, so no row's continuation depends
on its neighbours' lengths.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from pbb.models.lean.blocks import in_packed
from pbb.models.lean.llama import Llama, attended
from pbb.models.packing import groups, pack


@dataclass
class _Cache:
    """keys and values of each layer (rows, slots, key heads, d); used (rows,): slots in use."""

    keys: list[Tensor]
    values: list[Tensor]
    used: Tensor
    longest: int
    """Of `used`, known without asking the device."""

    def keep(self, rows: Tensor) -> None:
        self.keys = [t[rows] for t in self.keys]
        self.values = [t[rows] for t in self.values]
        self.used = self.used[rows]

    def append(self, layer: int, keys: Tensor, values: Tensor) -> tuple[Tensor, Tensor]:
        """Put (rows, key heads, d) into each row's next slot; all slots that any row uses."""
        rows = torch.arange(len(keys), device=keys.device)
        self.keys[layer][rows, self.used] = keys
        self.values[layer][rows, self.used] = values
        return self.keys[layer][:, : self.longest + 1], self.values[layer][:, : self.longest + 1]


class LeanDecoding:
    """Prompts under way; see `pbb.evaluation.decoding.Decoding`."""

    def __init__(
        self,
        llama: Llama,
        prompts: Sequence[Sequence[int]],
        *,
        pad_id: int,
        most_new: int,
        device: torch.device,
    ) -> None:
        self._llama = llama.merged() if llama.embedding.dtype.itemsize >= 4 else llama
        self._prompts, self._pad_id, self._device = prompts, pad_id, device
        lengths = [len(prompt) for prompt in prompts]
        self._cache = _Cache([], [], torch.tensor(lengths, device=device), max(lengths))
        self._slots = max(lengths) + most_new

    def read(self) -> Tensor:
        """Logits (rows, V) after the prompts, rows as given."""
        (blocks,) = groups([len(p) for p in self._prompts], max_tokens=10**9)
        packed = pack(self._prompts, blocks, pad_id=self._pad_id, device=self._device)
        within, lengths = in_packed(packed), torch.tensor(packed.lengths)
        rows = torch.tensor(packed.order).repeat_interleave(lengths).to(self._device)
        places, shape = (rows, packed.positions[: len(rows)]), (len(lengths), self._slots)

        def attend(layer: int, queries: Tensor, keys: Tensor, values: Tensor) -> Tensor:
            self._cache.keys.append(_spread(keys, places, shape))
            self._cache.values.append(_spread(values, places, shape))
            return within(layer, queries, keys, values)

        ends = [0] * len(self._prompts)
        for i, start in zip(packed.order, packed.starts, strict=True):
            ends[i] = start + len(self._prompts[i]) - 1
        last = torch.tensor(ends, device=self._device)
        hidden = self._llama.hidden(packed.tokens, packed.positions, attend, last)
        return self._llama.logits(hidden)

    def next(self, tokens: Tensor) -> Tensor:
        """Logits (rows, V) after one more token (rows,) each."""
        cache = self._cache
        slots = torch.arange(cache.longest + 1, device=self._device)
        mask = (slots <= cache.used[:, None])[:, None, None]

        def attend(layer: int, queries: Tensor, keys: Tensor, values: Tensor) -> Tensor:
            seen = attended(queries[:, None], *cache.append(layer, keys, values), mask)
            return seen[:, 0]

        everyone = torch.arange(len(tokens), device=self._device)
        hidden = self._llama.hidden(tokens, cache.used, attend, everyone)
        cache.used = cache.used + 1
        cache.longest += 1
        return self._llama.logits(hidden)

    def keep(self, rows: Tensor) -> None:
        """Go on with these rows alone."""
        self._cache.keep(rows)


def _spread(states: Tensor, places: tuple[Tensor, Tensor], shape: tuple[int, int]) -> Tensor:
    """(N, key heads, d) -> (*shape, key heads, d): the first ones at their places, else zeros."""
    out = states.new_zeros(*shape, *states.shape[1:])
    out[places] = states[: len(places[0])]
    return out

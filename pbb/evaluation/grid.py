"""A table of rows under way on a lean Llama, adapters by columns, in memory that stays in place."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import accumulate, islice
from typing import Final

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from pbb.evaluation.waves import Beginning, Wave, beginnings
from pbb.models.lean.blocks import in_blocks
from pbb.models.lean.fixed import adapters_of
from pbb.models.lean.llama import Llama
from pbb.models.packing import ROWS, groups
from pbb.models.rectangles import Shapes

MOST_TOKENS: Final = 131_072
"""Read at once, of all adapters together."""
ALIGNED: Final = 16
"""Slots are a multiple of it where a GPU's attention shall take the bias as it is."""


class Grid:
    """Keys and values of each row's tokens, from slot 0 on, in a cache of fixed size.

    llama: as `fixed` gives it. tokens, used (adapters, columns): the token that each row reads
    next, and how many it has read. Its first columns are in use; the rest wait.
    """

    def __init__(self, llama: Llama, columns: int, slots: int) -> None:
        self.llama, self.adapters = llama, adapters_of(llama)
        self.columns, self.slots = columns, slots
        table, kind = (self.adapters, columns), llama.embedding
        self.tokens = torch.zeros(table, dtype=torch.long, device=kind.device)
        self.used = torch.zeros_like(self.tokens)
        size = (*table, llama.shape.key_heads, slots, llama.shape.head_dim)
        self._keys = [kind.new_zeros(size) for _ in llama.layers]
        self._values = [kind.new_zeros(size) for _ in llama.layers]
        self._scores = kind.new_empty(self.adapters * columns, len(llama.head))

    def read(self, wave: Wave) -> Tensor:
        """Logits (adapters, columns of the wave, V) after its prompts."""
        shared = beginnings(wave, self.slots)
        if not shared:
            whole = [Beginning((i,), 0) for i in range(len(wave.numbers[0]))]
            hidden = self._read_packed(wave, whole)
        else:
            self._read_packed(wave, shared)
            hidden = self._read_rest(wave, shared)
        lengths = [[len(prompt) for prompt in row] for row in wave.prompts]
        columns = len(lengths[0])
        self.used.zero_()
        self.used[:, :columns] = torch.tensor(lengths).to(self.used.device)
        logits: Tensor = self.llama.logits(hidden).unflatten(0, (self.adapters, columns))
        return logits

    def clear(self) -> None:
        """Forget all rows: what is not finite would reach others from masked slots too."""
        for cache in (*self._keys, *self._values):
            cache.zero_()

    def step(self, columns: int, slots: int) -> Tensor:
        """Read one token of each row of the first columns; their logits (adapters x columns, V),
        as they are, in memory that the next step writes anew.

        slots: of the cache that are looked at, more than any row has used. Leaves `used` as it is,
        so it may be repeated.
        """
        tokens, used = self.tokens[:, :columns, None], self.used[:, :columns]
        hidden = self._advanced(tokens, used, slice(0, columns), slots)
        scores = self._scores[: self.adapters * columns]
        return torch.mm(hidden.flatten(0, -2), self.llama.head.T, out=scores)

    def keep(self, columns: Tensor, slots: int) -> None:
        """Go on with these of each adapter's columns (adapters, fewer), in the first places.

        slots: as many as are in use.
        """
        fewer = columns.shape[1]
        self.used[:, :fewer] = self.used.gather(1, columns)
        for cache in (*self._keys, *self._values):
            seen = cache[:, :, :, :slots]
            index = columns[:, :, None, None, None].expand(-1, -1, *seen.shape[2:])
            seen[:, :fewer] = seen.gather(1, index)

    def _read_packed(self, wave: Wave, shared: Sequence[Beginning]) -> Tensor:
        """Hidden states (adapters x beginnings, d) after each, or after whole prompts where they
        have no length."""
        rows = [
            [prompts[each.columns[0]][: each.length or None] for each in shared]
            for prompts in wave.prompts
        ]
        widths = [max(len(row[i]) for row in rows) for i in range(len(shared))]
        kind = self.llama.embedding
        found = kind.new_empty(self.adapters, len(shared), kind.shape[1])
        for blocks in groups(widths, MOST_TOKENS // self.adapters):
            order = [i for block in blocks for i in block]
            shapes = [(len(block), widths[block[0]]) for block in blocks]
            members = [shared[i].columns for i in order]
            hidden = self._packed([[row[i] for i in order] for row in rows], shapes, members)
            found[:, torch.tensor(order).to(kind.device)] = hidden
        return found.flatten(0, 1)

    def _packed(
        self,
        rows: Sequence[Sequence[Sequence[int]]],
        shapes: Shapes,
        members: Sequence[Sequence[int]],
    ) -> Tensor:
        """Read rows[adapter][i] in blocks of so many rows and widths; what row i leaves goes into
        the columns of its members. Hidden states (adapters, rows, d) after each."""
        places = _places(shapes)
        length = -(-sum(size * width for size, width in shapes) // ROWS) * ROWS
        tokens, positions = _laid_out(rows, places, shapes, length)
        device, within = self.tokens.device, in_blocks(shapes)
        rest = iter(members)
        columns = [_repeated(list(islice(rest, size)), device) for size, _ in shapes]

        def attend(layer: int, queries: Tensor, keys: Tensor, values: Tensor) -> Tensor:
            for cache, states in ((self._keys, keys), (self._values, values)):
                _spread(cache[layer], states, shapes, columns)
            return within(layer, queries, keys, values)

        last = [
            [
                adapter * length + place + len(row) - 1
                for place, row in zip(places, own, strict=True)
            ]
            for adapter, own in enumerate(rows)
        ]
        return self.llama.hidden(
            tokens.to(device), positions.to(device), attend, torch.tensor(last).to(device)
        )

    def _read_rest(self, wave: Wave, shared: Sequence[Beginning]) -> Tensor:
        """Hidden states (adapters x columns, d) after the prompts, whose beginnings are read."""
        begun = [0] * len(wave.numbers[0])
        for each in shared:
            for column in each.columns:
                begun[column] = each.length
        rests = [
            [prompt[start:] for prompt, start in zip(row, begun, strict=True)]
            for row in wave.prompts
        ]
        width = max(len(rest) for row in rests for rest in row)
        tokens = torch.tensor([[[*r, *[0] * (width - len(r))] for r in row] for row in rests])
        last = torch.tensor([[len(rest) - 1 for rest in row] for row in rests])
        used = torch.tensor([begun] * self.adapters)
        tokens, last, used = (t.to(self.tokens.device) for t in (tokens, last, used))
        at_once = max(1, MOST_TOKENS // (self.adapters * width))
        slots = min(self.slots, -(-(max(begun) + width) // ALIGNED) * ALIGNED)
        found = []
        for start in range(0, len(begun), at_once):
            part = slice(start, min(start + at_once, len(begun)))
            hidden = self._advanced(tokens[:, part], used[:, part], part, slots)
            index = last[:, part, None, None].expand(-1, -1, 1, hidden.shape[-1])
            found.append(hidden.gather(2, index)[:, :, 0])
        return torch.cat(found, dim=1).flatten(0, 1)

    def _advanced(self, tokens: Tensor, used: Tensor, columns: slice, slots: int) -> Tensor:
        """Hidden states (adapters, columns, n, d) after each of tokens (adapters, columns, n),
        which follow those `used`; their keys and values are kept."""
        shape, (adapters, rows, n) = self.llama.shape, tokens.shape
        shared = shape.heads // shape.key_heads
        places = used[..., None] + torch.arange(n, device=used.device)
        into = places[:, :, None, :, None].expand(-1, -1, shape.key_heads, -1, shape.head_dim)
        bias = self._bias(places, slots).expand(-1, -1, -1, shared, -1).flatten(2, 3)

        def attend(layer: int, queries: Tensor, keys: Tensor, values: Tensor) -> Tensor:
            seen = []
            for cache, states in ((self._keys, keys), (self._values, values)):
                own = cache[layer][:, columns]
                own.scatter_(3, into, states.unflatten(1, (rows, n)).transpose(2, 3))
                of_heads = own[:, :, :, :slots]
                seen.append(of_heads.view(adapters, rows * shape.key_heads, *of_heads.shape[3:]))
            # Heads that share keys are so many queries of one head.
            asked = queries.view(adapters, rows, n, shape.key_heads, shared, shape.head_dim)
            asked = asked.permute(0, 1, 3, 2, 4, 5).reshape(*seen[0].shape[:2], -1, shape.head_dim)
            found = F.scaled_dot_product_attention(asked, seen[0], seen[1], attn_mask=bias)
            found = found.view(adapters, rows, shape.key_heads, n, shared, shape.head_dim)
            return found.permute(0, 1, 3, 2, 4, 5).reshape(adapters, rows * n, -1)

        everyone = torch.arange(tokens.numel(), device=used.device).view(adapters, -1)
        hidden = self.llama.hidden(tokens.flatten(1), places.flatten(1), attend, everyone)
        each: Tensor = hidden.unflatten(1, (rows, n))
        return each

    def _bias(self, places: Tensor, slots: int) -> Tensor:
        """(adapters, columns x key heads, n, 1, slots): -inf at slots after each token's place.

        Not a mask of bools, of which every layer would make this.
        """
        after = torch.arange(slots, device=places.device) > places[..., None]
        bias = torch.zeros_like(after, dtype=self.llama.embedding.dtype)
        bias = bias.masked_fill_(after, float("-inf"))[:, :, None]
        return bias.expand(-1, -1, self.llama.shape.key_heads, -1, -1).flatten(1, 2)[:, :, :, None]


def _places(shapes: Shapes) -> list[int]:
    """Where each row of the blocks begins."""
    widths = [width for size, width in shapes for _ in range(size)]
    return [0, *accumulate(widths)][:-1]


def _laid_out(
    rows: Sequence[Sequence[Sequence[int]]],
    places: Sequence[int],
    shapes: Shapes,
    length: int,
) -> tuple[Tensor, Tensor]:
    """tokens and positions (adapters, length)."""
    tokens = np.zeros((len(rows), length), dtype=np.int64)
    for own, into in zip(rows, tokens, strict=True):
        for row, place in zip(own, places, strict=True):
            into[place : place + len(row)] = row
    positions = np.zeros(length, dtype=np.int64)
    within = [np.tile(np.arange(width), size) for size, width in shapes]
    positions[: sum(map(len, within))] = np.concatenate(within)
    return torch.from_numpy(tokens), torch.from_numpy(positions).expand(len(rows), -1)


def _repeated(members: Sequence[Sequence[int]], device: torch.device) -> tuple[Tensor, Tensor]:
    """Rows, each as often as it has members; and the members."""
    pairs = [(row, column) for row, own in enumerate(members) for column in own]
    rows, columns = torch.tensor(pairs).to(device).T
    return rows, columns


def _spread(
    cache: Tensor,
    states: Tensor,
    shapes: Shapes,
    columns: Sequence[tuple[Tensor, Tensor]],
) -> None:
    """Put (adapters, n, key heads, d) of packed rows into their columns of a layer's cache."""
    place = 0
    for (size, width), (rows, into) in zip(shapes, columns, strict=True):
        block = states[:, place : place + size * width].unflatten(1, (size, width))
        cache[:, into, :, :width] = block.transpose(2, 3)[:, rows]
        place += size * width

"""One step's documents of several adapters -> microbatches of few shapes, the same for all.

Each adapter's documents lie one after the other in a row, filled up to the same length. Shapes
matter: a GPU replays a whole step of a shape that it has met (`pbb.training.cohort_step`).
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import zip_longest
from typing import Final

import numpy as np
import torch
from torch import Tensor

from pbb.models.encoding import Encoded

IGNORED: Final = -100
"""Stands for the id of no token; PyTorch's cross-entropy passes over it."""
AT_ONCE: Final = 65_536
"""Tokens of all adapters together, above which a larger microbatch is no faster (H100)."""
ROW: Final = 128
"""A row's length is a multiple of it."""
TARGETS: Final = 8
"""Target tokens are rounded up to so many parts of a row."""
SEQUENCES: Final = 64
"""Sequences are rounded up to a multiple of it."""

Documents = Sequence[Encoded]


@dataclass(frozen=True)
class Together:
    """A microbatch of A adapters, on the CPU until `on` brings it elsewhere.

    tokens, positions (A, N); bounds, longest: of the sequences among all A x N tokens, as
    `pbb.models.lean.sequences` takes them. before (A, n): places among all A x N tokens, before
    each token that carries loss; wanted (A, n): the ids of those. Where an adapter has fewer, the
    rest are IGNORED.
    """

    tokens: Tensor
    positions: Tensor
    bounds: Tensor
    longest: int
    before: Tensor
    wanted: Tensor

    @property
    def tensors(self) -> tuple[Tensor, ...]:
        """All, in a fixed order."""
        return (self.tokens, self.positions, self.bounds, self.before, self.wanted)

    def on(self, device: torch.device) -> Together:
        """The same, there."""
        tokens, positions, bounds, before, wanted = (each.to(device) for each in self.tensors)
        return Together(tokens, positions, bounds, self.longest, before, wanted)


@dataclass(frozen=True)
class Room:
    """What microbatches are laid out in. tokens: of a row; longest: of a sequence."""

    tokens: int = 0
    sequences: int = 0
    longest: int = 0


class Layout:
    """Cuts steps into microbatches; their room only grows, so that steps have one shape.

    max_tokens: of a microbatch of one adapter (one document at least).
    """

    def __init__(self, *, pad_id: int, max_tokens: int) -> None:
        self._pad_id = pad_id
        self._max_tokens = max_tokens
        self._room = Room()

    def __call__(self, steps: Sequence[Documents]) -> list[Together]:
        """One step of each adapter, in as few microbatches as fit."""
        most = min(self._max_tokens, max(1, AT_ONCE // len(steps)))
        cuts = list(zip_longest(*(_cut(step, most) for step in steps), fillvalue=()))
        for cut in cuts:
            self._room = _grown(self._room, cut)
        return [_laid_out(cut, self._room, self._pad_id) for cut in cuts]


def _cut(documents: Documents, max_tokens: int) -> Iterator[Documents]:
    """In parts of like length, for all are filled up to the longest."""
    whole = sum(len(document.ids) for document in documents)
    enough = whole / -(-whole // max_tokens)
    part: list[Encoded] = []
    total = 0
    for document in documents:
        if part and (total >= enough or total + len(document.ids) > max_tokens):
            yield part
            part, total = [], 0
        part.append(document)
        total += len(document.ids)
    if part:
        yield part


def _grown(room: Room, cut: Sequence[Documents]) -> Room:
    """Room for a microbatch, with some to spare where it has to grow."""
    lengths = [[len(document.ids) for document in documents] for documents in cut]
    longest = max(max(each, default=0) for each in lengths)
    widest = max(map(sum, lengths))
    if longest > room.longest:
        room = replace(room, longest=1 << (longest - 1).bit_length())
    if widest > room.tokens:
        room = replace(room, tokens=-(-(widest + longest) // ROW) * ROW)
    needed = sum(len(each) + -(-(room.tokens - sum(each)) // room.longest) for each in lengths) + 1
    if needed > room.sequences:
        room = replace(room, sequences=-(-(needed + needed // 8) // SEQUENCES) * SEQUENCES)
    return room


def _laid_out(cut: Sequence[Documents], room: Room, pad_id: int) -> Together:
    adapters, width = len(cut), room.tokens
    tokens = np.full((adapters, width), pad_id)
    positions = np.zeros((adapters, width), dtype=np.int64)
    lengths: list[int] = []
    before: list[list[int]] = [[] for _ in cut]
    wanted: list[list[int]] = [[] for _ in cut]
    for adapter, documents in enumerate(cut):
        start = 0
        for document in documents:
            ids, first = document.ids, adapter * width + start
            tokens[adapter, start : start + len(ids)] = ids
            before[adapter] += range(first + document.n_prompt - 1, first + len(ids) - 1)
            wanted[adapter] += ids[document.n_prompt :]
            start += len(ids)
        own = [len(d.ids) for d in documents] + _pieces(width - start, room.longest)
        positions[adapter] = np.concatenate([np.arange(length) for length in own])
        lengths += own
    bounds = np.full(room.sequences, adapters * width, dtype=np.int32)
    bounds[0] = 0
    bounds[1 : len(lengths) + 1] = np.cumsum(lengths)
    return Together(
        torch.from_numpy(tokens),
        torch.from_numpy(positions),
        torch.from_numpy(bounds),
        room.longest,
        # Filled with a place of its own: through another's, what is not finite would reach it.
        _filled(before, [adapter * width for adapter in range(adapters)], width),
        _filled(wanted, [IGNORED] * adapters, width),
    )


def _pieces(tokens: int, longest: int) -> list[int]:
    """Padding is sequences too, for attention leaves no token out."""
    whole, rest = divmod(tokens, longest)
    return [longest] * whole + [rest] * (rest > 0)


def _filled(rows: Sequence[Sequence[int]], filling: Sequence[int], width: int) -> Tensor:
    part = max(1, width // TARGETS)
    longest = -(-max(1, *map(len, rows)) // part) * part
    table = np.empty((len(rows), longest), dtype=np.int64)
    for line, row, fill in zip(table, rows, filling, strict=True):
        line[: len(row)] = row
        line[len(row) :] = fill
    return torch.from_numpy(table)

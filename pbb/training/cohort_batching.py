"""One step's documents of several adapters -> microbatches of one shape for all.

The k-th longest documents of all adapters stand in the same place, as wide as the longest of them.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import zip_longest
from typing import Final

import torch
from torch import Tensor

from pbb.models.encoding import Encoded
from pbb.models.packing import ROWS, groups

IGNORED: Final = -100
"""Stands for the id of no token; PyTorch's cross-entropy passes over it."""


@dataclass(frozen=True)
class Together:
    """tokens, positions (A, N); shapes: of the blocks, the same for each adapter.

    before (A, n): places among all A x N tokens, before each token that carries loss; wanted
    (A, n): the ids of those. Where an adapter has fewer, the rest are IGNORED.
    """

    tokens: Tensor
    positions: Tensor
    shapes: tuple[tuple[int, int], ...]
    before: Tensor
    wanted: Tensor


def together(
    steps: Sequence[Sequence[Encoded]], *, pad_id: int, max_tokens: int, device: torch.device
) -> list[Together]:
    """Cut one step of each adapter into microbatches of at most max_tokens padded tokens in all
    (one document of each at least)."""
    ordered = [sorted(step, key=lambda d: -len(d.ids)) for step in steps]
    ranks = list(zip_longest(*ordered))
    widths = [max(len(d.ids) for d in rank if d is not None) for rank in ranks]
    return [
        _together([[ranks[i] for i in block] for block in blocks], widths, blocks, pad_id, device)
        for blocks in groups(widths, max_tokens // len(steps))
    ]


def _together(
    blocks: Sequence[Sequence[Sequence[Encoded | None]]],
    widths: Sequence[int],
    places: Sequence[Sequence[int]],
    pad_id: int,
    device: torch.device,
) -> Together:
    shapes = tuple((len(block), widths[block[0]]) for block in places)
    length = -(-sum(rows * width for rows, width in shapes) // ROWS) * ROWS
    adapters = len(blocks[0][0])
    tokens = torch.full((adapters, length), pad_id)
    positions = torch.zeros(length, dtype=torch.long)
    before: list[list[int]] = [[] for _ in range(adapters)]
    wanted: list[list[int]] = [[] for _ in range(adapters)]
    start = 0
    for block, (_, width) in zip(blocks, shapes, strict=True):
        for rank in block:
            positions[start : start + width] = torch.arange(width)
            for adapter, document in enumerate(rank):
                if document is None:
                    continue
                ids, first = document.ids, adapter * length + start
                tokens[adapter, start : start + len(ids)] = torch.tensor(ids)
                before[adapter] += range(first + document.n_prompt - 1, first + len(ids) - 1)
                wanted[adapter] += ids[document.n_prompt :]
            start += width
    return Together(
        tokens.to(device, non_blocking=True),
        positions.expand(adapters, -1).to(device, non_blocking=True),
        shapes,
        # Filled with a place of its own: through another's, what is not finite would reach it.
        _filled(before, [adapter * length for adapter in range(adapters)], device),
        _filled(wanted, [IGNORED] * adapters, device),
    )


def _filled(rows: Sequence[Sequence[int]], filling: Sequence[int], device: torch.device) -> Tensor:
    longest = -(-max(map(len, rows)) // ROWS) * ROWS
    pairs = zip(rows, filling, strict=True)
    table = [[*row, *[fill] * (longest - len(row))] for row, fill in pairs]
    return torch.tensor(table).to(device, non_blocking=True)

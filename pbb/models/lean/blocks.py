"""Attention within blocks: rectangles of tokens, of a row each."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from pbb.models.lean.llama import Attend, Llama, Through, attended, step_by_step
from pbb.models.packing import Packed
from pbb.models.rectangles import Rectangles, Shapes


def through_packed(llama: Llama, packed: Packed) -> Through:
    """Through layers with attention within sequences."""
    return step_by_step(llama, in_packed(packed))


def in_packed(packed: Packed) -> Attend:
    """Attention within the sequences of (..., N) tokens laid out so."""
    rows = Rectangles.of(packed.lengths, packed.blocks, len(packed.tokens))
    tokens, places = (
        torch.from_numpy(each).to(packed.tokens.device, non_blocking=True)
        for each in (rows.tokens, rows.places)
    )
    within = in_blocks(rows.shapes)

    def attend(layer: int, queries: Tensor, keys: Tensor, values: Tensor) -> Tensor:
        read = (t.index_select(-3, tokens) for t in (queries, keys, values))
        return within(layer, *read).index_select(-2, places)

    return attend


def in_blocks(shapes: Shapes) -> Attend:
    """Attention within the rows of blocks that lie one after the other, each row by row.

    Nothing is seen by tokens that come after the last.
    """
    sizes = [rows * width for rows, width in shapes]

    def attend(layer: int, queries: Tensor, keys: Tensor, values: Tensor) -> Tensor:
        tail = queries.shape[-3] - sum(sizes)
        blocks = [t.split([*sizes, tail], dim=-3) for t in (queries, keys, values)]
        found = [
            _of_block([each[i] for each in blocks], width) for i, (_, width) in enumerate(shapes)
        ]
        nothing = found[0].new_zeros(*found[0].shape[:-2], tail, found[0].shape[-1])
        return torch.cat([*found, nothing], dim=-2)

    return attend


def _of_block(block: Sequence[Tensor], width: int) -> Tensor:
    """Queries, keys, values (..., rows x width, heads, d) -> (..., rows x width, heads x d)."""
    queries, keys, values = (t.reshape(-1, width, *t.shape[-2:]) for t in block)
    return attended(queries, keys, values, None).reshape(*block[0].shape[:-2], -1)

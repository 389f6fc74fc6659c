"""Attention within sequences that share a row of tokens, in rectangles."""

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
    """Attention within the sequences of a row (..., N) of tokens laid out so.

    Those of no sequence see what the first token of all does: they are nobody's to ask.
    """
    rows = Rectangles.of(packed.lengths, packed.blocks, len(packed.tokens))
    tokens, places = rows.on(packed.tokens.device)
    within = in_blocks(rows.shapes)

    def attend(layer: int, queries: Tensor, keys: Tensor, values: Tensor) -> Tensor:
        read = (t.index_select(-3, tokens) for t in (queries, keys, values))
        return within(layer, *read).index_select(-2, places)

    return attend


def in_blocks(shapes: Shapes) -> Attend:
    """Attention within the rows of rectangles of tokens that lie one after the other already.

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

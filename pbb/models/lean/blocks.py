"""Attention within blocks: rectangles of tokens that lie one after the other."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from functools import cache
from typing import Final

import torch
from torch import Tensor

from pbb.models.lean.llama import Attend, attended
from pbb.models.lean.pieces import turned_by

Shapes = Sequence[tuple[int, int]]
"""(rows, width) of each block, as `Packed` tells them."""

WIDEST: Final = 256
"""Of the blocks that `mixed` takes: it holds all scores of a block."""


def mixed(
    each: Tensor, cos: Tensor, sin: Tensor, heads: int, shapes: Shapes
) -> tuple[Tensor, tuple[Tensor, ...]]:
    """Of all heads (n, 3 heads, d): what turning and `in_blocks` make of them, (n, heads x d), and
    what `mixed_back` needs. No gradient.

    Written out, since rows are short: torch's attention takes longer to begin than to compute.
    """
    seen, kept = each.new_empty(len(each), heads, each.shape[2]), []
    for block, out, by in _blocks(each, seen, cos, sin, heads, shapes):
        read = torch.empty(block.shape, dtype=each.dtype)
        turned_by(block[:2], *by, 1, read[:2])
        read[2] = block[2]
        queries, keys, values = read = read.flatten(1, 2)
        width, d = queries.shape[1:]
        hidden = _later(each.dtype)[:width, :width]
        weights = torch.baddbmm(hidden, queries, keys.mT, alpha=d**-0.5).softmax(-1)
        out.copy_(torch.bmm(weights, values).view_as(out))
        kept += [read, weights]
    _clear_rest(seen, shapes)
    return seen.flatten(1), tuple(kept)


def mixed_back(
    grad: Tensor, kept: Sequence[Tensor], cos: Tensor, sin: Tensor, heads: int, shapes: Shapes
) -> Tensor:
    """The gradient of all heads from that of what `mixed` gave."""
    got = grad.view(len(grad), heads, -1)
    of_turned, of_each = (got.new_empty(len(got), 3 * heads, got.shape[2]) for _ in range(2))
    blocks = _blocks(of_turned, got, cos, sin, heads, shapes)
    for (into, of_seen, _), read, weights in zip(blocks, kept[::2], kept[1::2], strict=True):
        queries, keys, values = read
        of_queries, of_keys, of_values = of_read = torch.empty_like(read)
        of_seen = of_seen.reshape_as(values)
        torch.bmm(weights.mT, of_seen, out=of_values)
        of_weights = torch.bmm(of_seen, values.mT)
        of_scores = torch.ops.aten._softmax_backward_data(of_weights, weights, -1, weights.dtype)
        scale = values.shape[2] ** -0.5
        torch.baddbmm(of_queries, of_scores, keys, beta=0, alpha=scale, out=of_queries)
        torch.baddbmm(of_keys, of_scores.mT, queries, beta=0, alpha=scale, out=of_keys)
        into.copy_(of_read.view(into.shape))
    _clear_rest(of_turned, shapes)
    turned_by(of_turned[:, : 2 * heads], cos, sin, -1, of_each[:, : 2 * heads])
    of_each[:, 2 * heads :] = of_turned[:, 2 * heads :]
    return of_each


def _blocks(
    each: Tensor, seen: Tensor, cos: Tensor, sin: Tensor, heads: int, shapes: Shapes
) -> Iterator[tuple[Tensor, Tensor, tuple[Tensor, Tensor]]]:
    """Each block's views of all heads (3, rows, heads, width, d) and of what they have seen (rows,
    heads, width, d), and by what its rows are turned: (width, d) and (width, d/2)."""
    start = 0
    for rows, width in shapes:
        end, shape = start + rows * width, (rows, width, -1, heads, seen.shape[2])
        row = slice(start, start + width)
        yield (
            each[start:end].view(shape).permute(2, 0, 3, 1, 4),
            seen[start:end].view(shape).squeeze(2).transpose(1, 2),
            (cos[row, 0], sin[row, 0]),
        )
        start = end


def _clear_rest(written: Tensor, shapes: Shapes) -> None:
    """Zero what lies after the last block."""
    written[sum(rows * width for rows, width in shapes) :].zero_()


@cache
def _later(dtype: torch.dtype) -> Tensor:
    """What is added to a query's scores (WIDEST, WIDEST): no weight for what comes after it."""
    return torch.full((WIDEST, WIDEST), -math.inf, dtype=dtype).triu_(1)


def in_blocks(shapes: Shapes) -> Attend:
    """Attention within the rows of each block of (..., n) tokens laid out as `Packed` tells."""
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

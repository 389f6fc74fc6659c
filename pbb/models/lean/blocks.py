"""Attention within blocks: rectangles of tokens that lie one after the other."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import torch
from torch import Tensor

from pbb.models.lean.llama import Attend, attended
from pbb.models.lean.pieces import turned_by

Shapes = Sequence[tuple[int, int]]
"""(rows, width) of each block, as `Packed` tells them."""

_FLASH: Final = getattr(torch.ops.aten, "_scaled_dot_product_flash_attention_for_cpu", None)
_FLASH_BACK: Final = getattr(
    torch.ops.aten, "_scaled_dot_product_flash_attention_for_cpu_backward", None
)
"""What torch's attention takes on CPU; null where it has other names."""

HAS_FLASH: Final = _FLASH is not None and _FLASH_BACK is not None
"""Whether `mixed` can be called."""


def mixed(
    each: Tensor, cos: Tensor, sin: Tensor, heads: int, shapes: Shapes
) -> tuple[Tensor, tuple[Tensor, ...]]:
    """Of all heads (n, 3 heads, d): what `turned` makes of `in_blocks`, with the same bytes, and
    what `mixed_back` needs. No gradient.

    A step has some twenty small blocks in each layer. Autograd would keep a dozen nodes for each,
    and put the gradients of all parts together four times.
    """
    assert _FLASH is not None
    n, _, d = each.shape
    turning = turned_by(each[:, : 2 * heads], cos, sin, 1)
    seen = each.new_empty(n, heads, d)
    kept = []
    parts = (turning[:, :heads], turning[:, heads:], each[:, 2 * heads :], seen)
    for queries, keys, values, out in _of_blocks(parts, shapes):
        found, logsumexp = _FLASH(queries, keys, values, 0.0, True)
        out.copy_(found)
        kept += [found, logsumexp]
    _clear_rest([seen], shapes)
    return seen.flatten(1), (each, turning, *kept)


def mixed_back(
    grad: Tensor,
    kept: Sequence[Tensor],
    cos: Tensor,
    sin: Tensor,
    heads: int,
    shapes: Shapes,
) -> Tensor:
    """The gradient of all heads from that of what `mixed` gave."""
    assert _FLASH_BACK is not None
    each, turning, *found = kept
    of_each, of_turning = torch.empty_like(each), torch.empty_like(turning)
    values, got = each[:, 2 * heads :], grad.view(len(grad), heads, -1)
    parts = (turning[:, :heads], turning[:, heads:], values, got)
    into = (of_turning[:, :heads], of_turning[:, heads:], of_each[:, 2 * heads :])
    for (*read, of_seen, of_queries, of_keys, of_values), seen, logsumexp in zip(
        _of_blocks((*parts, *into), shapes), found[::2], found[1::2], strict=True
    ):
        gradients = _FLASH_BACK(of_seen, *read, seen, logsumexp, 0.0, True)
        for out, of in zip((of_queries, of_keys, of_values), gradients, strict=True):
            out.copy_(of)
    _clear_rest(into, shapes)
    turned_by(of_turning, cos, sin, -1, of_each[:, : 2 * heads])
    return of_each


def _of_blocks(parts: Sequence[Tensor], shapes: Shapes) -> list[list[Tensor]]:
    """Each block's views (rows, heads, width, d) of parts (n, heads, d)."""
    found, start = [], 0
    for rows, width in shapes:
        end = start + rows * width
        shape = (rows, width, -1, parts[0].shape[-1])
        found.append([t[start:end].view(shape).transpose(1, 2) for t in parts])
        start = end
    return found


def _clear_rest(written: Sequence[Tensor], shapes: Shapes) -> None:
    """Zero what lies after the last block."""
    filled = sum(rows * width for rows, width in shapes)
    for part in written:
        part[filled:].zero_()


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

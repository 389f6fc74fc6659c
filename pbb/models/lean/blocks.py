"""Attention within blocks: rectangles of tokens that lie one after the other."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable

from pbb.models.lean.llama import Attend, Mix, Shape, attended, turned
from pbb.models.lean.pieces import turned_by

Shapes = Sequence[tuple[int, int]]
"""(rows, width) of each block, as `Packed` tells them."""

_FLASH: Final = getattr(torch.ops.aten, "_scaled_dot_product_flash_attention_for_cpu", None)
_FLASH_BACK: Final = getattr(
    torch.ops.aten, "_scaled_dot_product_flash_attention_for_cpu_backward", None
)
"""What torch's attention takes on CPU; null where it has other names."""


def trained_in_blocks(shape: Shape, shapes: Shapes) -> Mix:
    """Mixing within blocks, with one backward pass for all of them where it saves time."""
    step_by_step = turned(shape, in_blocks(shapes))

    def mix(layer: int, each: Tensor, cos: Tensor, sin: Tensor) -> Tensor:
        if _FLASH is None or _FLASH_BACK is None or not _suits(shape, each):
            return step_by_step(layer, each, cos, sin)
        apply: Any = _BlockMix.apply
        seen: Tensor = apply(each, cos, sin, shape.heads, tuple(shapes))
        return seen

    return mix


def _suits(shape: Shape, each: Tensor) -> bool:
    plain = each.device.type == "cpu" and each.dtype in (torch.float32, torch.float64)
    return plain and each.requires_grad and shape.heads == shape.key_heads


class _BlockMix(torch.autograd.Function):
    """Of all heads (n, 3 h, d): what `turned` makes of `in_blocks`, with the same bytes.

    A step has some twenty small blocks in each layer. Autograd would keep a dozen nodes for each,
    and put the gradients of all parts together four times.
    """

    @staticmethod
    def forward(
        ctx: Any, each: Tensor, cos: Tensor, sin: Tensor, h: int, shapes: tuple[tuple[int, int]]
    ) -> Tensor:
        assert _FLASH is not None
        n, _, d = each.shape
        turning = turned_by(each[:, : 2 * h], cos, sin, 1)
        seen = each.new_empty(n, h, d)
        kept = []
        parts = (turning[:, :h], turning[:, h:], each[:, 2 * h :], seen)
        for queries, keys, values, out in _of_blocks(parts, shapes):
            found, logsumexp = _FLASH(queries, keys, values, 0.0, True)
            out.copy_(found)
            kept += [found, logsumexp]
        _clear_rest([seen], shapes)
        ctx.save_for_backward(each, turning, cos, sin, *kept)
        ctx.h, ctx.shapes = h, shapes
        return seen.flatten(1)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor | None, ...]:
        assert _FLASH_BACK is not None
        each, turning, cos, sin, *kept = ctx.saved_tensors
        h = ctx.h
        of_each, of_turning = torch.empty_like(each), torch.empty_like(turning)
        parts = (turning[:, :h], turning[:, h:], each[:, 2 * h :], grad.view(len(grad), h, -1))
        into = (of_turning[:, :h], of_turning[:, h:], of_each[:, 2 * h :])
        blocks = _of_blocks((*parts, *into), ctx.shapes)
        for (queries, keys, values, got, *outs), seen, logsumexp in zip(
            blocks, kept[::2], kept[1::2], strict=True
        ):
            found = _FLASH_BACK(got, queries, keys, values, seen, logsumexp, 0.0, True)
            for out, of in zip(outs, found, strict=True):
                out.copy_(of)
        _clear_rest(into, ctx.shapes)
        turned_by(of_turning, cos, sin, -1, of_each[:, : 2 * h])
        return of_each, None, None, None, None


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

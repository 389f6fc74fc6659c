"""A layer under training, forward and backward pass written out as one function of autograd.

A small step is many small operations: autograd's own bookkeeping, a node for each, takes as long
as some of them, and what it adds up apart is added in place here.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import chain
from typing import Any

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable

from pbb.models.lean.blocks import WIDEST, Shapes, in_blocks, mixed, mixed_back
from pbb.models.lean.llama import Layer, Llama, Shape, Through, step_by_step
from pbb.models.lean.pieces import gated, gated_back, normed, normed_back
from pbb.models.lean.projection import Projection


def through_blocks(llama: Llama, shapes: Shapes) -> Through:
    """Through layers, with attention within blocks: each layer at once where that can be."""
    stepwise = step_by_step(llama, in_blocks(shapes))

    def through(i: int, x: Tensor, cos: Tensor, sin: Tensor, places: Tensor | None) -> Tensor:
        layer = llama.layers[i]
        if not suits(llama.shape, layer, x, shapes):
            return stepwise(i, x, cos, sin, places)
        apply: Any = _TrainedLayer.apply
        trained = chain.from_iterable(part.trained() for part in _projections(layer))
        after: Tensor = apply(x, cos, sin, places, layer, llama.shape, tuple(shapes), *trained)
        return after

    return through


def suits(shape: Shape, layer: Layer, x: Tensor, shapes: Shapes) -> bool:
    """Whether `_TrainedLayer` can take x through: LoRA alone is trained, on CPU, as many heads ask
    as are asked, and no block is wide."""
    plain = x.device.type == "cpu" and x.dtype in (torch.float32, torch.float64)
    lora = all(part.low_rank for part in _projections(layer))
    frozen = lora and not (layer.norm_in.requires_grad or layer.norm_mlp.requires_grad)
    alone = torch.is_grad_enabled() and not torch.is_autocast_enabled("cpu")
    short = all(width <= WIDEST for _, width in shapes)
    return plain and frozen and alone and short and shape.heads == shape.key_heads


def _projections(layer: Layer) -> tuple[Projection, ...]:
    return layer.qkv, layer.out, layer.gate_up, layer.down


class _TrainedLayer(torch.autograd.Function):
    """`step_by_step` with `in_blocks`. trained: what `Projection.trained` gives, of all four."""

    @staticmethod
    def forward(
        ctx: Any,
        x: Tensor,
        cos: Tensor,
        sin: Tensor,
        places: Tensor | None,
        layer: Layer,
        shape: Shape,
        shapes: tuple[tuple[int, int], ...],
        *trained: Tensor,
    ) -> Tensor:
        before, norm_in = normed(x, layer.norm_in, shape.eps)
        qkv, of_qkv = layer.qkv.read(before)
        each = qkv.view(len(x), -1, shape.head_dim)
        seen, of_mix = mixed(each, cos, sin, shape.heads, shapes)
        if places is not None:
            x, seen = x.index_select(0, places), seen.index_select(0, places)
        out, of_out = layer.out.read(seen)
        x = out.add_(x)
        before, norm_mlp = normed(x, layer.norm_mlp, shape.eps)
        both, of_both = layer.gate_up.read(before)
        gate, *of_gate = gated(both)
        down, of_down = layer.down.read(gate)
        kept = (norm_in, of_qkv, of_mix, of_out, norm_mlp, of_both, (both, *of_gate), of_down)
        ctx.save_for_backward(cos, sin, places, *chain.from_iterable(kept))
        ctx.sizes = [len(each) for each in kept]
        ctx.n, ctx.layer, ctx.shape, ctx.shapes = len(each), layer, shape, shapes
        return down.add_(x)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor | None, ...]:
        cos, sin, places, *flat = ctx.saved_tensors
        layer = ctx.layer
        norm_in, of_qkv, of_mix, of_out, norm_mlp, of_both, of_gate, of_down = _split(
            flat, ctx.sizes
        )
        of_gated, from_down = layer.down.read_back(grad, of_down, True)
        of_before, from_both = layer.gate_up.read_back(
            gated_back(of_gated, *of_gate), of_both, True
        )
        grad = normed_back(of_before, norm_mlp, layer.norm_mlp).add_(grad)
        of_seen, from_out = layer.out.read_back(grad, of_out, True)
        if places is not None:
            grad, of_seen = (_spread(each, places, ctx.n) for each in (grad, of_seen))
        of_each = mixed_back(of_seen, of_mix, cos, sin, ctx.shape.heads, ctx.shapes)
        needs_x = ctx.needs_input_grad[0]
        of_before, from_qkv = layer.qkv.read_back(of_each.flatten(1), of_qkv, needs_x)
        of_x = normed_back(of_before, norm_in, layer.norm_in).add_(grad) if needs_x else None
        nothing = (None,) * 6
        return (of_x, *nothing, *from_qkv, *from_out, *from_both, *from_down)


def _split(flat: Sequence[Tensor], sizes: Sequence[int]) -> list[tuple[Tensor, ...]]:
    rest = iter(flat)
    return [tuple(next(rest) for _ in range(size)) for size in sizes]


def _spread(rows: Tensor, places: Tensor, n: int) -> Tensor:
    """Rows added up at their places among n."""
    return rows.new_zeros(n, rows.shape[1]).index_add_(0, places, rows)

"""A layer under training, forward and backward pass written out as one function of autograd.

A small step is many small operations: autograd's own bookkeeping, a node for each, takes as long
as some of them, and what it adds up apart is added in place here.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any, Final

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable

from pbb.models.lean.blocks import through_packed
from pbb.models.lean.llama import Layer, Llama, Shape, Through
from pbb.models.lean.mixing import WIDEST, Gathering, mixed, mixed_back
from pbb.models.lean.pieces import normed, normed_back
from pbb.models.lean.products import summed_outer, times
from pbb.models.lean.projection import Projection
from pbb.models.lean.row import AdapterRow
from pbb.models.packing import Packed

LARGEST: Final = 2**20
"""Weights of a layer. At half as many, merging no longer saves time, and takes memory."""


def suits(llama: Llama) -> bool:
    """Whether a Llama can be trained so: a small one on CPU, by LoRA alone, with as many heads that
    ask as are asked."""
    alike = llama.shape.heads == llama.shape.key_heads
    return llama.embedding.device.type == "cpu" and alike and all(map(_suits, llama.layers))


def _suits(layer: Layer) -> bool:
    """Half precision would round LoRA away."""
    frozen = not (layer.norm_in.requires_grad or layer.norm_mlp.requires_grad)
    weights = [each.weight for each in layer.projections if isinstance(each.weight, Tensor)]
    parts = [part for each in layer.projections for part in each.low_rank]
    kinds = {t.dtype for t in (*weights, *(part.down for part in parts))}
    small = sum(weight.numel() for weight in weights) <= LARGEST
    precise = kinds in ({torch.float32}, {torch.float64})
    return frozen and small and precise and all(each.low_rank for each in layer.projections)


def through_merged(llama: Llama, row: AdapterRow, packed: Packed) -> Through:
    """Through layers by the adapter's weights as they are now, with attention within sequences.

    Where one is longer than WIDEST, step by step.
    """
    weights = row.merged()
    if max(packed.lengths) > WIDEST:
        layers = tuple(map(_reading_by, llama.layers, weights))
        return through_packed(replace(llama, layers=layers), packed)
    gathering = Gathering.of(packed, llama.shape.heads)

    def through(i: int, x: Tensor, cos: Tensor, sin: Tensor, places: Tensor | None) -> Tensor:
        apply: Any = _TrainedLayer.apply
        after: Tensor = apply(
            x, cos, sin, places, llama.layers[i], llama.shape, gathering, *weights[i]
        )
        return after

    return through


def _reading_by(layer: Layer, weights: tuple[Tensor, ...]) -> Layer:
    qkv, out, gate, up, down = weights
    return Layer(
        layer.norm_in,
        Projection((qkv,)),
        Projection((out,)),
        layer.norm_mlp,
        Projection((gate, up)),
        Projection((down,)),
    )


class _TrainedLayer(torch.autograd.Function):
    """One layer of `through_packed`, to be gone back through once. weights: of qkv, out, gate, up
    and down.

    Gate and up are read apart, so that the outputs of each lie together: what is computed of them
    one by one passes through memory twice as fast.
    """

    @staticmethod
    def forward(
        ctx: Any,
        x: Tensor,
        cos: Tensor,
        sin: Tensor,
        places: Tensor | None,
        layer: Layer,
        shape: Shape,
        gathering: Gathering,
        *weights: Tensor,
    ) -> Tensor:
        qkv, out, gate, up, down = weights
        asked, norm_in = normed(x, layer.norm_in, shape.eps)
        each = times(asked, qkv).view(len(x), -1, shape.head_dim)
        seen, mix = mixed(each, cos, sin, gathering)
        if places is not None:
            x, seen = x.index_select(0, places), seen.index_select(0, places)
        x = times(seen, out).add_(x)
        fed, norm_mlp = normed(x, layer.norm_mlp, shape.eps)
        gates, ups = times(fed, gate), times(fed, up)
        open_by = gates.sigmoid()
        swish = gates.mul_(open_by)
        gated = swish * ups
        kept = (asked, seen, fed, open_by, ups, swish, gated)
        ctx.save_for_backward(cos, sin, places, *weights, *kept, *norm_in, *norm_mlp, *mix)
        ctx.n, ctx.layer, ctx.gathering = len(each), layer, gathering
        return times(gated, down).add_(x)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor | None, ...]:
        cos, sin, places, qkv, out, gate, up, down, *kept = ctx.saved_tensors
        asked, seen, fed, open_by, ups, swish, gated, *norms = kept
        norm_in, norm_mlp, mix = norms[:2], norms[2:4], norms[4:]
        of_down = summed_outer(grad, gated)
        of_gated = times(grad, down.T)
        of_gates = open_by.addcmul_(swish, open_by, value=-1).add_(swish).mul_(of_gated).mul_(ups)
        of_ups = of_gated.mul_(swish)
        of_gate, of_up = summed_outer(of_gates, fed), summed_outer(of_ups, fed)
        of_fed = times(of_gates, gate.T).add_(times(of_ups, up.T))
        grad = normed_back(of_fed, norm_mlp, ctx.layer.norm_mlp).add_(grad)
        of_out = summed_outer(grad, seen)
        of_seen = times(grad, out.T)
        if places is not None:
            grad, of_seen = (_spread(each, places, ctx.n) for each in (grad, of_seen))
        of_each = mixed_back(of_seen, mix, cos, sin, ctx.gathering).flatten(1)
        of_qkv, of_x = summed_outer(of_each, asked), None
        if ctx.needs_input_grad[0]:
            of_x = normed_back(times(of_each, qkv.T), norm_in, ctx.layer.norm_in).add_(grad)
        return (of_x, *(None,) * 6, of_qkv, of_out, of_gate, of_up, of_down)


def _spread(rows: Tensor, places: Tensor, n: int) -> Tensor:
    """Rows added up at their places among n."""
    return rows.new_zeros(n, rows.shape[1]).index_add_(0, places, rows)

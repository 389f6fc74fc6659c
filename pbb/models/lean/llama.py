"""A Llama's forward pass over its own weights, in few operations: no module calls, no masks.

The weights are those of a transformers model, plain or wrapped by peft; gradients reach its
parameters as they would through the model's own forward.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor

from pbb.models.lean.pieces import rms_norm, rotated, swiglu
from pbb.models.lean.products import linear
from pbb.models.lean.projection import Projection
from pbb.models.precision import widened

Attend = Callable[[int, Tensor, Tensor, Tensor], Tensor]
"""(layer, queries (..., n, heads, d), keys and values (..., n, key heads, d)) -> (..., n, heads x
d)."""
Through = Callable[[int, Tensor, Tensor, Tensor, Tensor | None], Tensor]
"""(layer, x (..., n, d), cosines, sines, places) -> x after the layer; of the places, counted
through all leading dimensions, where there are any."""


@dataclass(frozen=True)
class Layer:
    """qkv: queries, keys, values; gate_up: gate, up. Norms: their weights."""

    norm_in: Tensor
    qkv: Projection
    out: Projection
    norm_mlp: Tensor
    gate_up: Projection
    down: Projection

    @property
    def projections(self) -> tuple[Projection, ...]:
        """In the order in which x passes them."""
        return self.qkv, self.out, self.gate_up, self.down


@dataclass(frozen=True)
class Shape:
    """heads: of queries; key_heads: of keys and values; eps: of the norms."""

    heads: int
    key_heads: int
    head_dim: int
    eps: float


@dataclass(frozen=True)
class Llama:
    """turns (head_dim/2,): angle of each pair in a token's step; turn_scale: of what they give."""

    shape: Shape
    embedding: Tensor
    layers: tuple[Layer, ...]
    norm: Tensor
    head: Tensor
    turns: Tensor
    turn_scale: float

    def hidden(self, tokens: Tensor, positions: Tensor, attend: Attend, kept: Tensor) -> Tensor:
        """Normed last hidden states (*kept.shape, d) of tokens (..., n).

        kept: places among all tokens, counted through all leading dimensions. The last layer's
        feed-forward part is computed for these alone.
        """
        return self.passed(tokens, positions, step_by_step(self, attend), kept)

    def passed(self, tokens: Tensor, positions: Tensor, through: Through, kept: Tensor) -> Tensor:
        """As `hidden`; through: what takes x through a layer."""
        x = F.embedding(tokens, self.embedding)
        cos, sin = self.angles(positions, x.dtype)
        for i in range(len(self.layers)):
            x = through(i, x, cos, sin, kept if i == len(self.layers) - 1 else None)
        return rms_norm(x, self.norm, self.shape.eps)

    def angles(self, positions: Tensor, dtype: torch.dtype) -> tuple[Tensor, Tensor]:
        """Cosines (..., n, 1, head_dim), each half alike, and sines (..., n, 1, head_dim/2) of
        positions (..., n)."""
        angles = positions[..., None].float() * self.turns
        cos, sin = angles.cos() * self.turn_scale, angles.sin() * self.turn_scale
        cos = torch.cat([cos, cos], dim=-1)
        return cos.to(dtype).unsqueeze(-2), sin.to(dtype).unsqueeze(-2)

    def logits(self, hidden: Tensor) -> Tensor:
        """float32, or float64 of a model in it."""
        return widened(linear(hidden, self.head))

    def merged(self) -> Llama:
        """The same function, LoRA added to the weights: for many calls without training."""
        layers = tuple(
            Layer(
                layer.norm_in,
                layer.qkv.merged(),
                layer.out.merged(),
                layer.norm_mlp,
                layer.gate_up.merged(),
                layer.down.merged(),
            )
            for layer in self.layers
        )
        return Llama(
            self.shape,
            self.embedding,
            layers,
            self.norm,
            self.head,
            self.turns,
            self.turn_scale,
        )


def all_heads(shape: Shape, layer: Layer, x: Tensor) -> Tensor:
    """x (..., n, d) -> its queries, keys and values, (..., n, heads + 2 key heads, head_dim)."""
    qkv = layer.qkv(rms_norm(x, layer.norm_in, shape.eps))
    each: Tensor = qkv.unflatten(-1, (-1, shape.head_dim))
    return each


def turned_heads(
    shape: Shape, each: Tensor, cos: Tensor, sin: Tensor
) -> tuple[Tensor, Tensor, Tensor]:
    """Queries, keys (both turned to their positions) and values of `all_heads`."""
    turning, values = each.split([shape.heads + shape.key_heads, shape.key_heads], dim=-2)
    queries, keys = rotated(turning, cos, sin).split([shape.heads, shape.key_heads], dim=-2)
    return queries, keys, values


def step_by_step(llama: Llama, attend: Attend) -> Through:
    """Through layers by operations of which autograd knows each."""

    def through(i: int, x: Tensor, cos: Tensor, sin: Tensor, places: Tensor | None) -> Tensor:
        layer = llama.layers[i]
        each = all_heads(llama.shape, layer, x)
        seen = attend(i, *turned_heads(llama.shape, each, cos, sin))
        if places is not None:
            x, seen = _rows(x, places), _rows(seen, places)
        return fed_forward(llama.shape, layer, x, seen)

    return through


def fed_forward(shape: Shape, layer: Layer, x: Tensor, seen: Tensor) -> Tensor:
    """x (..., n, d) and what its attention has seen (..., n, heads x head_dim) -> after it."""
    x = x + layer.out(seen)
    gated = layer.gate_up(rms_norm(x, layer.norm_mlp, shape.eps))
    return x + layer.down(swiglu(gated))


def attended(queries: Tensor, keys: Tensor, values: Tensor, mask: Tensor | None) -> Tensor:
    """Attention of (rows, t, heads, d) queries, causal where there is no mask -> (rows, t, heads x
    d)."""
    seen = F.scaled_dot_product_attention(
        queries.transpose(1, 2),
        keys.transpose(1, 2),
        values.transpose(1, 2),
        attn_mask=mask,
        is_causal=mask is None,
        enable_gqa=queries.shape[2] != keys.shape[2],
    )
    return seen.transpose(1, 2).flatten(2)


def _rows(x: Tensor, places: Tensor) -> Tensor:
    chosen: Tensor = x.flatten(0, -2).index_select(0, places.flatten())
    return chosen.reshape(*places.shape, -1)

"""The forward pass of several adapters abreast, in as many tokens of each."""

from __future__ import annotations

from collections.abc import Callable

import torch
import torch.nn.functional as F
from torch import Tensor

from pbb.models.lean.llama import Layer, Llama, Shape, all_heads, fed_forward, turned_heads
from pbb.models.lean.pieces import rms_norm
from pbb.models.lean.sequences import in_sequences

Pass = Callable[[Shape, Layer, Tensor, Tensor, Tensor, Tensor, int], Tensor]
"""`layer_pass`, or what a compiler makes of it."""


def layer_pass(
    shape: Shape, layer: Layer, x: Tensor, cos: Tensor, sin: Tensor, bounds: Tensor, longest: int
) -> Tensor:
    """x (A, N, d) after a layer; bounds and longest are of the A x N tokens' sequences."""
    each = turned_heads(shape, all_heads(shape, layer, x), cos, sin)
    queries, keys, values = (t.flatten(0, 1) for t in each)
    seen = in_sequences(queries, keys, values, bounds, longest)
    return fed_forward(shape, layer, x, seen.unflatten(0, x.shape[:2]))


def hidden_abreast(
    llama: Llama,
    tokens: Tensor,
    positions: Tensor,
    bounds: Tensor,
    longest: int,
    kept: Tensor,
    through: Pass = layer_pass,
) -> Tensor:
    """Normed last hidden states (*kept.shape, d) of tokens (A, N).

    kept: places among all A x N tokens. through: what takes x through a layer.
    """
    x = F.embedding(tokens, llama.embedding)
    if torch.is_grad_enabled():
        x.requires_grad_()  # or the first layer would be compiled apart from the others
    cos, sin = llama.angles(positions, x.dtype)
    for layer in llama.layers:
        x = through(llama.shape, layer, x, cos, sin, bounds, longest)
    rows = x.flatten(0, 1).index_select(0, kept.flatten()).unflatten(0, kept.shape)
    return rms_norm(rows, llama.norm, llama.shape.eps)

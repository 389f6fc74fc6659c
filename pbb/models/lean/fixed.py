"""A lean Llama to decode with: of adapters side by side, cast once, in memory that stays in place.

A recorded GPU step reads the addresses it was recorded with, so other adapters are written there.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Final

from torch import Tensor

from pbb.models.lean.llama import Layer, Llama
from pbb.models.lean.products import times
from pbb.models.lean.projection import LowRank, Projection

PROJECTIONS: Final = ("qkv", "out", "gate_up", "down")


@dataclass(frozen=True, kw_only=True)
class Fixed(Projection):
    """x (adapters, n, inputs) -> (adapters, n, outputs); has no gradient.

    downs (adapters, ranks, inputs), ups (adapters, ranks, outputs): of all parts, in the base's
    own precision. Each part's ups are zero but for its own outputs, so that LoRA is two products.
    """

    downs: Tensor
    ups: Tensor

    def __call__(self, x: Tensor) -> Tensor:
        assert isinstance(self.weight, Tensor)
        y = times(x, self.weight)
        if self.downs.shape[1] == 0:
            return y
        return y.baddbmm_(x @ self.downs.mT, self.ups)

    def fill(self, parts: Sequence[LowRank]) -> None:
        """Take the adapters of another projection of the same shapes."""
        rank = place = 0
        for part in parts:
            down, up = _stacked(part.down), _stacked(part.up * part.scale)
            ranks, places = slice(rank, rank + down.shape[1]), slice(place, place + up.shape[1])
            self.downs[:, ranks] = down
            self.ups[:, ranks, places] = up.mT
            rank, place = ranks.stop, places.stop


def has_frozen_base(llama: Llama) -> bool:
    """Whether the base's weights are frozen, beside which adapters can stand."""
    return isinstance(llama.layers[0].qkv.weight, Tensor)


def fixed(llama: Llama) -> Llama:
    """The same function without gradient, of a Llama with a frozen base."""
    layers = [
        Layer(
            layer.norm_in,
            _fixed(layer.qkv),
            _fixed(layer.out),
            layer.norm_mlp,
            _fixed(layer.gate_up),
            _fixed(layer.down),
        )
        for layer in llama.layers
    ]
    return replace(llama, layers=tuple(layers))


def fill(into: Llama, llama: Llama) -> None:
    """Put the adapters of `llama`, of one base and like shape, into a Llama that `fixed` gave."""
    for layer, given in zip(into.layers, llama.layers, strict=True):
        for name in PROJECTIONS:
            getattr(layer, name).fill(getattr(given, name).low_rank)


def shape_of(llama: Llama) -> tuple[tuple[int, ...], ...]:
    """Of the adapters of one layer: equal for those that can be put into each other's place."""
    return tuple(
        tuple(part.down.shape)
        for name in PROJECTIONS
        for part in _projection(llama.layers[0], name).low_rank
    )


def _projection(layer: Layer, name: str) -> Projection:
    found: Projection = getattr(layer, name)
    return found


def _fixed(projection: Projection) -> Fixed:
    weight, parts = projection.weight, projection.low_rank
    assert isinstance(weight, Tensor)
    outputs, inputs = weight.shape
    adapters = len(_stacked(parts[0].down)) if parts else 1
    ranks = sum(part.down.shape[-2] for part in parts)
    made = Fixed(
        weight,
        downs=weight.new_zeros(adapters, ranks, inputs),
        ups=weight.new_zeros(adapters, ranks, outputs),
    )
    made.fill(parts)
    return made


def _stacked(each: Tensor) -> Tensor:
    """With the adapters first, one where there is one."""
    return each if each.dim() == 3 else each[None]


def adapters_of(llama: Llama) -> int:
    """How many stand side by side in a Llama that `fixed` gave."""
    qkv = llama.layers[0].qkv
    assert isinstance(qkv, Fixed)
    return len(qkv.downs)

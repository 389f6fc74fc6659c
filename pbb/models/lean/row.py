"""The LoRA of one adapter in a row of memory, merged into the weights beside which it stands.

A small adapter is many small matrices. Those of one shape lie one behind the other here, so that a
step merges them, and finds their gradients, in few products, and moves them all at once.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Final

import torch
from torch import Tensor, nn
from torch.autograd.function import once_differentiable

from pbb.models.lean.llama import Layer, Llama
from pbb.models.lean.projection import LowRank

PER_LAYER: Final = 5
"""Weights that a layer reads by: of qkv, out, gate, up and down."""


class AdapterRow:
    """Takes over the LoRA of a lean Llama: its parameters become views of this one's.

    parameter (P,): what is to be trained.
    """

    def __init__(self, llama: Llama) -> None:
        weights = [each for layer in llama.layers for each in _apart(layer)]
        by_shape: dict[tuple[object, ...], list[int]] = defaultdict(list)
        for i, (weight, parts) in enumerate(weights):
            down, scale = parts[0].down, float(parts[0].scale)
            by_shape[(*down.shape, len(weight) // len(parts), scale)].append(i)
        self._groups, parameters = [], 0
        for places in by_shape.values():
            group = _Group.of([weights[i] for i in places], places, parameters)
            self._groups.append(group)
            parameters = group.end
        self.parameter = nn.Parameter(weights[0][0].new_empty(parameters))
        for group in self._groups:
            group.take_over([p for i in group.places for p in weights[i][1]], self.parameter.data)

    def merged(self) -> list[tuple[Tensor, ...]]:
        """Of each layer the weights of qkv, out, gate, up and down. Gradients reach the row."""
        apply: Any = _Merged.apply
        flat = apply(self.parameter, self._groups)
        return [flat[i : i + PER_LAYER] for i in range(0, len(flat), PER_LAYER)]


def _apart(layer: Layer) -> Iterator[tuple[Tensor, tuple[LowRank, ...]]]:
    """A layer's weights, each with the LoRA of its parts, which are of one shape."""
    for projection in layer.projections:
        weight, parts = projection.weight, projection.low_rank
        assert isinstance(weight, Tensor)
        if projection is layer.gate_up:
            yield from zip(weight.chunk(2), ((part,) for part in parts), strict=True)
        else:
            yield weight, parts


@dataclass(frozen=True)
class _Group:
    """Parts of one shape.

    base (k, outputs, inputs): the weights beside which they stand. places and counts: of each
    weight that some of them make up, its place among all and its parts. start: where in the row
    their downs (k, rank, inputs) begin, behind which come their ups (k, outputs, rank).
    """

    base: Tensor
    places: tuple[int, ...]
    counts: tuple[int, ...]
    rank: int
    scale: float
    start: int

    @classmethod
    def of(
        cls,
        weights: Sequence[tuple[Tensor, tuple[LowRank, ...]]],
        places: Sequence[int],
        start: int,
    ) -> _Group:
        base = torch.cat([w.unflatten(0, (len(parts), -1)) for w, parts in weights])
        first = weights[0][1][0]
        counts = tuple(len(parts) for _, parts in weights)
        return cls(base, tuple(places), counts, len(first.down), float(first.scale), start)

    @property
    def end(self) -> int:
        k, outputs, inputs = self.base.shape
        return self.start + k * self.rank * (inputs + outputs)

    def within(self, row: Tensor) -> tuple[Tensor, Tensor]:
        """The row's views of downs and ups."""
        k, outputs, inputs = self.base.shape
        downs, ups = row[self.start : self.end].split(
            [k * self.rank * s for s in (inputs, outputs)]
        )
        return downs.view(k, self.rank, inputs), ups.view(k, outputs, self.rank)

    def take_over(self, parts: Sequence[LowRank], row: Tensor) -> None:
        for part, down, up in zip(parts, *self.within(row), strict=True):
            part.down.data, part.up.data = down.copy_(part.down.data), up.copy_(part.up.data)


class _Merged(torch.autograd.Function):
    """Weights with LoRA added to them, in their places."""

    @staticmethod
    def forward(ctx: Any, row: Tensor, groups: Sequence[_Group]) -> tuple[Tensor, ...]:
        found: dict[int, Tensor] = {}
        for group in groups:
            downs, ups = group.within(row)
            merged = torch.baddbmm(group.base, ups, downs, alpha=group.scale)
            for place, part in zip(group.places, merged.split(group.counts), strict=True):
                found[place] = part.flatten(0, 1)
        ctx.save_for_backward(row)
        ctx.groups = groups
        return tuple(found[i] for i in range(len(found)))

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, *grads: Tensor) -> tuple[Tensor, None]:
        (row,) = ctx.saved_tensors
        of_row = torch.empty_like(row)
        for group in ctx.groups:
            (downs, ups), (of_downs, of_ups) = group.within(row), group.within(of_row)
            of_base = torch.cat([grads[i] for i in group.places]).view(group.base.shape)
            scale = group.scale
            torch.baddbmm(of_downs, ups.mT, of_base, beta=0, alpha=scale, out=of_downs)
            torch.baddbmm(of_ups, of_base, downs.mT, beta=0, alpha=scale, out=of_ups)
        return of_row, None

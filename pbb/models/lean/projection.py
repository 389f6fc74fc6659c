"""Linear layers that read one input, computed as one; with LoRA, of one adapter or of several."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor
from torch.autograd.function import once_differentiable

from pbb.models.lean.products import linear, summed_outer, times

Kept = tuple[Tensor, ...]
"""What a forward pass leaves for its backward pass; the input first."""


@dataclass(frozen=True)
class LowRank:
    """LoRA of one layer: x -> scale (x down^T) up^T.

    down (..., rank, inputs), up (..., outputs, rank); of a cohort they begin with the adapter, and
    scale (adapters, 1, 1) is its own for each.
    """

    down: Tensor
    up: Tensor
    scale: float | Tensor


@dataclass(frozen=True)
class Projection:
    """x -> the outputs of several linear layers without bias, side by side.

    weight: theirs, one below the other, frozen; or each by itself, where they are trained.
    """

    weight: Tensor | tuple[Tensor, ...]
    low_rank: tuple[LowRank, ...] = ()

    def __call__(self, x: Tensor) -> Tensor:
        if isinstance(self.weight, tuple):
            return linear(x, _joined(self.weight))
        if not self.low_rank:
            return linear(x, self.weight)
        if x.dim() > 2:
            return self._beside(x)
        apply: Any = _Read.apply
        result: Tensor = apply(x, self, *self.trained())
        return result

    def trained(self) -> tuple[Tensor, ...]:
        """All downs, all ups."""
        return (*(part.down for part in self.low_rank), *(part.up for part in self.low_rank))

    def read(self, x: Tensor) -> tuple[Tensor, Kept]:
        """The outputs for x (n, inputs) of one adapter, and what `read_back` needs. No gradient."""
        assert isinstance(self.weight, Tensor)
        read = _read_merged if self._merges(x) else _read_thin
        return read(x, self.weight, *self._low_rank())

    def read_back(
        self, grad: Tensor, kept: Kept, needs_x: bool
    ) -> tuple[Tensor | None, tuple[Tensor, ...]]:
        """The gradients of x, null where it is not needed, and of `trained`."""
        x, *others = kept
        back = _back_merged if self._merges(x) else _back_thin
        return back(grad, x, others, self._scale(), needs_x)

    def _merges(self, x: Tensor) -> bool:
        """Whether x of one adapter is read faster by one weight than by thin products beside it.

        Per token the thin ones take 6 rank (parts x inputs + outputs) operations, forth and back;
        the gradient of the one weight takes 2 inputs x outputs, nearly twice as fast each. Half
        precision would round LoRA away.
        """
        first = self.low_rank[0].down
        if x.dtype not in (torch.float32, torch.float64):
            return False
        assert isinstance(self.weight, Tensor)
        outputs, inputs = self.weight.shape
        thin = len(first) * (len(self.low_rank) * inputs + outputs)
        return 5 * thin > inputs * outputs

    def _beside(self, x: Tensor) -> Tensor:
        """x (adapters, n, inputs), each read by its own LoRA.

        The parts' products up are one, of a matrix that is zero elsewhere.
        """
        assert isinstance(self.weight, Tensor)
        ranks = [part.down.shape[-2] for part in self.low_rank]
        down = _joined([part.down for part in self.low_rank]).to(x.dtype)
        ups = [
            F.pad(part.up * part.scale, (sum(ranks[:i]), sum(ranks[i + 1 :])))
            for i, part in enumerate(self.low_rank)
        ]
        up = _joined(ups).to(x.dtype)
        if self.weight.shape[0] <= self.weight.shape[1]:
            return F.linear(x, self.weight) + (x @ down.mT) @ up.mT
        apply: Any = _AdaptersLinear.apply
        result: Tensor = apply(x, self.weight, down, up)
        return result

    def merged(self) -> Projection:
        """The same function of x, of one weight."""
        weight = _joined(self.weight) if isinstance(self.weight, tuple) else self.weight
        if not self.low_rank:
            return Projection(weight)
        return Projection(_merged(weight, *self._low_rank()))

    def _low_rank(self) -> tuple[float, Sequence[Tensor], Sequence[Tensor]]:
        """scale, all downs, all ups; of one adapter."""
        return (self._scale(), *_halves(self.trained()))

    def _scale(self) -> float:
        return float(self.low_rank[0].scale)


class _Read(torch.autograd.Function):
    """`Projection.read` and `read_back`."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, projection: Projection, *trained: Tensor) -> Tensor:
        y, kept = projection.read(x)
        ctx.save_for_backward(*kept)
        ctx.projection = projection
        return y

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor | None, ...]:
        of_x, of_trained = ctx.projection.read_back(
            grad, ctx.saved_tensors, ctx.needs_input_grad[0]
        )
        return (of_x, None, *of_trained)


def _read_merged(
    x: Tensor, weight: Tensor, scale: float, downs: Sequence[Tensor], ups: Sequence[Tensor]
) -> tuple[Tensor, Kept]:
    """One product, by the weight with LoRA added to it."""
    merged = _merged(weight, scale, downs, ups)
    return times(x, merged), (x, merged, *downs, *ups)


def _back_merged(
    grad: Tensor, x: Tensor, kept: Sequence[Tensor], scale: float, needs_x: bool
) -> tuple[Tensor | None, tuple[Tensor, ...]]:
    merged, *parts = kept
    downs, ups = _halves(parts)
    of_x = times(grad, merged.T) if needs_x else None
    of_downs, of_ups = [], []
    for of_rows, down, up in zip(_rows(summed_outer(grad, x), ups), downs, ups, strict=True):
        of_downs.append(torch.addmm(down, up.T, of_rows, beta=0, alpha=scale))
        of_ups.append(torch.addmm(up, of_rows, down.T, beta=0, alpha=scale))
    return of_x, (*of_downs, *of_ups)


def _merged(weight: Tensor, scale: float, downs: Sequence[Tensor], ups: Sequence[Tensor]) -> Tensor:
    """A weight (outputs, inputs) and what the LoRA of its parts adds to it."""
    merged = torch.empty_like(weight)
    rows = zip(_rows(weight, ups), _rows(merged, ups), downs, ups, strict=True)
    for of_weight, into, down, up in rows:
        torch.addmm(of_weight, up, down, alpha=scale, out=into)
    return merged


def _halves(parts: Sequence[Tensor]) -> tuple[Sequence[Tensor], Sequence[Tensor]]:
    n = len(parts) // 2
    return parts[:n], parts[n:]


def _rows(wide: Tensor, ups: Sequence[Tensor]) -> Sequence[Tensor]:
    """Each part's rows among all outputs."""
    each: Sequence[Tensor] = wide.split_with_sizes([len(up) for up in ups])
    return each


def _read_thin(
    x: Tensor, weight: Tensor, scale: float, downs: Sequence[Tensor], ups: Sequence[Tensor]
) -> tuple[Tensor, Kept]:
    """Base and LoRA accumulate into one result, with nothing added up apart."""
    down = _joined([each.to(x.dtype) for each in downs])
    scaled = [(each * scale).to(x.dtype) for each in ups]
    hidden = times(x, down)
    y = times(x, weight)
    for out, code, up in _by_part(y, hidden, scaled):
        out.addmm_(code, up.mT)
    return y, (x, weight, hidden, down, *scaled)


def _back_thin(
    grad: Tensor, x: Tensor, kept: Sequence[Tensor], scale: float, needs_x: bool
) -> tuple[Tensor | None, tuple[Tensor, ...]]:
    weight, hidden, down, *ups = kept
    back = torch.empty_like(hidden)
    of_ups = []
    for (got, into, up), (_, code, _) in zip(
        _by_part(grad, back, ups), _by_part(grad, hidden, ups), strict=True
    ):
        torch.matmul(got, up, out=into)
        of_ups.append((got.mT @ code).mul_(scale))
    of_downs = (back.mT @ x).chunk(len(ups), dim=-2)
    of_x = times(grad, weight.T).addmm_(back, down) if needs_x else None
    return of_x, (*of_downs, *of_ups)


class _AdaptersLinear(torch.autograd.Function):
    """Of adapters abreast, where outputs are wider than inputs: base and LoRA in one product.

    Added to the base's outputs, LoRA's would be written and read once more; so its codes are put
    beside the inputs instead, and its weights beside the base's.
    """

    @staticmethod
    def forward(ctx: Any, x: Tensor, weight: Tensor, down: Tensor, up: Tensor) -> Tensor:
        code = x @ down.mT
        ctx.save_for_backward(x, weight, down, up, code)
        return torch.cat([x, code], dim=-1) @ _beside_each(weight, up).mT

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor, None, Tensor, Tensor]:
        x, weight, down, up, code = ctx.saved_tensors
        both = grad @ _beside_each(weight, up)
        of_x, of_code = both.split([x.shape[-1], code.shape[-1]], dim=-1)
        return of_x + of_code @ down, None, of_code.mT @ x, grad.mT @ code


def _beside_each(weight: Tensor, up: Tensor) -> Tensor:
    return torch.cat([weight.expand(len(up), -1, -1), up], dim=-1)


def _by_part(
    wide: Tensor, narrow: Tensor, ups: Sequence[Tensor]
) -> list[tuple[Tensor, Tensor, Tensor]]:
    """Each part's columns among all outputs, and among all ranks."""
    wides = wide.split([up.shape[-2] for up in ups], dim=-1)
    return list(zip(wides, narrow.chunk(len(ups), dim=-1), ups, strict=True))


def _joined(parts: Sequence[Tensor]) -> Tensor:
    return parts[0] if len(parts) == 1 else torch.cat(list(parts), dim=-2)

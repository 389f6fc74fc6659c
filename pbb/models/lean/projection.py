"""Linear layers that read one input, computed as one; with LoRA, of one adapter or of several."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor
from torch.autograd.function import once_differentiable

from pbb.models.lean.products import linear, times


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
        apply: Any = _LowRankLinear.apply
        result: Tensor = apply(x, self.weight, *self._low_rank())
        return result

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
        return Projection(_merged(weight, self.low_rank))

    def _low_rank(self) -> tuple[Any, ...]:
        """scale, all downs, all ups."""
        downs, ups = [p.down for p in self.low_rank], [p.up for p in self.low_rank]
        return (self.low_rank[0].scale, *downs, *ups)


def _merged(weight: Tensor, parts: Sequence[LowRank]) -> Tensor:
    """A weight (outputs, inputs) and what the LoRA of its parts adds to it."""
    rows = weight.split([len(part.up) for part in parts])
    return torch.cat(
        [
            torch.addmm(of_weight, part.up, part.down, alpha=float(part.scale))
            for of_weight, part in zip(rows, parts, strict=True)
        ]
    )


class _LowRankLinear(torch.autograd.Function):
    """Of one adapter: base and LoRA accumulate into one result, with nothing added up apart."""

    @staticmethod
    def forward(
        ctx: Any, x: Tensor, weight: Tensor, scale: float | Tensor, *parts: Tensor
    ) -> Tensor:
        n = len(parts) // 2
        down = _joined([each.to(x.dtype) for each in parts[:n]])
        ups = [(each * scale).to(x.dtype) for each in parts[n:]]
        hidden = times(x, down)
        y = times(x, weight)
        for out, code, up in _by_part(y, hidden, ups):
            out.addmm_(code, up.mT)
        ctx.save_for_backward(x, weight, hidden, down, *ups)
        ctx.scale = scale
        return y

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor | None, ...]:
        x, weight, hidden, down, *ups = ctx.saved_tensors
        back = torch.empty_like(hidden)
        of_ups = []
        for (got, into, up), (_, code, _) in zip(
            _by_part(grad, back, ups), _by_part(grad, hidden, ups), strict=True
        ):
            torch.matmul(got, up, out=into)
            of_ups.append((got.mT @ code).mul_(ctx.scale))
        of_downs = (back.mT @ x).chunk(len(ups), dim=-2)
        of_x = None
        if ctx.needs_input_grad[0]:
            of_x = times(grad, weight.T)
            of_x.addmm_(back, down)
        return (of_x, None, None, *of_downs, *of_ups)


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

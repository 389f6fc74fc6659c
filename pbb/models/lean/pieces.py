"""What stands between a Llama's linear layers, each with its own backward pass.

Written out, they keep less and touch memory less often than what autograd makes of their formulas.
A compiler does better with the formulas, so it is given those. Shapes: (..., n, d), any number of
leading dimensions.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import cache
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor
from torch.autograd.function import once_differentiable
from torch.compiler import is_compiling

from pbb.models.precision import widened


class _RmsNorm(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, x: Tensor, weight: Tensor, eps: float) -> Tensor:
        y, kept = normed(x, weight, eps)
        ctx.save_for_backward(weight, *kept)
        ctx.dtype = x.dtype
        return y

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor | None, Tensor | None, None]:
        weight, *kept = ctx.saved_tensors
        of_x = of_weight = None
        if ctx.needs_input_grad[0]:
            of_x = normed_back(grad, kept, weight).to(ctx.dtype)
        if ctx.needs_input_grad[1]:
            of_weight = (grad * kept[0]).flatten(0, -2).sum(0)
        return of_x, of_weight, None


def normed(x: Tensor, weight: Tensor, eps: float) -> tuple[Tensor, tuple[Tensor, Tensor]]:
    """`rms_norm` without gradient, and x over its root mean square with one over that."""
    wide = widened(x)
    length = torch.linalg.vector_norm(wide, dim=-1, keepdim=True)
    inverse = length.square_().mul_(1 / x.shape[-1]).add_(eps).rsqrt_()
    unit = wide * inverse
    return unit.to(x.dtype) * weight, (unit, inverse)


def normed_back(grad: Tensor, kept: Sequence[Tensor], weight: Tensor) -> Tensor:
    """The gradient of x from that of what `normed` gave, in the precision of what it kept."""
    unit, inverse = kept
    scaled = (grad * weight).to(unit.dtype)
    along = (scaled * unit).mean(-1, keepdim=True)
    return scaled.sub_(unit * along).mul_(inverse)


class _Rotated(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, x: Tensor, cos: Tensor, sin: Tensor) -> Tensor:
        ctx.save_for_backward(cos, sin)
        return turned_by(x, cos, sin, 1)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor, None, None]:
        cos, sin = ctx.saved_tensors
        return turned_by(grad, cos, sin, -1), None, None


def turned_by(x: Tensor, cos: Tensor, sin: Tensor, way: int, out: Tensor | None = None) -> Tensor:
    """Each pair (i, i + half) of a head turned by its angle (way 1), or back (-1). No gradient."""
    if out is None:
        out = torch.empty_like(x, memory_format=torch.contiguous_format)
    first, second = x.chunk(2, dim=-1)
    into_first, into_second = torch.mul(x, cos, out=out).chunk(2, dim=-1)
    into_first.addcmul_(second, sin, value=-way)
    into_second.addcmul_(first, sin, value=way)
    return out


class _SwiGlu(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, both: Tensor) -> Tensor:
        gate, up = both.chunk(2, dim=-1)
        swish = F.silu(gate)
        ctx.save_for_backward(both, swish)
        return swish * up

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, grad: Tensor) -> Tensor:
        both, swish = ctx.saved_tensors
        gate, up = both.chunk(2, dim=-1)
        out = torch.empty_like(both)
        of_gate, of_up = out.chunk(2, dim=-1)
        torch.mul(grad, swish, out=of_up)
        torch.ops.aten.silu_backward.grad_input(grad * up, gate, grad_input=of_gate)
        return out


def rms_norm(x: Tensor, weight: Tensor, eps: float) -> Tensor:
    """x over its root mean square, times weight (d,)."""
    if x.is_cuda or is_compiling():  # where torch has one kernel for it, or makes one
        return F.rms_norm(x, weight.shape, weight, eps)
    return _RmsNorm.apply(x, weight, eps)  # type: ignore[no-any-return, no-untyped-call]


def rotated(x: Tensor, cos: Tensor, sin: Tensor) -> Tensor:
    """Rotary positions of x (..., n, heads, head_dim), by `Llama.angles`."""
    if is_compiling():
        return _rotation(x, cos, sin)
    if x.is_cuda and not torch.is_grad_enabled():
        return _fused()[0](x, cos, sin)
    return _Rotated.apply(x, cos, sin)  # type: ignore[no-any-return, no-untyped-call]


def swiglu(both: Tensor) -> Tensor:
    """silu(gate) x up, of gate and up side by side."""
    if is_compiling():
        return _gated(both)
    if both.is_cuda and not torch.is_grad_enabled():
        return _fused()[1](both)
    return _SwiGlu.apply(both)  # type: ignore[no-any-return, no-untyped-call]


def _rotation(x: Tensor, cos: Tensor, sin: Tensor) -> Tensor:
    first, second = x.chunk(2, dim=-1)
    cos = cos.chunk(2, dim=-1)[0]
    return torch.cat([first * cos - second * sin, second * cos + first * sin], dim=-1)


def _gated(both: Tensor) -> Tensor:
    gate, up = both.chunk(2, dim=-1)
    return F.silu(gate) * up


@cache
def _fused() -> tuple[Callable[[Tensor, Tensor, Tensor], Tensor], Callable[[Tensor], Tensor]]:
    """`_rotation` and `_gated`, each as one kernel: where nothing is kept for a backward pass."""
    return torch.compile(_rotation, dynamic=True), torch.compile(_gated, dynamic=True)

"""Matrix products, by oneDNN where that is faster: on CPU, float32, in shapes that come again.

MKL, which torch takes otherwise, is made by Intel: on its processors it is a fifth faster than
oneDNN. On those of others it takes no AVX-512 and is half as fast where there is some; where there
is none it is the faster one too. oneDNN writes its code anew for each shape (about a millisecond),
so rows come in multiples of ROWS.
"""

from __future__ import annotations

import platform
from pathlib import Path
from typing import Any, Final

import torch
import torch.nn.functional as F
from torch import Tensor
from torch.autograd.function import once_differentiable

from pbb.models.packing import ROWS


def _onednn() -> Any:
    """torch's own operator for inference graphs; null in builds without oneDNN."""
    if not torch.backends.mkldnn.is_available():
        return None
    return getattr(torch.ops.mkldnn, "_linear_pointwise", None)


def _suits_mkl() -> bool:
    cpu = Path("/proc/cpuinfo")
    told = cpu.read_text() if cpu.exists() else platform.processor()
    narrow = torch.backends.cpu.get_cpu_capability() != "AVX512"
    return torch.backends.mkl.is_available() and (narrow or "GenuineIntel" in told)


_LINEAR: Final[Any] = None if _suits_mkl() else _onednn()


def times(x: Tensor, weight: Tensor) -> Tensor:
    """x (..., n, inputs) times weight (outputs, inputs), transposed. Has no gradient."""
    if _suits(x, x.shape[-2]) and weight.dtype == torch.float32:
        result: Tensor = _LINEAR(x, weight, None, "none", [], "")
        return result
    return F.linear(x, weight)


def summed_outer(left: Tensor, right: Tensor) -> Tensor:
    """left (n, a) and right (n, b) -> (a, b), summed over n. Has no gradient.

    oneDNN copies its first argument where that is transposed, so that is the narrower one.
    """
    if not (_suits(left, left.shape[0]) and right.dtype == torch.float32):
        return left.T @ right
    if left.shape[1] > right.shape[1]:
        return summed_outer(right, left).T
    result: Tensor = _LINEAR(left.T, right.T, None, "none", [], "")
    return result


def _suits(x: Tensor, rows: int) -> bool:
    if _LINEAR is None:
        return False
    alike = x.device.type == "cpu" and x.dtype == torch.float32 and rows % ROWS == 0
    return alike and not torch.is_autocast_enabled("cpu")


class _Linear(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, x: Tensor, weight: Tensor) -> Tensor:
        ctx.save_for_backward(x, weight)
        return times(x, weight)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor | None, Tensor | None]:
        x, weight = ctx.saved_tensors
        of_x = times(grad, weight.T) if ctx.needs_input_grad[0] else None
        of_weight = summed_outer(grad, x) if ctx.needs_input_grad[1] else None
        return of_x, of_weight


def linear(x: Tensor, weight: Tensor) -> Tensor:
    """x (n, inputs) -> (n, outputs); weight (outputs, inputs)."""
    if _suits(x, x.shape[0]):
        result: Tensor = _Linear.apply(x, weight)  # type: ignore[no-untyped-call]
        return result
    return F.linear(x, weight)

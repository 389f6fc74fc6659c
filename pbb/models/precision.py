"""The arithmetic of a forward pass, the same in training, in the guards and in evaluation."""

from __future__ import annotations

import torch
from torch import Tensor

from pbb.config import Numerics


def autocast(numerics: Numerics, device: torch.device) -> torch.autocast:
    """bfloat16 matrix products where the numerics ask for them; otherwise nothing changes."""
    half = numerics.dtype == "bfloat16"
    return torch.autocast(device.type, dtype=torch.bfloat16, enabled=half)


def widened(x: Tensor) -> Tensor:
    """x in float32, or as it is in float64: for sums that half precision would spoil."""
    return x if x.dtype == torch.float64 else x.float()

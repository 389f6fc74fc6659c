"""Losses. Sums, not means: the caller divides once per step, so cuts cannot change the loss."""

from __future__ import annotations

import torch.nn.functional as F
from torch import Tensor

from pbb.models.forward import Forward
from pbb.training.batching import Microbatch


def nll_sum(forward: Forward, batch: Microbatch) -> Tensor:
    """Summed next-token NLL [nats] of a microbatch's target tokens, a scalar.

    Both of the paper's losses (declarative and execution, arXiv 2506.18777) are this one: what is
    the target and what the prompt is decided by the document.
    """
    return F.cross_entropy(forward(batch.packed, batch.before), batch.wanted, reduction="sum")

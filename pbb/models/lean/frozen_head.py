"""Cross-entropy through a head that is not trained, without a gradient for its weights.

What the loss leaves for the hidden states is made together with the loss, some rows at a time: the
logits of all rows are never in memory (arXiv 2411.09009 has the idea, 2410.10989 this form of it).
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable

from pbb.models.lean.products import times
from pbb.models.precision import widened

AT_ONCE: Final = 2**28
"""Logits in memory at most."""

Loss = Callable[[Tensor, Tensor], tuple[Tensor, Tensor]]
"""`loss_and_slope`, or what a compiler makes of it."""


def loss_and_slope(logits: Tensor, wanted: Tensor) -> tuple[Tensor, Tensor]:
    """NLL [nats] (n,) of wanted (n,), and its derivative by the logits (n, V), in their dtype.

    Both are 0 where wanted is negative.
    """
    wide = widened(logits)
    counts = wanted >= 0
    total = wide.logsumexp(dim=-1)
    own = wide.gather(1, wanted.clamp(min=0)[:, None])[:, 0]
    hit = torch.arange(logits.shape[1], device=logits.device) == wanted[:, None]
    slope = (wide - total[:, None]).exp() - hit.to(wide.dtype)
    # Not multiplied by 0: of what is not finite that is not 0.
    nll = torch.where(counts, total - own, 0.0)
    return nll, torch.where(counts[:, None], slope, 0.0).to(logits.dtype)


def loss_and_slope_at_once(logits: Tensor, wanted: Tensor) -> tuple[Tensor, Tensor]:
    """`loss_and_slope` where no compiler fuses it: few passes over memory, in place of the logits.

    torch's softmax takes twice as long as its exponential.
    """
    wide = widened(logits)
    own, skipped = wanted.clamp(min=0)[:, None], (wanted < 0).nonzero()[:, 0]
    wide.sub_(wide.amax(dim=-1, keepdim=True))
    nll = -wide.gather(1, own)[:, 0]
    total = wide.exp_().sum(dim=-1)
    nll += total.log()
    wide.div_(total[:, None]).scatter_add_(1, own, wide.new_full((), -1.0).expand_as(own))
    nll.index_fill_(0, skipped, 0.0)
    wide.index_fill_(0, skipped, 0.0)
    return nll, wide.to(logits.dtype)


class _FrozenHeadLoss(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, hidden: Tensor, head: Tensor, wanted: Tensor, loss: Loss) -> Tensor:
        rows = max(1, AT_ONCE // len(head))
        nlls, slopes = [], []
        for part, ids in zip(hidden.split(rows), wanted.split(rows), strict=True):
            nll, slope = loss(times(part, head), ids)
            nlls.append(nll)
            slopes.append(times(slope, head.T))
        ctx.save_for_backward(torch.cat(slopes))
        return torch.cat(nlls)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor, None, None, None]:
        (slopes,) = ctx.saved_tensors
        return (slopes * grad[:, None]).to(slopes.dtype), None, None, None


def frozen_head_loss(
    hidden: Tensor, head: Tensor, wanted: Tensor, loss: Loss = loss_and_slope
) -> Tensor:
    """NLL [nats] (n,) of tokens wanted (n,) after hidden (n, d), by head (V, d); 0 where negative.

    loss: what makes it of logits.
    """
    return _FrozenHeadLoss.apply(hidden, head, wanted, loss)  # type: ignore[no-any-return, no-untyped-call]

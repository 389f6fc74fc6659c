"""Forward and backward of a cohort's microbatch, on a GPU as one recorded graph.

A small step is hundreds of short kernels, which the processor launches more slowly than the GPU
runs them. So there a step of a shape that comes again is recorded once, of compiled layers, and
replayed as a whole.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cache

import torch
from torch import Tensor

from pbb.models.lean.abreast import Pass, hidden_abreast, layer_pass
from pbb.models.lean.frozen_head import Loss, frozen_head_loss, loss_and_slope
from pbb.models.lean.llama import Llama
from pbb.models.stacked import Stack
from pbb.training.cohort_batching import Together

Accumulate = Callable[[Together, Tensor], Tensor]
"""(microbatch, 1 / target tokens of each adapter's step (A,)) -> what it adds to the adapters'
losses (A,) [nats per target token]; their gradients are added to the stack's."""


def accumulator(stack: Stack) -> Accumulate:
    """What suits the device that the stack is on."""
    if not stack.weights.is_cuda:
        return Plain(stack, layer_pass, loss_and_slope)
    return _Recorded(Plain(stack, *_compiled()))


@cache
def _compiled() -> tuple[Pass, Loss]:
    """Once a process: a shape that differs from the first is compiled for all that do."""
    return torch.compile(layer_pass), torch.compile(loss_and_slope, dynamic=True)


def before_targets(llama: Llama, batch: Together, through: Pass = layer_pass) -> Tensor:
    """Normed last hidden states (A, n, d) before a microbatch's targets."""
    return hidden_abreast(
        llama,
        batch.tokens,
        batch.positions,
        batch.bounds,
        batch.longest,
        batch.before,
        through,
    )


class Plain:
    """As it is written."""

    def __init__(self, stack: Stack, through: Pass, loss: Loss) -> None:
        self.stack, self._through, self._loss = stack, through, loss

    def __call__(self, batch: Together, share: Tensor) -> Tensor:
        here = batch.on(self.stack.weights.device)
        llama = self.stack.llama
        hidden = before_targets(llama, here, self._through)
        nll = frozen_head_loss(hidden.flatten(0, 1), llama.head, here.wanted.flatten(), self._loss)
        losses = nll.view(here.wanted.shape).sum(dim=1) * share
        self.stack.add_gradient(losses.sum())
        return losses.detach()


@dataclass(frozen=True)
class _Graph:
    """inputs: where a microbatch and the shares must lie; losses: where it leaves them."""

    graph: torch.cuda.CUDAGraph
    inputs: tuple[Tensor, ...]
    losses: Tensor


class _Recorded:
    """By graphs, one a shape. A shape is run as it is when first met, and recorded when it returns.

    All graphs use one pool of memory, for they run one after the other.
    """

    def __init__(self, plain: Plain) -> None:
        self._plain = plain
        self._graphs: dict[object, _Graph | None] = {}
        self._pool = torch.cuda.graph_pool_handle()

    def __call__(self, batch: Together, share: Tensor) -> Tensor:
        key = (batch.longest, *(each.shape for each in batch.tensors))
        if key not in self._graphs:
            self._graphs[key] = None
            return self._plain(batch, share)
        found = self._graphs[key] or self._record(batch, share)
        self._graphs[key] = found
        for place, given in zip(found.inputs, (*batch.tensors, share), strict=True):
            place.copy_(given, non_blocking=True)
        found.graph.replay()
        return found.losses.clone()

    def _record(self, batch: Together, share: Tensor) -> _Graph:
        here, there = batch.on(share.device), share.clone()
        graph = torch.cuda.CUDAGraph()
        with torch.cuda.graph(graph, pool=self._pool):
            losses = self._plain(here, there)
        return _Graph(graph, (*here.tensors, there), losses)

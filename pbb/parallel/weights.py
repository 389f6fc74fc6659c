"""The weights that processes train together: their gradients summed, clipped by one norm."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import torch
from torch import Tensor, nn
from torch.distributed.tensor import DTensor
from torch.nn.utils import clip_grads_with_norm_, get_total_norm

from pbb.parallel.team import Team


class Trained:
    """Trained weights as far as this process holds them.

    parameters: those that every process has whole, and its piece of each that is sharded, which
    shares the sharded one's memory. An optimiser of the pieces is sharded as they are.
    """

    def __init__(self, trained: Sequence[nn.Parameter], team: Team) -> None:
        self._team = team
        self._whole = [p for p in trained if not isinstance(p, DTensor)]
        self._sharded = [p for p in trained if isinstance(p, DTensor)]
        self._pieces = [nn.Parameter(p.to_local().detach()) for p in self._sharded]
        self.parameters = [*self._whole, *self._pieces]

    def collect(self) -> None:
        """Sum the gradients over all processes; those of sharded weights are summed already."""
        for p in self._whole:
            if p.grad is None:  # of a process that had no document
                p.grad = torch.zeros_like(p)
        self._team.add_up(_gradients(self._whole))
        for p, piece in zip(self._sharded, self._pieces, strict=True):
            gradient = p.grad
            assert isinstance(gradient, DTensor)
            piece.grad, p.grad = gradient.to_local(), None

    def clip(self, parameters: Iterable[Tensor], max_norm: float) -> Tensor:
        """As torch's clip_grad_norm_, by the norm over the gradients of all processes."""
        norm = get_total_norm(_gradients(self._whole))
        if self._sharded:
            of_pieces = float(get_total_norm(_gradients(self._pieces)))
            norm = (norm.square() + self._team.total(of_pieces**2)).sqrt()
        clip_grads_with_norm_(parameters, max_norm, norm)
        return norm


def _gradients(parameters: Iterable[Tensor]) -> list[Tensor]:
    return [p.grad for p in parameters if p.grad is not None]

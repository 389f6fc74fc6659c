"""AdamW for adapters side by side, each with its own recipe and its own gradient's norm."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Final

import torch
from torch import Tensor

from pbb.config import Recipe
from pbb.models.stacked import Stack
from pbb.training.optimiser import learning_rate

EPSILON: Final = 1e-8


class CohortOptimiser:
    """A step is `clip`, then `advance`. Row i of every tensor is adapter i's."""

    def __init__(self, stack: Stack, recipes: Sequence[Recipe]) -> None:
        self._stack, self._recipes = stack, recipes
        self._mean = torch.zeros_like(stack.weights)
        self._square = torch.zeros_like(stack.weights)
        self._beta1 = self._column([recipe.beta1 for recipe in recipes])
        self._beta2 = self._column([recipe.beta2 for recipe in recipes])

    def clip(self, going: Sequence[bool]) -> list[float]:
        """Clip each adapter's gradient by its own norm; gives the norms before.

        Those that do not go on have none from here, whatever it was.
        """
        gradients = self._of_those(going)
        norms = gradients.norm(dim=1)
        most = self._column([recipe.max_grad_norm for recipe in self._recipes])
        gradients.mul_((most / (norms[:, None] + 1e-6)).clamp(max=1.0))
        return [float(norm) for norm in norms.tolist()]

    @torch.no_grad()
    def advance(self, step: int, going: Sequence[bool]) -> list[float]:
        """Move all adapters that go on, and clear the gradients; gives their learning rates."""
        rates = [learning_rate(step, recipe) for recipe in self._recipes]
        moved = [rate if goes else 0.0 for rate, goes in zip(rates, going, strict=True)]
        pairs = list(zip(moved, self._recipes, strict=True))
        gradients, weights = self._of_those(going), self._stack.weights
        weights.mul_(self._column([1 - rate * recipe.weight_decay for rate, recipe in pairs]))
        self._mean.lerp_(gradients, 1 - self._beta1)
        self._square.mul_(self._beta2).add_(gradients.square().mul_(1 - self._beta2))
        root = self._column([math.sqrt(1 - recipe.beta2**step) for recipe in self._recipes])
        size = self._column([rate / (1 - recipe.beta1**step) for rate, recipe in pairs])
        weights.sub_(size * self._mean / (self._square.sqrt() / root + EPSILON))
        gradients.zero_()
        return rates

    def _of_those(self, going: Sequence[bool]) -> Tensor:
        """The gradients, those of the adapters that stopped cleared."""
        gradients = self._stack.gradients
        if not all(going):
            stopped = torch.tensor([not each for each in going], device=gradients.device)
            gradients.masked_fill_(stopped[:, None], 0.0)
        return gradients

    def _column(self, values: Sequence[float]) -> Tensor:
        weights = self._stack.weights
        return torch.tensor(values, dtype=weights.dtype, device=weights.device)[:, None]

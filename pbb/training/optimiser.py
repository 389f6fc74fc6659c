"""What every training stage does with a gradient: check, clip, schedule, AdamW."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Final

import torch
from torch import Tensor, nn
from torch.nn.utils import clip_grads_with_norm_, get_total_norm
from torch.optim.adamw import adamw

from pbb.config import Recipe, RlRecipe


class Diverged(RuntimeError):
    """The loss or the gradient is no longer a finite number."""


def is_finite(loss: float, grad_norm: float) -> bool:
    """Whether a step may be taken."""
    return math.isfinite(loss) and math.isfinite(grad_norm)


def divergence(step: int, loss: float, grad_norm: float, rate: float) -> Diverged:
    """What to raise or report where `is_finite` does not hold."""
    return Diverged(f"step {step}: {loss=}, {grad_norm=}, learning rate {rate}")


def learning_rate(step: int, recipe: Recipe | RlRecipe) -> float:
    """Linear warm-up to peak_lr, cosine to peak_lr x min_lr_ratio. step counts from 1."""
    if step <= recipe.warmup_steps:
        return recipe.peak_lr * step / recipe.warmup_steps
    done = (step - recipe.warmup_steps) / (recipe.steps - recipe.warmup_steps)
    floor = recipe.min_lr_ratio
    return recipe.peak_lr * (floor + (1 - floor) * 0.5 * (1 + math.cos(math.pi * done)))


EPSILON: Final = 1e-8
"""torch's own for AdamW."""

Clip = Callable[[Iterable[Tensor], float], Tensor]
"""(parameters, greatest norm) -> the norm of their gradients before they are scaled down to it."""


def clip_by_norm(parameters: Iterable[Tensor], most: float) -> Tensor:
    """As torch's clip_grad_norm_, which multiplies by 1 where nothing is to be clipped."""
    trained = list(parameters)
    norm = get_total_norm(p.grad for p in trained if p.grad is not None)
    if not float(norm) + 1e-6 < most:  # torch adds so much before it divides
        clip_grads_with_norm_(trained, most, norm)
    return norm


class Optimiser:
    """AdamW with decoupled weight decay; gradients are clipped by their global norm.

    A step is `clip`, then `advance`. The state is new: each stage starts its own.
    """

    def __init__(
        self,
        trained: Sequence[nn.Parameter],
        recipe: Recipe | RlRecipe,
        clip: Clip = clip_by_norm,
    ) -> None:
        self._trained = trained
        self._recipe = recipe
        self._clip = clip
        self._weights = [parameter.detach() for parameter in trained]
        self._moments: dict[str, list[Tensor]] = {
            "exp_avg": [torch.zeros_like(weight) for weight in self._weights],
            "exp_avg_sq": [torch.zeros_like(weight) for weight in self._weights],
            "step": [torch.zeros((), device=weight.device) for weight in self._weights],
        }

    def clip(self, step: int, loss: float) -> float:
        """Clip the gradients that `loss` left; gives their norm before. Raises Diverged."""
        grad_norm = float(self._clip(self._trained, self._recipe.max_grad_norm))
        if not is_finite(loss, grad_norm):
            raise divergence(step, loss, grad_norm, learning_rate(step, self._recipe))
        return grad_norm

    @torch.no_grad()
    def advance(self, step: int) -> float:
        """Move the parameters and clear their gradients; gives the step's learning rate.

        By torch's function: its optimizer object takes longer to look the same things up again than
        they take to compute, where adapters are small.
        """
        rate = learning_rate(step, self._recipe)
        reached = [i for i, p in enumerate(self._trained) if p.grad is not None]
        averages, squares, steps = (
            [values[i] for i in reached] for values in self._moments.values()
        )
        adamw(
            [self._weights[i] for i in reached],
            [p.grad for p in self._trained if p.grad is not None],
            averages,
            squares,
            [],
            steps,
            fused=True,
            amsgrad=False,
            beta1=self._recipe.beta1,
            beta2=self._recipe.beta2,
            lr=rate,
            weight_decay=self._recipe.weight_decay,
            eps=EPSILON,
            maximize=False,
        )
        for parameter in self._trained:
            parameter.grad = None
        return rate

    def moments(self) -> dict[str, Tensor]:
        """All state, by `<index of the parameter>.<name>`."""
        return {
            f"{i}.{name}": value
            for name, values in self._moments.items()
            for i, value in enumerate(values)
        }

    def take(self, moments: Mapping[str, Tensor]) -> None:
        """Go on from the state of another optimiser of the same parameters."""
        own = self.moments()
        for key, value in moments.items():
            own[key].copy_(value)

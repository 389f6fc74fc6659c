"""The supervised step loop of a cohort: adapters of one frozen base, in one forward and backward.

Each has its own documents, recipe, optimizer state, clipping and loss per target token. They share
only the products with the frozen weights, in which every row is an adapter's own.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

import torch
import torch.nn.functional as F
from torch import Tensor

from pbb.config import Numerics, Recipe
from pbb.models.encoding import Encoded
from pbb.models.lean.llama import Llama, in_blocks
from pbb.models.precision import autocast
from pbb.models.stacked import Stack
from pbb.records import StepRecord
from pbb.training.cohort_batching import IGNORED, Together, together
from pbb.training.cohort_optimiser import CohortOptimiser
from pbb.training.loop import step_record
from pbb.training.optimiser import Diverged, divergence, is_finite

Taken = StepRecord | Diverged
"""What a step was for an adapter. One that diverged stays as it was before, and takes no more."""


def cohort_steps(
    stack: Stack,
    batches: Sequence[Iterable[Sequence[Encoded]]],
    recipes: Sequence[Recipe],
    numerics: Numerics,
    *,
    pad_id: int,
    device: torch.device,
) -> Iterator[list[Taken | None]]:
    """What each optimizer step was for each adapter; null for those that diverged before it.

    batches: each adapter's, as for `pbb.training.loop.train_steps`; all of equal length. Ends early
    where none goes on.
    """
    optimiser = CohortOptimiser(stack, recipes)
    going = [True] * len(recipes)
    for step, documents in enumerate(zip(*batches, strict=True), start=1):
        cut = together(
            documents, pad_id=pad_id, max_tokens=numerics.max_batch_tokens, device=device
        )
        n_target = [sum(d.n_target for d in of_one) for of_one in documents]
        losses = _accumulate(stack, cut, n_target, numerics, device)
        norms = optimiser.clip(going)
        before, going = going, _finite(going, losses, norms)
        rates = optimiser.advance(step, going)
        yield [
            _taken(step, *each) if goes else None
            for goes, *each in zip(before, documents, losses, norms, rates, strict=True)
        ]
        if not any(going):
            return


def _finite(going: Sequence[bool], losses: Sequence[float], norms: Sequence[float]) -> list[bool]:
    each = zip(going, losses, norms, strict=True)
    return [goes and is_finite(loss, norm) for goes, loss, norm in each]


def _taken(
    step: int, documents: Sequence[Encoded], loss: float, grad_norm: float, rate: float
) -> Taken:
    if not is_finite(loss, grad_norm):
        return divergence(step, loss, grad_norm, rate)
    return step_record(step, documents, loss, grad_norm, rate)


def _accumulate(
    stack: Stack,
    cut: Sequence[Together],
    n_target: Sequence[int],
    numerics: Numerics,
    device: torch.device,
) -> list[float]:
    """Add the step's gradients; each adapter's loss [nats per target token]."""
    per_adapter = torch.tensor(n_target, device=device)
    total = torch.zeros(len(n_target), dtype=torch.float64, device=device)
    for batch in cut:
        with autocast(numerics, device):
            nll = _nll_sums(stack.llama, batch)
        stack.add_gradient((nll / per_adapter).sum())
        total += nll.detach()
    return [float(loss) for loss in (total / per_adapter).tolist()]


def _nll_sums(llama: Llama, batch: Together) -> Tensor:
    """Summed NLL [nats] of each adapter's target tokens, (A,)."""
    hidden = llama.hidden(batch.tokens, batch.positions, in_blocks(batch.shapes), batch.before)
    logits = llama.logits(hidden)
    nll = F.cross_entropy(
        logits.flatten(0, 1), batch.wanted.flatten(), reduction="none", ignore_index=IGNORED
    )
    return nll.view(batch.wanted.shape).sum(dim=1)

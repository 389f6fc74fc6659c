"""The supervised step loop of a cohort: adapters of one frozen base, in one forward and backward.

Each has its own documents, recipe, optimizer state, clipping and loss per target token. They share
only the products with the frozen weights, in which every row is an adapter's own.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import Final

import torch

from pbb.config import Numerics, Recipe
from pbb.models.encoding import Encoded
from pbb.models.stacked import Stack
from pbb.records import StepRecord
from pbb.training.cohort_batching import Layout, Together
from pbb.training.cohort_optimiser import CohortOptimiser
from pbb.training.cohort_step import Accumulate, accumulator
from pbb.training.feed import Feed
from pbb.training.loop import step_record
from pbb.training.optimiser import Diverged, divergence, is_finite

LAID_OUT_AHEAD: Final = 2
"""Steps that lie ready beside the documents that lie ready."""

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
    accumulate = accumulator(stack)
    going = [True] * len(recipes)
    layout = Layout(pad_id=pad_id, max_tokens=numerics.max_batch_tokens)
    steps = ((documents, layout(documents)) for documents in zip(*batches, strict=True))
    with Feed(steps, ahead=LAID_OUT_AHEAD) as feed:
        for step, (documents, cut) in enumerate(feed, start=1):
            losses = _accumulated(accumulate, cut, documents, device)
            norms = optimiser.clip(going)
            before, going = going, _finite(going, losses, norms)
            rates = optimiser.advance(step, going)
            yield [
                _taken(step, *each) if goes else None
                for goes, *each in zip(before, documents, losses, norms, rates, strict=True)
            ]
            if not any(going):
                return


def _accumulated(
    accumulate: Accumulate,
    cut: Sequence[Together],
    documents: Sequence[Sequence[Encoded]],
    device: torch.device,
) -> list[float]:
    """Add the step's gradients; each adapter's loss [nats per target token]."""
    n_target = [sum(d.n_target for d in of_one) for of_one in documents]
    share = 1 / torch.tensor(n_target, dtype=torch.float64, device=device)
    losses = torch.stack([accumulate(batch, share) for batch in cut])
    return [float(loss) for loss in losses.sum(dim=0).tolist()]


def _finite(going: Sequence[bool], losses: Sequence[float], norms: Sequence[float]) -> list[bool]:
    each = zip(going, losses, norms, strict=True)
    return [goes and is_finite(loss, norm) for goes, loss, norm in each]


def _taken(
    step: int, documents: Sequence[Encoded], loss: float, grad_norm: float, rate: float
) -> Taken:
    if not is_finite(loss, grad_norm):
        return divergence(step, loss, grad_norm, rate)
    return step_record(step, documents, loss, grad_norm, rate)

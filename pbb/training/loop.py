"""The supervised step loop: documents in, StepRecords out, parameters updated in place."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

import torch
from torch import nn

from pbb.config import Numerics, Recipe
from pbb.models.encoding import Encoded
from pbb.models.forward import Forward, learner_of
from pbb.models.precision import autocast
from pbb.records import StepRecord
from pbb.training.batching import Microbatch, microbatches
from pbb.training.optimiser import Optimiser


def train_steps(
    model: nn.Module,
    batches: Iterable[Sequence[Encoded]],
    recipe: Recipe,
    numerics: Numerics,
    *,
    pad_id: int,
    device: torch.device,
) -> Iterator[StepRecord]:
    """One record per optimizer step. Raises Diverged at the first non-finite loss or gradient.

    The optimizer is new: each stage starts its own.
    """
    model.train()
    learner = learner_of(model)
    optimiser = Optimiser(learner.parameters, recipe)
    for step, documents in enumerate(batches, start=1):
        cut = microbatches(
            documents, pad_id=pad_id, max_tokens=numerics.max_batch_tokens, device=device
        )
        n_target = sum(d.n_target for d in documents)
        loss = accumulate(learner.forward, cut, n_target, numerics, device)
        grad_norm = optimiser.clip(step, loss)
        rate = optimiser.advance(step)
        yield step_record(step, documents, loss, grad_norm, rate)


def step_record(
    step: int, documents: Sequence[Encoded], loss: float, grad_norm: float, rate: float
) -> StepRecord:
    """Of an optimizer step on these documents. loss: nats per target token."""
    return StepRecord(
        step=step,
        loss_nats_per_token=loss,
        grad_norm=grad_norm,
        learning_rate=rate,
        tokens=sum(len(d.ids) for d in documents),
        target_tokens=sum(d.n_target for d in documents),
    )


def accumulate(
    forward: Forward,
    cut: Sequence[Microbatch],
    n_target: int,
    numerics: Numerics,
    device: torch.device,
) -> float:
    """Add the step's gradient to the parameters; the step's loss [nats per target token]."""
    total = torch.zeros((), dtype=torch.float64, device=device)
    for batch in cut:
        with autocast(numerics, device):
            nll = forward.nll(batch.packed, batch.before, batch.wanted)
        (nll / n_target).backward()
        total += nll.detach()
    return float(total) / n_target

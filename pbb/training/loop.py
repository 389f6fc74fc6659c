"""The supervised step loop: documents in, StepRecords out, parameters updated in place."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Sequence

import torch
from torch import nn
from torch.nn.utils import clip_grad_norm_

from pbb.config import Numerics, Recipe
from pbb.models.encoding import Encoded
from pbb.models.precision import autocast
from pbb.records import StepRecord
from pbb.training.batching import Microbatch, microbatches
from pbb.training.losses import nll_sum


class Diverged(RuntimeError):
    """The loss or the gradient is no longer a finite number."""


def learning_rate(step: int, recipe: Recipe) -> float:
    """Linear warm-up to peak_lr, cosine to peak_lr x min_lr_ratio. step counts from 1."""
    if step <= recipe.warmup_steps:
        return recipe.peak_lr * step / recipe.warmup_steps
    done = (step - recipe.warmup_steps) / (recipe.steps - recipe.warmup_steps)
    floor = recipe.min_lr_ratio
    return recipe.peak_lr * (floor + (1 - floor) * 0.5 * (1 + math.cos(math.pi * done)))


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

    AdamW with decoupled weight decay, gradients clipped by global norm. The optimizer is new: each
    stage starts its own.
    """
    trained = [p for p in model.parameters() if p.requires_grad]
    optimizer = torch.optim.AdamW(
        trained,
        lr=recipe.peak_lr,
        betas=(recipe.beta1, recipe.beta2),
        weight_decay=recipe.weight_decay,
        fused=True,
    )
    model.train()
    for step, documents in enumerate(batches, start=1):
        rate = learning_rate(step, recipe)
        for group in optimizer.param_groups:
            group["lr"] = rate
        cut = microbatches(
            documents, pad_id=pad_id, max_tokens=numerics.max_batch_tokens, device=device
        )
        n_target = sum(d.n_target for d in documents)
        loss = accumulate(model, cut, n_target, numerics, device)
        grad_norm = float(clip_grad_norm_(trained, recipe.max_grad_norm))
        if not (math.isfinite(loss) and math.isfinite(grad_norm)):
            raise Diverged(f"step {step}: {loss=} nats/token, {grad_norm=}, learning rate {rate}")
        optimizer.step()
        optimizer.zero_grad()
        yield StepRecord(
            step=step,
            loss_nats_per_token=loss,
            grad_norm=grad_norm,
            learning_rate=rate,
            tokens=sum(len(d.ids) for d in documents),
            target_tokens=n_target,
        )


def accumulate(
    model: nn.Module,
    cut: Sequence[Microbatch],
    n_target: int,
    numerics: Numerics,
    device: torch.device,
) -> float:
    """Add the step's gradient to the parameters; the step's loss [nats per target token]."""
    total = torch.zeros((), device=device)
    for batch in cut:
        with autocast(numerics, device):
            nll = nll_sum(model, batch)
        (nll / n_target).backward()
        total += nll.detach()
    return float(total) / n_target

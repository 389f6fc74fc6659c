"""The supervised step loop of several processes: each trains on its share of every step."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import partial

from torch import nn

from pbb.config import Numerics, Recipe
from pbb.models.encoding import Encoded
from pbb.models.forward import learner_of
from pbb.parallel.shares import shares
from pbb.parallel.team import Team
from pbb.parallel.weights import Trained
from pbb.records import StepRecord
from pbb.training.batching import Microbatch
from pbb.training.loop import accumulate, step_record
from pbb.training.optimiser import Optimiser

Cut = Callable[[Sequence[Sequence[Encoded]]], list[Microbatch]]
"""All shares of a step -> the microbatches of this process."""
Local = Callable[[Callable[[], float]], float]
"""Runs what computes a gradient."""


def shared_steps(
    model: nn.Module,
    batches: Iterable[Sequence[Encoded]],
    recipe: Recipe,
    numerics: Numerics,
    team: Team,
    *,
    cut: Cut,
    run: Local,
) -> Iterator[StepRecord]:
    """As `pbb.training.loop.train_steps`, with the same records in every process.

    batches: whole steps, the same in every process. Losses and gradients are sums, divided by the
    target tokens of the whole step and added up over processes, so a step is one process's but for
    rounding, and every process takes the same decision about it. Raises Diverged in all.
    """
    model.train()
    learner = learner_of(model)
    trained = Trained(learner.parameters, team)
    optimiser = Optimiser(trained.parameters, recipe, trained.clip)
    for step, documents in enumerate(batches, start=1):
        own = cut(shares(documents, team.size))
        n_target = sum(d.n_target for d in documents)
        part = run(partial(accumulate, learner.forward, own, n_target, numerics, team.device))
        loss = team.total(part)
        trained.collect()
        grad_norm = optimiser.clip(step, loss)
        rate = team.attempt(partial(optimiser.advance, step))
        yield step_record(step, documents, loss, grad_norm, rate)

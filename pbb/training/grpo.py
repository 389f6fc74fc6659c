"""GRPO's updates of a policy: answers and their advantages in, parameters moved in place.

On-policy: the module that trains is the one that samples, so the policy that sampled is the policy
before a step's first update. Its log-probabilities are taken there, which costs no further pass and
makes the first ratio exactly 1.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Final

import torch
from torch import Tensor, nn

from pbb.config import Numerics, RlRecipe
from pbb.models.encoding import Encoded
from pbb.models.forward import learner_of
from pbb.models.precision import autocast
from pbb.training.batching import Microbatch, microbatches
from pbb.training.optimiser import Optimiser
from pbb.training.policy_loss import divergence, gain, per_token, scored

WEIGHTS: Final = "weights"
GOOD: Final = "good"
MOMENTS: Final = "moments"


@dataclass(frozen=True)
class Update:
    """What a step did; means over its updates, and of the sampling policy [nats per token]."""

    loss: float
    grad_norm: float
    learning_rate: float
    clipped_share: float
    entropy: float
    kl: float


@dataclass
class _Piece:
    """A microbatch of a step, with what stays the same in all its updates; each (tokens,).

    sampled: log-probabilities under the policy that sampled, known from the first update on.
    """

    batch: Microbatch
    advantage: Tensor
    parent: Tensor
    sampled: Tensor | None = None


@dataclass
class _Sums:
    """Over the tokens of all microbatches and updates so far."""

    loss: list[float] = field(default_factory=list)
    grad_norm: list[float] = field(default_factory=list)
    clipped: float = 0.0
    entropy: float = 0.0
    kl: float = 0.0


class Policy:
    """A model's trained parameters under GRPO, and the two copies of them that it needs.

    The parent's, which the divergence is taken from: the parameters as they are when the policy is
    made. The last good ones: those that last gave a finite loss and gradient.
    """

    def __init__(
        self,
        model: nn.Module,
        recipe: RlRecipe,
        numerics: Numerics,
        *,
        pad_id: int,
        device: torch.device,
    ) -> None:
        # Sampling and learning must see one and the same function: no dropout in either.
        self.model = model.eval()
        learner = learner_of(model)
        self._forward, self._trained = learner.forward, learner.parameters
        self._recipe, self._numerics = recipe, numerics
        self._pad_id, self._device = pad_id, device
        self._parent = [p.detach().clone() for p in self._trained]
        self._good = [p.detach().clone() for p in self._trained]
        self._optimiser = Optimiser(self._trained, recipe)

    def update(self, step: int, answers: Sequence[Encoded], advantages: Sequence[float]) -> Update:
        """Learn from a step's answers, each with its advantage. Raises Diverged.

        The loss is a sum over all sampled tokens divided by their number, so it does not depend on
        how answers were cut into microbatches. step counts from 1.
        """
        pieces = self._pieces(answers, advantages)
        n_tokens = sum(answer.n_target for answer in answers)
        sums, rate = _Sums(), 0.0
        for _ in range(self._recipe.updates_per_batch):
            loss = sum(self._accumulate(piece, n_tokens, sums) for piece in pieces) / n_tokens
            sums.loss.append(loss)
            sums.grad_norm.append(self._optimiser.clip(step, loss))
            self._remember()
            rate = self._optimiser.advance(step)
        updates = len(sums.loss)
        return Update(
            loss=sum(sums.loss) / updates,
            grad_norm=sum(sums.grad_norm) / updates,
            learning_rate=rate,
            clipped_share=sums.clipped / (n_tokens * updates),
            entropy=sums.entropy / n_tokens,
            kl=sums.kl / n_tokens,
        )

    def _pieces(self, answers: Sequence[Encoded], advantages: Sequence[float]) -> list[_Piece]:
        cut = microbatches(
            answers,
            pad_id=self._pad_id,
            max_tokens=self._numerics.max_batch_tokens,
            device=self._device,
        )
        values = torch.tensor(advantages, dtype=torch.float32, device=self._device)
        with torch.no_grad(), self._as(self._parent):
            return [_Piece(b, per_token(values, b), self._log_p(b)[0]) for b in cut]

    def _log_p(self, batch: Microbatch) -> tuple[Tensor, Tensor]:
        """Log-probabilities of sampled tokens, and entropies."""
        with autocast(self._numerics, self._device):
            found = scored(self._forward, batch, self._recipe.temperature)
        return found.log_p, found.entropy

    def _accumulate(self, piece: _Piece, n_tokens: int, sums: _Sums) -> float:
        """Add a microbatch's gradient to the parameters; its loss, summed over tokens."""
        log_p, entropy = self._log_p(piece.batch)
        first = piece.sampled is None
        sampled = log_p.detach() if piece.sampled is None else piece.sampled
        piece.sampled = sampled
        wins, held = gain(log_p, sampled, piece.advantage, self._recipe.clip)
        strays = divergence(log_p, piece.parent)
        loss = -wins.sum()
        if self._recipe.kl:
            loss = loss + self._recipe.kl * strays.sum()
        (loss / n_tokens).backward()
        sums.clipped += float(held.sum())
        if first:
            sums.entropy += float(entropy.sum())
            sums.kl += float(strays.detach().sum())
        return float(loss.detach())

    @contextmanager
    def _as(self, weights: Sequence[Tensor]) -> Iterator[None]:
        """The model with other weights in place of the trained ones; nothing is copied."""
        own = [p.data for p in self._trained]
        try:
            for p, other in zip(self._trained, weights, strict=True):
                p.data = other
            yield
        finally:
            for p, mine in zip(self._trained, own, strict=True):
                p.data = mine

    @torch.no_grad()
    def _remember(self) -> None:
        for good, p in zip(self._good, self._trained, strict=True):
            good.copy_(p)

    @torch.no_grad()
    def fall_back(self) -> None:
        """Take the last good weights."""
        for p, good in zip(self._trained, self._good, strict=True):
            p.copy_(good)

    @property
    def sizes(self) -> list[int]:
        """Of the parameters, which need not be the model's own."""
        return [p.numel() for p in self._trained]

    def state(self) -> dict[str, Tensor]:
        """All that a policy made anew from the same parent needs to go on."""
        groups = {
            WEIGHTS: {str(i): p.detach() for i, p in enumerate(self._trained)},
            GOOD: {str(i): good for i, good in enumerate(self._good)},
            MOMENTS: self._optimiser.moments(),
        }
        return {f"{group}/{name}": t for group, of in groups.items() for name, t in of.items()}

    @torch.no_grad()
    def take(self, state: Mapping[str, Tensor]) -> None:
        """Go on from a state."""
        for i, (p, good) in enumerate(zip(self._trained, self._good, strict=True)):
            p.copy_(state[f"{WEIGHTS}/{i}"])
            good.copy_(state[f"{GOOD}/{i}"])
        prefix = f"{MOMENTS}/"
        self._optimiser.take(
            {key.removeprefix(prefix): t for key, t in state.items() if key.startswith(prefix)}
        )

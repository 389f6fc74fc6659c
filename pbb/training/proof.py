"""Proof, on a few documents, that a stage's weights changed the model and reload as they were."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import AbstractContextManager
from typing import Final

import torch
from torch import Tensor, nn

from pbb.config import TrainingStage
from pbb.models.adapters import AdapterError, Attached
from pbb.models.encoding import Encoded, Encoder
from pbb.models.forward import forward_of
from pbb.models.precision import autocast
from pbb.training.batching import microbatches

PROBE_DOCUMENTS: Final = 4


def probed(documents: Sequence[Encoded]) -> list[Encoded]:
    """The few of a stage's first documents on which it is proved."""
    return sorted(documents, key=lambda d: d.ids)[:PROBE_DOCUMENTS]


class Proof:
    """Made before the first step, when the model is its parent; `ended` after the last one.

    documents: the stage's first ones, of which a few are probed.
    """

    def __init__(
        self,
        stage: TrainingStage,
        attached: Attached,
        documents: Sequence[Encoded],
        encoder: Encoder,
        device: torch.device,
    ) -> None:
        self._stage, self._device = stage, device
        probe = probed(documents)
        most = stage.numerics.max_batch_tokens
        self._cut = microbatches(probe, pad_id=encoder.pad_id, max_tokens=most, device=device)
        self._before = self._logits(attached.model)
        self._after = self._before
        self._trained: dict[str, Tensor] = {}

    def ended(self, attached: Attached) -> None:
        """The model is as it shall be from now on."""
        self._after = self._logits(attached.model)
        self._trained = attached.tensors()

    def shift(self, saved: AbstractContextManager[Attached]) -> float:
        """Largest |logit difference| that the stage made; saved: its folder on the base anew.

        Raises AdapterError where it made none, or where the weights that were saved are not those
        that were trained.
        """
        role, name = self._stage.role, self._stage.base.name
        with saved as fresh:
            reloaded = fresh.tensors()  # once: each reading copies every tensor off the device
            same = all(torch.equal(reloaded[n], trained) for n, trained in self._trained.items())
            again = self._logits(fresh.model)
        if not same or not torch.allclose(again, self._after, rtol=1e-3, atol=1e-3):
            raise AdapterError(f"{role}: the saved adapter does not reload as it was trained")
        shift = float((self._after - self._before).abs().max())
        if shift == 0:
            raise AdapterError(f"{role}: training left the logits of {name} unchanged")
        return shift

    @torch.no_grad()
    def _logits(self, model: nn.Module) -> Tensor:
        """Target logits of the probed documents, concatenated."""
        forward = forward_of(model.eval())
        with autocast(self._stage.numerics, self._device):
            return torch.cat([forward(m.packed, m.before) for m in self._cut])

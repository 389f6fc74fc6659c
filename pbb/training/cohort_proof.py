"""Proof, on a few documents each, that a cohort's weights changed the model and reload."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import torch
from safetensors.torch import load_file
from torch import Tensor

from pbb.config import TrainStage
from pbb.models.adapters import ADAPTER_FILE, AdapterError
from pbb.models.encoding import Encoded
from pbb.models.stacked import Stack
from pbb.training.cohort_batching import IGNORED, Layout
from pbb.training.cohort_step import before_targets
from pbb.training.proof import probed


class CohortProof:
    """Made before the first step, when each adapter is its parent.

    documents: each one's first ones, of which a few are probed.
    """

    def __init__(
        self,
        stages: Sequence[TrainStage],
        stack: Stack,
        documents: Sequence[Sequence[Encoded]],
        pad_id: int,
        device: torch.device,
    ) -> None:
        self._stages, self._stack = stages, stack
        probes = [probed(each) for each in documents]
        layout = Layout(pad_id=pad_id, max_tokens=stages[0].numerics.max_batch_tokens)
        self._cut = [batch.on(device) for batch in layout(probes)]
        self._before = self._logits()

    def shifts(self, folders: Sequence[Path | None]) -> list[float]:
        """Largest |logit difference| that training made to each; null folders: of none, so 0.

        Puts the weights saved in the folders in place of those in memory. Raises AdapterError where
        they are others, or where training changed nothing.
        """
        after = self._logits()
        for i, folder in enumerate(folders):
            if folder is not None:
                self._reload(i, folder)
        again = self._logits()
        return [
            0.0 if folder is None else self._shift(i, [t[i] for t in after], [t[i] for t in again])
            for i, folder in enumerate(folders)
        ]

    def _reload(self, adapter: int, folder: Path) -> None:
        trained = self._stack.tensors(adapter)
        saved = load_file(folder / ADAPTER_FILE)
        same = saved.keys() == trained.keys()
        if not same or not all(torch.equal(saved[name], trained[name]) for name in trained):
            raise AdapterError(f"{self._role(adapter)}: the saved adapter is not what was trained")
        self._stack.put(adapter, saved)

    def _shift(self, adapter: int, after: Sequence[Tensor], again: Sequence[Tensor]) -> float:
        learnt = [batch.wanted[adapter] != IGNORED for batch in self._cut]
        before = [t[adapter] for t in self._before]
        rows = list(zip(before, after, again, learnt, strict=True))
        if not all(torch.allclose(c[m], b[m], rtol=1e-3, atol=1e-3) for _, b, c, m in rows):
            raise AdapterError(
                f"{self._role(adapter)}: the saved adapter does not reload as it was trained"
            )
        shift = max(float((b[m] - a[m]).abs().max()) for a, b, _, m in rows if bool(m.any()))
        if shift == 0:
            raise AdapterError(f"{self._role(adapter)}: training left the logits unchanged")
        return shift

    def _role(self, adapter: int) -> str:
        return self._stages[adapter].role

    @torch.no_grad()
    def _logits(self) -> list[Tensor]:
        """Target logits (A, n, V) of the probed documents, by microbatch."""
        llama = self._stack.llama
        found = []
        for batch in self._cut:
            found.append(llama.logits(before_targets(llama, batch)))
        return found

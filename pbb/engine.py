"""The engine: keeps a base in memory and runs stages on it, one process, one device.

A stage's spec and its parent's folder decide the bytes it leaves, whatever ran before it.
"""

from __future__ import annotations

import itertools
import time
from pathlib import Path
from typing import Final

import polars as pl
import torch
from torch import Tensor, nn

from pbb.config import Base, EvaluateStage, Lora, Numerics, TrainStage
from pbb.corpus import build_corpus
from pbb.evaluation.items import evaluate
from pbb.models.adapters import AdapterError, Attached
from pbb.models.encoding import Encoded, Encoder
from pbb.models.head import target_logits
from pbb.models.loading import load_base
from pbb.models.precision import autocast
from pbb.records import StageOutcome, Status, TrainSummary
from pbb.sampling import step_documents
from pbb.training.batching import microbatches
from pbb.training.effort import Effort
from pbb.training.feed import Feed
from pbb.training.loop import train_steps
from pbb.training.optimiser import Diverged

PROBE_DOCUMENTS: Final = 4
LORA_FILE: Final = "lora.json"


class Engine:
    """Runs stages. `device`: a torch device, or `auto` for the GPU where there is one."""

    def __init__(self, device: str = "auto") -> None:
        chosen = ("cuda" if torch.cuda.is_available() else "cpu") if device == "auto" else device
        self.device = torch.device(chosen)
        # cuDNN's attention builds a plan for every new shape, and nearly every batch is one.
        torch.backends.cuda.enable_cudnn_sdp(False)
        self._loaded: tuple[Base, str, nn.Module, Encoder] | None = None

    def run(
        self, stage: TrainStage | EvaluateStage, parent: Path | None, out: Path
    ) -> StageOutcome:
        """Run a stage into the existing empty folder `out`.

        parent: folder of the training stage it continues or evaluates; None = the bare base.
        Leaves safetensors and steps.parquet (training) or items.parquet (evaluation). Divergence
        and exhausted memory come back as a status; other errors are raised.
        """
        torch.set_num_threads(stage.numerics.cpu_threads)
        torch.use_deterministic_algorithms(self.device.type == "cpu")
        started = time.perf_counter()
        model, encoder = self._base(stage.base, stage.numerics)
        loaded = time.perf_counter()
        status, reason, summary = Status.OK, None, None
        try:
            if isinstance(stage, TrainStage):
                summary = train(stage, model, encoder, parent, out, self.device)
            else:
                answer(stage, model, encoder, parent, out, self.device)
        except Diverged as error:
            status, reason = Status.DIVERGED, str(error)
        except torch.OutOfMemoryError as error:
            status, reason = Status.OUT_OF_MEMORY, str(error).splitlines()[0]
        return StageOutcome(
            status=status,
            reason=reason,
            summary=summary,
            wall_s=time.perf_counter() - loaded,
            load_s=loaded - started,
        )

    def _base(self, base: Base, numerics: Numerics) -> tuple[nn.Module, Encoder]:
        if self._loaded is None or self._loaded[:2] != (base, numerics.dtype):
            self._loaded = None  # frees the old base before the new one is read
            self._loaded = (base, numerics.dtype, *load_base(base, numerics.dtype, self.device))
        return self._loaded[2], self._loaded[3]


def train(
    stage: TrainStage,
    base: nn.Module,
    encoder: Encoder,
    parent: Path | None,
    out: Path,
    device: torch.device,
) -> TrainSummary:
    """Train one adapter and save it. Raises Diverged, AdapterError."""
    corpus, effort = build_corpus(stage.corpus), Effort()
    batches = effort.counted(step_documents(stage, corpus, encoder.stream, lambda d: len(d.ids)))
    with (
        Feed(batches) as feed,
        Attached(base, stage.base.name, stage.lora, stage.seed) as attached,
    ):
        first = next(feed)
        probe = sorted(first, key=lambda d: d.ids)[:PROBE_DOCUMENTS]
        attached.model.to(device)
        if parent is not None:
            attached.load(parent)
        before = _probe_logits(attached.model, probe, encoder, stage.numerics, device)
        records = list(
            train_steps(
                attached.model,
                itertools.chain([first], feed),
                stage.recipe,
                stage.numerics,
                pad_id=encoder.pad_id,
                device=device,
            )
        )
        after = _probe_logits(attached.model, probe, encoder, stage.numerics, device)
        attached.save(out)
        trained = attached.tensors()
    _check_reload(stage, base, trained, after, probe, encoder, out, device)
    shift = float((after - before).abs().max())
    if shift == 0:
        raise AdapterError(f"{stage.role}: training left the logits of {stage.base.name} unchanged")
    (out / LORA_FILE).write_text(stage.lora.model_dump_json())
    pl.DataFrame([r.model_dump() for r in records]).write_parquet(out / "steps.parquet")
    return effort.summary(records, shift, feed.waited_s)


def answer(
    stage: EvaluateStage,
    base: nn.Module,
    encoder: Encoder,
    parent: Path | None,
    out: Path,
    device: torch.device,
) -> None:
    """Evaluate the parent's model, or the bare base, and write its item rows."""
    corpus = build_corpus(stage.corpus)
    if parent is None:
        rows = evaluate(base, encoder, stage, corpus, device)
    else:
        lora = Lora.model_validate_json((parent / LORA_FILE).read_text())
        with Attached(base, stage.base.name, lora, seed=0) as attached:
            attached.model.to(device)
            attached.load(parent)
            rows = evaluate(attached.model, encoder, stage, corpus, device)
    rows.write_parquet(out / "items.parquet")


@torch.no_grad()
def _probe_logits(
    model: nn.Module,
    probe: list[Encoded],
    encoder: Encoder,
    numerics: Numerics,
    device: torch.device,
) -> Tensor:
    """Target logits of a few training documents, concatenated."""
    model.eval()
    cut = microbatches(
        probe, pad_id=encoder.pad_id, max_tokens=numerics.max_batch_tokens, device=device
    )
    with autocast(numerics, device):
        return torch.cat([target_logits(model, m.tokens, m.target) for m in cut])


def _check_reload(
    stage: TrainStage,
    base: nn.Module,
    trained: dict[str, Tensor],
    after: Tensor,
    probe: list[Encoded],
    encoder: Encoder,
    out: Path,
    device: torch.device,
) -> None:
    """The saved adapter, loaded onto the base anew, must be the one that was trained."""
    with Attached(base, stage.base.name, stage.lora, seed=0) as fresh:
        fresh.model.to(device)
        fresh.load(out)
        reloaded = fresh.tensors()  # once: each reading copies every tensor off the device
        same = all(torch.equal(reloaded[name], trained[name]) for name in trained)
        again = _probe_logits(fresh.model, probe, encoder, stage.numerics, device)
    if not same or not torch.allclose(again, after, rtol=1e-3, atol=1e-3):
        raise AdapterError(f"{stage.role}: the saved adapter does not reload as it was trained")

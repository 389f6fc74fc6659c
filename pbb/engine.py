"""The engine: keeps a base in memory and runs stages on it, one process, one device.

A stage's spec and its parent's folder decide the bytes it leaves, whatever ran before it.
"""

from __future__ import annotations

import contextlib
import itertools
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Final

import polars as pl
import torch
from torch import Tensor, nn

from pbb.cohort import Trained, fits, trained_if_it_fits
from pbb.config import (
    Base,
    EvaluateStage,
    Lora,
    Numerics,
    RlStage,
    Stage,
    TrainingStage,
    TrainStage,
)
from pbb.corpus import build_corpus
from pbb.durable import parquet_bytes
from pbb.evaluation.items import evaluate
from pbb.jobs import Job
from pbb.models.adapters import LORA_FILE, AdapterError, Attached, checkpoint
from pbb.models.encoding import Encoder
from pbb.models.loading import load_base
from pbb.records import RlStepRecord, StageOutcome, Status, StepRecord, TrainSummary
from pbb.sampling import step_documents
from pbb.training.effort import Effort
from pbb.training.feed import Feed
from pbb.training.loop import train_steps
from pbb.training.optimiser import Diverged
from pbb.training.proof import Proof
from pbb.training.reinforcement import NothingToLearn, Reinforcement
from pbb.training.resume import EVERY_STEPS, keep, kept
from pbb.training.rollouts import step_prompts

STEPS_FILE: Final = "steps.parquet"


class Engine:
    """Runs stages. `device`: a torch device, or `auto` for the GPU where there is one."""

    def __init__(self, device: str = "auto") -> None:
        chosen = ("cuda" if torch.cuda.is_available() else "cpu") if device == "auto" else device
        self.device = torch.device(chosen)
        # cuDNN's attention builds a plan for every new shape, and nearly every batch is one.
        torch.backends.cuda.enable_cudnn_sdp(False)
        self._side_by_side = self.device.type != "cpu"
        self._loaded: tuple[Base, str, nn.Module, Encoder] | None = None

    def run(
        self, stage: Stage, parent: Path | None, out: Path, scratch: Path | None = None
    ) -> StageOutcome:
        """Run a stage into the existing empty folder `out`.

        parent: folder of the training stage it continues or evaluates; None = the bare base.
        scratch: folder, perhaps not there yet, in which a stage that can be resumed keeps its
        state, and goes on from the one it finds; None = it cannot.
        Leaves safetensors and steps.parquet (training) or items.parquet (evaluation). Divergence,
        exhausted memory and rewards without any contrast come back as a status; other errors are
        raised.
        """
        started = time.perf_counter()
        model, encoder = self._base(stage.base, stage.numerics)
        loaded = time.perf_counter()
        status, reason, summary = Status.OK, None, None
        try:
            match stage:
                case TrainStage():
                    summary = train(stage, model, encoder, parent, out, self.device)
                case RlStage():
                    summary = reinforce(stage, model, encoder, parent, out, scratch, self.device)
                case EvaluateStage():
                    answer(stage, model, encoder, parent, out, self.device)
        except Diverged as error:
            status, reason = Status.DIVERGED, str(error)
        except NothingToLearn as error:
            status, reason = Status.FAILED, str(error)
        except torch.OutOfMemoryError as error:
            status, reason = Status.OUT_OF_MEMORY, str(error).splitlines()[0]
        return StageOutcome(
            status=status,
            reason=reason,
            summary=summary,
            wall_s=time.perf_counter() - loaded,
            load_s=loaded - started,
        )

    def run_cohort(self, jobs: Sequence[Job]) -> Iterator[StageOutcome]:
        """Run stages into their folders; outcomes in their order, each as `run` tells it.

        Adapters of one base and step shape train side by side on a GPU, where a small step leaves
        most of it idle. On CPU it is busy with one (a cohort of 8 gained 5% at most), and one after
        the other each has the bytes that it has alone. A cohort that cannot, for lack of memory
        above all, is halved.
        """
        if not (self._side_by_side and len(jobs) > 1 and fits([job.stage for job in jobs])):
            yield from (self.run(job.stage, job.parent, job.out, job.scratch) for job in jobs)
            return
        started = time.perf_counter()
        model, encoder = self._base(jobs[0].stage.base, jobs[0].stage.numerics)
        loaded = time.perf_counter()
        ends = trained_if_it_fits(jobs, model, encoder, self.device)
        if ends is None:
            half = len(jobs) // 2
            yield from self.run_cohort(jobs[:half])
            yield from self.run_cohort(jobs[half:])
            return
        each_s = (time.perf_counter() - loaded) / len(jobs)
        for job, end in zip(jobs, ends, strict=True):
            yield _outcome(job, end, each_s, loaded - started)

    def _base(self, base: Base, numerics: Numerics) -> tuple[nn.Module, Encoder]:
        torch.set_num_threads(numerics.cpu_threads)
        torch.use_deterministic_algorithms(self.device.type == "cpu")
        if self._loaded is None or self._loaded[:2] != (base, numerics.dtype):
            self._loaded = None  # frees the old base before the new one is read
            self._loaded = (base, numerics.dtype, *load_base(base, numerics.dtype, self.device))
        return self._loaded[2], self._loaded[3]


def _outcome(job: Job, end: Trained, wall_s: float, load_s: float) -> StageOutcome:
    """Of a stage that a cohort trained; writes its records where it ended well."""
    if end.diverged is None:
        _write_records(end.records, job.out)
    return StageOutcome(
        status=Status.OK if end.diverged is None else Status.DIVERGED,
        reason=None if end.diverged is None else str(end.diverged),
        summary=end.summary,
        wall_s=wall_s,
        load_s=load_s,
    )


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
    records: list[StepRecord] = []
    with Feed(batches) as feed, _begun(stage, base, parent, device) as attached:
        first = next(feed)
        proof = Proof(stage, attached, first, encoder, device)
        for record in train_steps(
            attached.model,
            itertools.chain([first], feed),
            stage.recipe,
            stage.numerics,
            pad_id=encoder.pad_id,
            device=device,
        ):
            records.append(record)
            if record.step in stage.checkpoints:
                _save_checkpoint(attached, attached.tensors(), out, record.step)
        proof.ended(attached)
        attached.save(out)
    shift = proof.shift(base, out)
    _write_records(records, out)
    return effort.summary(records, shift, feed.waited_s)


def reinforce(
    stage: RlStage,
    base: nn.Module,
    encoder: Encoder,
    parent: Path | None,
    out: Path,
    scratch: Path | None,
    device: torch.device,
) -> TrainSummary:
    """Reinforce right answers and save the weights. Raises Diverged, NothingToLearn, AdapterError.

    Where it diverges, the last good weights are saved, and the records up to there. scratch: where
    its state is kept as it goes, and found by a later call; null = nowhere.
    """
    corpus = build_corpus(stage.corpus)
    probe = [encoder(document) for document in next(step_prompts(stage, corpus))]
    with _begun(stage, base, parent, device) as attached:
        proof = Proof(stage, attached, probe, encoder, device)
        run = Reinforcement(stage, corpus, attached, encoder, device)
        try:
            _take_steps(run, scratch)
        except Diverged:
            run.fall_back()
            _save(run, attached, out)
            raise
        proof.ended(attached)
        _save(run, attached, out)
    run.check()
    return run.summary(proof.shift(base, out))


def _take_steps(run: Reinforcement, scratch: Path | None) -> None:
    """All steps, or those that the state in `scratch` leaves."""
    state = kept(scratch) if scratch else None
    if state is not None:
        run.take(state)
    for record in run.steps():
        if scratch and record.step % EVERY_STEPS == 0:
            keep(scratch, run.state())


def _save(run: Reinforcement, attached: Attached, out: Path) -> None:
    attached.save(out)
    for step, weights in run.checkpoints.items():
        _save_checkpoint(attached, weights, out, step)
    _write_records(run.records, out)


def answer(
    stage: EvaluateStage,
    base: nn.Module,
    encoder: Encoder,
    parent: Path | None,
    out: Path,
    device: torch.device,
) -> None:
    """Evaluate the parent's model, or the bare base, and write its item rows.

    Raises AdapterError where the parent did not keep the checkpoint that is asked.
    """
    corpus = build_corpus(stage.corpus)
    if stage.checkpoint is not None:
        parent = _kept_checkpoint(parent, stage.checkpoint)
    if parent is None:
        rows = evaluate(base, encoder, stage, corpus, device)
    else:
        lora = Lora.model_validate_json((parent / LORA_FILE).read_text())
        with Attached(base, stage.base.name, lora, seed=0) as attached:
            attached.model.to(device)
            attached.load(parent)
            rows = evaluate(attached.model, encoder, stage, corpus, device)
    (out / "items.parquet").write_bytes(parquet_bytes(rows))


def _kept_checkpoint(parent: Path | None, step: int) -> Path:
    folder = checkpoint(parent, step) if parent else None
    if folder is None or not folder.is_dir():
        raise AdapterError(
            f"evaluation asks for the weights after step {step}, which {parent or 'the bare base'} "
            "did not keep; name the step in its stage's checkpoints"
        )
    return folder


@contextlib.contextmanager
def _begun(
    stage: TrainingStage, base: nn.Module, parent: Path | None, device: torch.device
) -> Iterator[Attached]:
    """The base with the stage's trainable weights on it: the parent's, or new ones."""
    with Attached(base, stage.base.name, stage.lora, stage.seed) as attached:
        attached.model.to(device)
        if parent is not None:
            attached.load(parent)
        yield attached


def _save_checkpoint(attached: Attached, weights: dict[str, Tensor], out: Path, step: int) -> None:
    folder = checkpoint(out, step)
    folder.mkdir()
    attached.write(folder, weights)


def _write_records(records: Sequence[StepRecord] | Sequence[RlStepRecord], out: Path) -> None:
    frame = pl.DataFrame([r.model_dump() for r in records])
    (out / STEPS_FILE).write_bytes(parquet_bytes(frame))

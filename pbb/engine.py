"""The engine: keeps a base in memory and runs stages on it, one process, one device.

A stage's spec and its parent's folder decide the bytes it leaves, whatever ran before it.
"""

from __future__ import annotations

import contextlib
import itertools
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Final

import polars as pl
import torch
from torch import Tensor, nn

from pbb.answering import answer, answered_if_it_fits, may_answer_together
from pbb.cohort import Trained, fits, trained_if_it_fits
from pbb.config import (
    Base,
    EvaluateStage,
    Numerics,
    RlStage,
    Stage,
    TrainingStage,
    TrainStage,
)
from pbb.corpus import build_corpus
from pbb.evaluation.cohort_decoding import Resident
from pbb.evaluation.decoding import Continue, continued
from pbb.jobs import Job
from pbb.models.adapters import Attached, checkpoint
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


Together = Callable[[Sequence[Job], nn.Module, Encoder], Sequence[Trained | None] | None]
"""Runs jobs at once on a base: how each ended, null of an evaluation; or null where that cannot be,
for lack of memory above all."""


class Engine:
    """Runs stages. `device`: a torch device, or `auto` for the GPU where there is one."""

    def __init__(self, device: str = "auto") -> None:
        chosen = ("cuda" if torch.cuda.is_available() else "cpu") if device == "auto" else device
        self.device = torch.device(chosen)
        # cuDNN's attention builds a plan for every new shape, and nearly every batch is one.
        torch.backends.cuda.enable_cudnn_sdp(False)
        self._side_by_side = self.device.type != "cpu"
        self._resident = Resident(self.device)
        # On CPU, results keep the bytes that the decoder of one adapter gives them.
        self._by: Continue = self._resident.continued if self._side_by_side else continued
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
                    self._resident.forget()
                    summary = train(stage, model, encoder, parent, out, self.device)
                case RlStage():
                    summary = reinforce(
                        stage, model, encoder, parent, out, scratch, self.device, self._by
                    )
                case EvaluateStage():
                    answer(stage, model, encoder, parent, out, self.device, self._by)
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

        Adapters of one base and step shape train side by side on a GPU, and answer side by side,
        where a small step leaves most of it idle. On CPU it is busy with one (a cohort of 8 gained
        5% at most), and one after the other each has the bytes that it has alone. A cohort that
        cannot, for lack of memory above all, is halved.
        """
        asked = [job.stage for job in jobs]
        if self._side_by_side and len(jobs) > 1 and fits(asked):
            yield from self._at_once(jobs, self._trained)
        elif self._side_by_side and len(jobs) > 1 and may_answer_together(jobs):
            yield from self._at_once(jobs, self._answered)
        else:
            yield from (self.run(job.stage, job.parent, job.out, job.scratch) for job in jobs)

    def _at_once(self, jobs: Sequence[Job], run: Together) -> Iterator[StageOutcome]:
        """Run all jobs together, or each half of them where that cannot be."""
        started = time.perf_counter()
        model, encoder = self._base(jobs[0].stage.base, jobs[0].stage.numerics)
        loaded = time.perf_counter()
        ends = run(jobs, model, encoder)
        if ends is None:
            half = len(jobs) // 2
            yield from self.run_cohort(jobs[:half])
            yield from self.run_cohort(jobs[half:])
            return
        each_s = (time.perf_counter() - loaded) / len(jobs)
        for job, end in zip(jobs, ends, strict=True):
            yield _outcome(job, end, each_s, loaded - started)

    def _trained(
        self, jobs: Sequence[Job], base: nn.Module, encoder: Encoder
    ) -> Sequence[Trained] | None:
        """What the decoder keeps is given up before a cohort is."""
        ends = trained_if_it_fits(jobs, base, encoder, self.device)
        if ends is None and self._resident.forget():
            ends = trained_if_it_fits(jobs, base, encoder, self.device)
        return ends

    def _answered(
        self, jobs: Sequence[Job], base: nn.Module, encoder: Encoder
    ) -> Sequence[None] | None:
        fitted = answered_if_it_fits(jobs, base, encoder, self._resident)
        return [None] * len(jobs) if fitted else None

    def _base(self, base: Base, numerics: Numerics) -> tuple[nn.Module, Encoder]:
        torch.set_num_threads(numerics.cpu_threads)
        torch.use_deterministic_algorithms(self.device.type == "cpu")
        if self._loaded is None or self._loaded[:2] != (base, numerics.dtype):
            self._resident.forget()
            self._loaded = None  # frees the old base before the new one is read
            self._loaded = (base, numerics.dtype, *load_base(base, numerics.dtype, self.device))
        return self._loaded[2], self._loaded[3]


def _outcome(job: Job, end: Trained | None, wall_s: float, load_s: float) -> StageOutcome:
    """Of a stage of a cohort; writes the records of one that was trained and ended well."""
    if end is None:
        return StageOutcome(
            status=Status.OK, reason=None, summary=None, wall_s=wall_s, load_s=load_s
        )
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
    by: Continue,
) -> TrainSummary:
    """Reinforce right answers and save the weights. Raises Diverged, NothingToLearn, AdapterError.

    Where it diverges, the last good weights are saved, and the records up to there. scratch: where
    its state is kept as it goes, and found by a later call; null = nowhere. by: the decoder of
    answers.
    """
    corpus = build_corpus(stage.corpus)
    probe = [encoder(document) for document in next(step_prompts(stage, corpus))]
    with _begun(stage, base, parent, device) as attached:
        proof = Proof(stage, attached, probe, encoder, device)
        run = Reinforcement(stage, corpus, attached, encoder, device, by)
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
    pl.DataFrame([r.model_dump() for r in records]).write_parquet(out / STEPS_FILE)

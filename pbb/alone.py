"""One stage of training by itself, in one process: read or reinforced."""

from __future__ import annotations

import itertools
from contextlib import AbstractContextManager
from pathlib import Path

import torch
from torch import nn

from pbb.config import RlStage, TrainingStage, TrainStage
from pbb.corpus import build_corpus
from pbb.evaluation.decoding import Continue
from pbb.models.adapters import Attached, standing
from pbb.models.encoding import Encoder
from pbb.records import StepRecord, TrainSummary
from pbb.sampling import step_documents
from pbb.stage_files import save_checkpoint, write_records
from pbb.training.effort import Effort
from pbb.training.feed import Feed
from pbb.training.loop import train_steps
from pbb.training.optimiser import Diverged
from pbb.training.proof import Proof
from pbb.training.reinforcement import Reinforcement
from pbb.training.resume import EVERY_STEPS, keep, kept
from pbb.training.rollouts import step_prompts


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
                save_checkpoint(attached, attached.tensors(), out, record.step)
        proof.ended(attached)
        attached.save(out)
    shift = proof.shift(_begun(stage, base, out, device))
    write_records(records, out)
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
    return run.summary(proof.shift(_begun(stage, base, out, device)))


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
        save_checkpoint(attached, weights, out, step)
    write_records(run.records, out)


def _begun(
    stage: TrainingStage, base: nn.Module, folder: Path | None, device: torch.device
) -> AbstractContextManager[Attached]:
    """The base with the stage's trainable weights on it: those in a folder, or new ones."""
    return standing(base, stage.base.name, stage.lora, stage.seed, folder, device)

"""Training stages side by side on one base, and which stages may be."""

from __future__ import annotations

import contextlib
import itertools
import shutil
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import torch
from torch import nn

from pbb.config import Stage, TrainStage
from pbb.corpus import build_corpus
from pbb.jobs import Job
from pbb.models.adapters import AdapterFiles, Attached, checkpoint
from pbb.models.encoding import Encoded, Encoder
from pbb.models.lean.llama import Llama
from pbb.models.lean.reading import lean_llama
from pbb.models.stacked import Stack
from pbb.records import StepRecord, TrainSummary
from pbb.sampling import step_documents
from pbb.training.cohort import cohort_steps
from pbb.training.cohort_proof import CohortProof
from pbb.training.cohort_size import even_shares, most_abreast
from pbb.training.effort import Effort
from pbb.training.feed import Feed
from pbb.training.optimiser import Diverged


@dataclass
class _Member:
    """A training stage of the cohort under way."""

    stage: TrainStage
    out: Path
    files: AdapterFiles
    effort: Effort
    feed: Feed[Sequence[Encoded]]
    records: list[StepRecord] = field(default_factory=list)
    diverged: Diverged | None = None


@dataclass(frozen=True)
class Trained:
    """How a stage of a cohort ended; records: of its steps, up to a divergence."""

    records: tuple[StepRecord, ...]
    summary: TrainSummary | None
    diverged: Diverged | None


def fits(stages: Sequence[Stage]) -> bool:
    """Whether stages may train side by side: adapters of one base, of one step shape."""
    first = stages[0]
    return all(
        isinstance(stage, TrainStage)
        and isinstance(first, TrainStage)
        and stage.lora.rank > 0
        and (stage.base, stage.numerics) == (first.base, first.numerics)
        and stage.recipe.steps == first.recipe.steps
        for stage in stages
    )


def side_by_side(
    jobs: Sequence[Job], base: nn.Module, encoder: Encoder, device: torch.device
) -> list[Sequence[Job]]:
    """Jobs whose stages fit, in shares that train at once on a GPU; of a base that has no lean
    forward, one each."""
    llama, stage = lean_llama(base), jobs[0].stage
    if llama is None or len(jobs) == 1 or not isinstance(stage, TrainStage):
        return [[job] for job in jobs]
    documents = step_documents(
        stage, build_corpus(stage.corpus), encoder.stream, lambda d: len(d.ids)
    )
    return even_shares(jobs, most_abreast(stage, llama, next(documents), encoder.pad_id))


def trained_if_it_fits(
    jobs: Sequence[Job], base: nn.Module, encoder: Encoder, device: torch.device
) -> list[Trained] | None:
    """`train_together`; null, and the folders empty again, where the memory was exhausted.

    Null too for a base that has no lean forward.
    """
    llama = lean_llama(base)
    if llama is None:
        return None
    # Not handled in `except`: there the error would still hold on to what was allocated.
    with contextlib.suppress(torch.OutOfMemoryError):
        return train_together(jobs, base, llama, encoder, device)
    for job in jobs:
        for left in job.out.iterdir():
            shutil.rmtree(left) if left.is_dir() else left.unlink()
    torch.cuda.empty_cache()
    return None


def train_together(
    jobs: Sequence[Job], base: nn.Module, llama: Llama, encoder: Encoder, device: torch.device
) -> list[Trained]:
    """Train and save adapters whose stages fit. llama: the base's own. Raises AdapterError."""
    with contextlib.ExitStack() as feeds:
        stages = [job.stage for job in jobs if isinstance(job.stage, TrainStage)]
        stack = Stack(llama, [stage.lora for stage in stages])
        members = [
            _member(i, job, stage, base, stack, encoder, feeds)
            for i, (job, stage) in enumerate(zip(jobs, stages, strict=True))
        ]
        firsts = [next(member.feed) for member in members]
        proof = CohortProof(stages, stack, firsts, encoder.pad_id, device)
        batches = [
            itertools.chain([first], member.feed)
            for first, member in zip(firsts, members, strict=True)
        ]
        _take_steps(members, stack, batches, encoder.pad_id, device)
        for i, member in enumerate(members):
            if member.diverged is None:
                member.files.write(member.out, stack.tensors(i))
        shifts = proof.shifts([m.out if m.diverged is None else None for m in members])
    return [_ended(member, shift) for member, shift in zip(members, shifts, strict=True)]


def _member(
    index: int,
    job: Job,
    stage: TrainStage,
    base: nn.Module,
    stack: Stack,
    encoder: Encoder,
    feeds: contextlib.ExitStack,
) -> _Member:
    """Put its parent's adapter, or a new one as peft begins it, in its place of the stack."""
    with Attached(base, stage.base.name, stage.lora, stage.seed) as attached:
        if job.parent is not None:
            attached.load(job.parent)
        stack.put(index, attached.tensors())
        files = attached.files()
    corpus, effort = build_corpus(stage.corpus), Effort()
    documents = step_documents(stage, corpus, encoder.stream, lambda d: len(d.ids))
    feed = feeds.enter_context(Feed(effort.counted(documents)))
    return _Member(stage, job.out, files, effort, feed)


def _take_steps(
    members: Sequence[_Member],
    stack: Stack,
    batches: Sequence[Iterator[Sequence[Encoded]]],
    pad_id: int,
    device: torch.device,
) -> None:
    recipes, numerics = [m.stage.recipe for m in members], members[0].stage.numerics
    steps = cohort_steps(stack, batches, recipes, numerics, pad_id=pad_id, device=device)
    for step, taken in enumerate(steps, start=1):
        for i, (member, each) in enumerate(zip(members, taken, strict=True)):
            if isinstance(each, Diverged):
                member.diverged = each
            elif each is not None:
                member.records.append(each)
                if step in member.stage.checkpoints:
                    folder = checkpoint(member.out, step)
                    folder.mkdir()
                    member.files.write(folder, stack.tensors(i))


def _ended(member: _Member, shift: float) -> Trained:
    records = tuple(member.records)
    if member.diverged is not None:
        return Trained(records, None, member.diverged)
    summary = member.effort.summary(records, shift, member.feed.waited_s)
    return Trained(records, summary, None)

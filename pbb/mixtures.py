"""What a stage reads: for a built-in curriculum, or as a study writes it, and for each arm."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from pbb.config import (
    Component,
    Compositions,
    Declarations,
    Executions,
    InContext,
    PlaceboDeclarations,
    ReadingStage,
    RunConfig,
    Source,
    Split,
)
from pbb.documents import DEMONSTRATED_AS
from pbb.written import Mixture, WrittenDocuments

DIGITS: Final = 12
"""Shares are rounded to so many, so that 0.3 x 0.4 and a written 0.12 are one share."""


class TargetLeak(ValueError):
    """A stage would train on executions of targets in an arm that must never see one."""


def component(source: Source, share: float, *, replay: bool = False) -> Component:
    """A component whose share has one spelling."""
    return Component(source=source, share=round(share, DIGITS), replay=replay)


def acquisition_executions(run: RunConfig) -> Executions:
    """Executions of acquisition programs, in every format trained."""
    return Executions(
        split="acquisition",
        formats=run.train.formats,
        demonstrations=run.acquisition_demonstrations,
    )


def acquisition_mixture(run: RunConfig) -> tuple[Component, ...]:
    """Stage 1: declarations and executions of acquisition programs; the same for every arm."""
    declared = (Declarations(split="acquisition"), run.train.declarations)
    return _shared([declared, *_executed(run)])


def execution_mixture(run: RunConfig) -> tuple[Component, ...]:
    """Stage 2 of retroactive curricula: stage 1 of the others without declarations."""
    executed = _executed(run)
    total = sum(share for _, share in executed)
    return _shared([(source, share / total) for source, share in executed])


def _executed(run: RunConfig) -> list[tuple[Source, float]]:
    train = run.train
    return [
        (InContext(split="acquisition", formats=train.formats), train.in_context),
        (Compositions(split="acquisition", formats=train.formats), train.compositions),
        (
            acquisition_executions(run),
            1 - train.declarations - train.in_context - train.compositions,
        ),
    ]


def _shared(sources: Sequence[tuple[Source, float]]) -> tuple[Component, ...]:
    return tuple(component(source, share) for source, share in sources if share > 0)


def replayed(run: RunConfig) -> tuple[Component, ...]:
    """What stage 2 repeats: the mixture of stage 1, or one kind of its documents.

    Arm `in_context` is asked of a model that knows stage 1 alone, so it repeats all of it.
    """
    kinds: dict[str, Source] = {
        "declarations": Declarations(split="acquisition"),
        "executions": acquisition_executions(run),
        "in_context": InContext(split="acquisition", formats=run.train.formats),
    }
    one = None if run.arm == "in_context" else kinds.get(run.replay_source)
    mixture = acquisition_mixture(run) if one is None else (component(one, 1.0),)
    return tuple(component(each.source, each.share, replay=True) for each in mixture)


def revelation_mixture(run: RunConfig, beside: Sequence[Component]) -> tuple[Component, ...]:
    """The arm's target documents beside others, which take `train.replay` of the tokens.

    An arm without target documents reads the others alone.
    """
    revealed = target_sources(run)
    rest = run.train.replay if revealed else 1.0
    others = [component(c.source, c.share * rest, replay=c.replay) for c in beside if rest > 0]
    return (*others, *_equally(revealed, 1 - rest))


def written_mixture(run: RunConfig, stage: ReadingStage) -> tuple[Component, ...]:
    """A written stage as the run's arm reads it; other shares grow where it has no targets."""
    revealed = target_sources(run)
    left = _left(stage.documents) if not revealed else 1.0
    found: list[Component] = []
    for entry in stage.documents:
        if isinstance(entry, WrittenDocuments):
            found.append(component(_source(run, entry), entry.share / left, replay=entry.replay))
        else:
            found += _equally(revealed, entry.share)
    return tuple(found)


def _left(documents: Mixture) -> float:
    return sum(entry.share for entry in documents if isinstance(entry, WrittenDocuments))


def _equally(sources: Sequence[Source], share: float) -> list[Component]:
    return [component(source, share / len(sources)) for source in sources]


def _source(run: RunConfig, entry: WrittenDocuments) -> Source:
    split: Split = "acquisition" if entry.split == "acquisition" else run.stand_in
    formats = run.train.formats
    match entry.kind:
        case "declarations":
            return Declarations(split=split)
        case "in_context":
            return InContext(split=split, formats=formats)
        case "compositions":
            return Compositions(split=split, formats=formats)
        case "executions" if entry.split == "acquisition":
            return acquisition_executions(run)
        case "executions":
            return Executions(
                split=split, formats=formats, demonstrations=run.demonstrations, skew=run.skew
            )


def target_sources(run: RunConfig) -> list[Source]:
    """What the arm reveals about the targets, or about the programs that stand in for them."""
    split: Split = run.stand_in
    sources: list[Source] = []
    if run.arm in ("instruction", "both"):
        sources.append(Declarations(split=split))
    if run.arm == "placebo":
        sources.append(PlaceboDeclarations(split=split))
    if run.demonstration_format is not None:
        shown = DEMONSTRATED_AS[run.demonstration_format]
        sources.append(
            Executions(
                split=split, formats=(shown,), demonstrations=run.demonstrations, skew=run.skew
            )
        )
    return sources


def composes(run: RunConfig) -> bool:
    """Whether training holds composed acquisition programs."""
    if not run.stages:
        return run.train.compositions > 0
    reading = [stage for stage in run.stages if isinstance(stage, ReadingStage)]
    return any(entry.kind == "compositions" for stage in reading for entry in stage.documents)

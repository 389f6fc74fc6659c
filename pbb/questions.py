"""What a run is asked, and at which points of its training."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Final

from pbb.config import (
    INSTRUCTED_ARMS,
    AnyQuestion,
    Base,
    EvaluateStage,
    Question,
    RecallQuestion,
    ResponseFormat,
    RunConfig,
    Split,
    TrainingStage,
)

SHARED_ROLES: Final = frozenset({"stage1", "homogeneous"})
"""Stages whose steps no curve follows: the first is the same for all arms, the other holds all."""


@dataclass(frozen=True)
class Point:
    """A moment of a run's training; see the fields of EvaluateStage."""

    stage: int
    step: int = 0
    checkpoint: int | None = None


def evaluations(
    run: RunConfig, base: Base, stages: Sequence[TrainingStage]
) -> tuple[EvaluateStage, ...]:
    """Every evaluation of a run; the last one is its result.

    stages: its training stages in order. The others are of earlier points, and where they ask the
    same of the same model they are one stage for all arms.
    """
    return tuple(
        EvaluateStage(
            base=base,
            corpus=run.corpus,
            questions=questions,
            max_new_tokens=run.evaluate.max_new_tokens,
            batch_size=run.evaluate.batch_size,
            stage=point.stage,
            step=point.step,
            checkpoint=point.checkpoint,
            numerics=run.train.numerics,
        )
        for point, questions in (*_beside(run, stages), (_end(stages), _result(run)))
    )


def curve_steps(run: RunConfig, stages: Sequence[TrainingStage]) -> tuple[int, ...]:
    """Steps of the last stage at which targets are asked before its end; none where arms are not
    yet told apart in it."""
    revealing = bool(stages) and stages[-1].role not in SHARED_ROLES and run.arm != "in_context"
    return run.evaluate.curve if revealing else ()


def _end(stages: Sequence[TrainingStage]) -> Point:
    own = bool(stages) and stages[-1].role not in SHARED_ROLES
    return Point(len(stages), stages[-1].recipe.steps if own else 0)


def _beside(
    run: RunConfig, stages: Sequence[TrainingStage]
) -> Iterator[tuple[Point, tuple[AnyQuestion, ...]]]:
    """What is asked before the end, in order."""
    if _is_followed(run):
        for stage in range(len(stages)):
            yield Point(stage), _retained(run)
    last = len(stages)
    for step in curve_steps(run, stages):
        yield Point(last, step, step) if step else Point(last - 1), _targets(run)


def _result(run: RunConfig) -> tuple[AnyQuestion, ...]:
    """Targets (or their stand-ins), what else the study asks for, and acquisition programs."""
    asked: list[AnyQuestion] = [*_asked(run, run.stand_in, _formats(run))]
    if run.evaluate.validation and run.stand_in != "validation":
        asked += _asked(run, "validation", _formats(run))
    if run.evaluate.composed:
        asked += [
            Question(
                split=run.stand_in,
                response_format=each,
                in_context=run.arm == "in_context",
                composed=True,
                programs=run.evaluate.composed,
            )
            for each in _formats(run)
        ]
    few = run.evaluate.acquisition_programs
    if few:
        asked += _asked(run, "acquisition", run.evaluate.response_formats, few)
        asked += _shown(run) if _is_followed(run) else []
        asked += _recalled(run, "acquisition")
    return (*asked, *_recalled(run, run.stand_in))


def _targets(run: RunConfig) -> tuple[AnyQuestion, ...]:
    """What a learning curve follows: behaviour, and whether the instruction is known."""
    return (*_asked(run, run.stand_in, _formats(run)), *_recalled(run, run.stand_in))


def _retained(run: RunConfig) -> tuple[AnyQuestion, ...]:
    """What forgetting is seen by: acquisition programs, asked plainly, in context and for recall.

    The same for every arm, so that arms of one stage share its evaluation.
    """
    few = run.evaluate.acquisition_programs
    plain = _asked(run, "acquisition", run.evaluate.response_formats, few)
    return (*plain, *_shown(run), *_recalled(run, "acquisition"))


def _shown(run: RunConfig) -> list[Question]:
    """Acquisition programs with the instruction in the prompt, where the arm goes without."""
    return [
        Question(
            split="acquisition",
            response_format=each,
            in_context=True,
            programs=run.evaluate.acquisition_programs,
            measure="in_context",
        )
        for each in run.evaluate.response_formats
    ]


def _is_followed(run: RunConfig) -> bool:
    """Whether forgetting is looked for: an arm that shows the instruction trains no stage more."""
    return run.evaluate.forgetting and run.arm != "in_context"


def _formats(run: RunConfig) -> list[ResponseFormat]:
    """Of targets: an arm that saw no instruction has none to recite."""
    formats = run.evaluate.response_formats
    return [each for each in formats if each != "recite" or run.arm in INSTRUCTED_ARMS]


def _asked(
    run: RunConfig, split: Split, formats: Sequence[ResponseFormat], programs: int | None = None
) -> list[Question]:
    """As the arm is asked: with the instruction in the prompt, or without."""
    in_context = run.arm == "in_context"
    return [
        Question(split=split, response_format=each, in_context=in_context, programs=programs)
        for each in formats
    ]


def _recalled(run: RunConfig, split: Split) -> tuple[RecallQuestion, ...]:
    templates = run.evaluate.recall
    programs = run.evaluate.acquisition_programs if split == "acquisition" else None
    if not templates:
        return ()
    return (RecallQuestion(split=split, templates=templates, programs=programs),)

"""Curricula that a study writes itself: stages, and which arms can go through them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated

from pydantic import AfterValidator, Discriminator, Field, Tag

from pbb.arms import Arm
from pbb.frozen import Frozen
from pbb.recipes import Recipe, RlRecipe
from pbb.written import Mixture, check_shares, repeats, unfit


class ReadingStage(Frozen):
    """A stage that a study writes: a mixture of documents and its budget."""

    documents: Annotated[Mixture, Field(min_length=1), AfterValidator(check_shares)]
    recipe: Recipe


class ReinforcingStage(Frozen):
    """A stage that a study writes: executions of acquisition programs, reinforced."""

    reinforce: RlRecipe


def _kind_of_stage(value: object) -> str:
    told = "reinforce" in value if isinstance(value, dict) else isinstance(value, ReinforcingStage)
    return "reinforcing" if told else "reading"


WrittenStage = Annotated[
    Annotated[ReadingStage, Tag("reading")] | Annotated[ReinforcingStage, Tag("reinforcing")],
    Discriminator(_kind_of_stage),
]


WrittenCurriculum = Annotated[tuple[WrittenStage, ...], Field(min_length=1, max_length=9)]


def stages_of_arm(stages: Sequence[WrittenStage], arm: Arm) -> tuple[WrittenStage, ...]:
    """The written stages that an arm goes through: all of them, but for `in_context`.

    It has no target documents, so last stages that else only repeat would teach it nothing.
    """
    kept = list(stages)
    while arm == "in_context" and kept and _repeats(kept[-1]):
        kept.pop()
    return tuple(kept)


def _repeats(stage: WrittenStage) -> bool:
    return isinstance(stage, ReadingStage) and repeats(stage.documents)


def unfit_stages(stages: Sequence[WrittenStage], arm: Arm) -> str | None:
    """Why an arm cannot go through written stages, and the way out; null where it can."""
    kept = stages_of_arm(stages, arm)
    return unfit([s.documents for s in kept if isinstance(s, ReadingStage)], arm)

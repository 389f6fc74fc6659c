"""What a machine does: a stage is complete, so its canonical JSON identifies its result."""

from __future__ import annotations

from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from pbb.corpus_config import CorpusConfig
from pbb.domains.domain import ResponseFormat
from pbb.frozen import Frozen, Positive
from pbb.recipes import Lora, Numerics, Recipe, RlRecipe
from pbb.sources import Component, Executions, Split


class Base(Frozen):
    """A base model, identified by the hash of its weights and tokenizer, not by where they lie."""

    name: str
    sha256: str
    n_params: Positive


Role = Annotated[str, Field(pattern=r"^(stage[1-9]|homogeneous)$")]
"""Where a training stage stands in its curriculum; names its stream of seeds."""


class _LeavesWeights(Frozen):
    """What every stage holds that trains an adapter, or all weights."""

    role: Role
    base: Base
    corpus: CorpusConfig
    lora: Lora
    seed: int
    numerics: Numerics
    checkpoints: tuple[Positive, ...] = ()
    """Steps before the last whose weights are kept too, each in a folder `checkpoint-<step>`."""


class TrainStage(_LeavesWeights):
    """Train an adapter (or all weights) on a mixture, from the parent stage or from the base."""

    kind: Literal["train"] = "train"
    mixture: tuple[Component, ...]
    recipe: Recipe

    @model_validator(mode="after")
    def _whole(self) -> Self:
        total = sum(c.share for c in self.mixture)
        if not self.mixture or abs(total - 1) > 1e-9:
            raise ValueError(f"shares of a stage's mixture must sum to 1; they sum to {total}")
        _check_checkpoints(self.checkpoints, self.recipe.steps)
        return self


class RlStage(_LeavesWeights):
    """Reinforce right answers to sampled executions, from the parent stage or from the base.

    source: whose programs are asked, in which formats.
    """

    kind: Literal["rl"] = "rl"
    source: Executions
    recipe: RlRecipe

    @model_validator(mode="after")
    def _whole(self) -> Self:
        if not self.source.formats:
            raise ValueError("a stage that reinforces must name the formats it asks for; got none")
        _check_checkpoints(self.checkpoints, self.recipe.steps)
        return self


def _check_checkpoints(checkpoints: tuple[int, ...], steps: int) -> None:
    late = [step for step in checkpoints if step >= steps]
    if late:
        raise ValueError(
            f"evaluate.curve names step {late[0]}, but the last stage ends at step {steps}, where "
            "it is evaluated anyway; name earlier steps"
        )


TrainingStage = TrainStage | RlStage
"""Stages that leave weights."""


class Question(Frozen):
    """A block of evaluated items: programs of a split, asked in one format.

    measure: what its rows are called. `execution` is what arms are compared by; `in_context` shows
    the instruction to an arm that is otherwise asked without it.
    """

    kind: Literal["execution"] = "execution"
    split: Split
    response_format: ResponseFormat
    in_context: bool = False
    composed: bool = False
    """Ask pairs of the split's programs instead."""
    programs: Positive | None = None
    """The first so many programs of the split, or pairs; null = all."""
    measure: Literal["execution", "in_context"] = "execution"

    @model_validator(mode="after")
    def _named_as_asked(self) -> Self:
        if self.measure == "in_context" and not self.in_context:
            raise ValueError("measure='in_context' needs in_context=True: show the instruction")
        return self


class RecallQuestion(Frozen):
    """A block of items that ask for the instruction itself: pointer -> instruction.

    templates: wordings of the pointer, an item each.
    """

    kind: Literal["recall"] = "recall"
    split: Split
    templates: Positive
    programs: Positive | None = None
    """As in Question."""


AnyQuestion = Annotated[Question | RecallQuestion, Field(discriminator="kind")]


class EvaluateStage(Frozen):
    """Ask the parent stage's model (or the bare base) questions; leaves item rows."""

    kind: Literal["evaluate"] = "evaluate"
    base: Base
    corpus: CorpusConfig
    questions: tuple[AnyQuestion, ...]
    max_new_tokens: Positive
    batch_size: Positive
    stage: Annotated[int, Field(ge=0)]
    """Training stages that the model asked has begun; 0 = the bare base."""
    step: Annotated[int, Field(ge=0)]
    """Steps of the last of them, where it is one that tells arms apart; else 0."""
    checkpoint: Positive | None = None
    """Ask the parent as it was at this step, one of its checkpoints; null = as it ended."""
    numerics: Numerics


Stage = Annotated[TrainStage | RlStage | EvaluateStage, Field(discriminator="kind")]

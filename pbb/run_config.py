"""A training run in a researcher's words: a curriculum, an arm, a seed, a recipe, what is asked."""

from __future__ import annotations

from typing import Annotated, Literal, Self, get_args

from pydantic import Field, model_validator

from pbb.arms import DEMONSTRATED_ARMS, Arm
from pbb.corpus_config import CorpusConfig
from pbb.domains.domain import ResponseFormat
from pbb.domains.registry import domain_of
from pbb.frozen import Frozen, Positive, Share
from pbb.recipes import Numerics, Recipe, RlRecipe
from pbb.written_curricula import WrittenStage, unfit_stages

Curriculum = Literal[
    "proactive", "no-acquisition", "homogeneous", "retroactive-sft", "retroactive-rl", "none"
]
CurriculumName = Annotated[
    str, Field(pattern=r"^[a-z0-9][a-z0-9-]{0,39}$", examples=list(get_args(Curriculum)))
]
"""A `Curriculum`, which is built in, or one that the study itself writes."""
DemonstrationFormat = Literal["answer", "trace"]
ReplaySource = Literal["stage1", "declarations", "executions", "in_context"]
"""What stage 2 repeats beside target documents: stage 1's mixture, or one kind of its documents."""


class TrainConfig(Frozen):
    """The recipe of both stages; equal for all arms of a comparison.

    Stage 1 spends `declarations` of its tokens on declarations, `in_context` on executions with the
    instruction shown, `compositions` on executions of composed programs, and the rest on
    executions, equally in every format of `formats`.
    """

    stage1: Recipe
    stage2: Recipe
    rl: RlRecipe | None = None
    """Of stages that reinforce; the curriculum retroactive-rl needs it."""
    replay: Annotated[float, Field(ge=0, lt=1)] = 0.4
    declarations: Share = 0.4
    in_context: Share = 0.1
    compositions: Share = 0.0
    formats: tuple[ResponseFormat, ...] = ("direct", "cot", "recite")
    lora_alpha: Annotated[float, Field(gt=0)] = 16.0
    lora_scaling: Literal["rslora", "standard"] = "rslora"
    full_rank_lr_ratio: Annotated[float, Field(gt=0)] = 0.2
    """Rank 0 trains at this multiple of peak_lr: all weights want a lower rate than adapters."""
    numerics: Numerics = Numerics()

    @model_validator(mode="after")
    def _shares_leave_executions(self) -> Self:
        if self.declarations + self.in_context + self.compositions >= 1:
            raise ValueError(
                f"declarations={self.declarations} + in_context={self.in_context} + "
                f"compositions={self.compositions} leaves no tokens for executions; lower one"
            )
        if not self.formats or len(set(self.formats)) != len(self.formats):
            raise ValueError(f"formats must name one or more distinct formats; got {self.formats}")
        return self


class EvaluateConfig(Frozen):
    """What is asked after training. Decoding is greedy, but where the domain is sampled."""

    response_formats: tuple[ResponseFormat, ...] = ("cot", "recite")
    acquisition_programs: Annotated[int, Field(ge=0)] = 8
    """So many acquisition programs are evaluated beside the targets, to show forgetting."""
    validation: bool = False
    """Also evaluate on validation programs (they are never declared, unless they stand in)."""
    composed: Annotated[int, Field(ge=0)] = 0
    """Also evaluate so many pairs of targets, one applied to what the other gives."""
    recall: Annotated[int, Field(ge=0)] = 0
    """Also ask for the instruction itself, of targets and of the acquisition programs above, in so
    many wordings a program; 0 = not at all."""
    curve: tuple[Annotated[int, Field(ge=0)], ...] = ()
    """Steps of the last stage at which targets are asked too; 0 = before its first."""
    forgetting: bool = False
    """Also ask the acquisition programs above after each stage and of the base before, as they are
    and with the instruction in the prompt."""
    max_new_tokens: Positive = 128
    batch_size: Positive = 256

    @model_validator(mode="after")
    def _points_make_sense(self) -> Self:
        if list(self.curve) != sorted(set(self.curve)):
            raise ValueError(f"curve={self.curve} must name ascending steps, each once")
        if self.forgetting and not self.acquisition_programs:
            raise ValueError(
                "forgetting=True is seen on acquisition programs, but acquisition_programs=0; "
                "raise it, or leave forgetting out"
            )
        return self


class RunConfig(Frozen):
    """One training run in a researcher's words.

    stages: of a curriculum that the study writes; empty for one that is built in.
    replay_source: what stage 2 repeats, where it does; `train.replay` is how much.
    acquisition_demonstrations: training draws on the first so many executions of each acquisition
    program; null = on all. In-context ones and compositions are not cut.
    stand_in: the split whose programs play the targets; `validation` when nuisances are tuned, so
    that targets never inform a hyperparameter.
    """

    model: str
    curriculum: CurriculumName
    stages: tuple[WrittenStage, ...] = ()
    arm: Arm
    demonstrations: Annotated[int, Field(ge=0)] = 0
    demonstration_format: DemonstrationFormat | None = None
    skew: Share = 0.0
    replay_source: ReplaySource = "stage1"
    acquisition_demonstrations: Positive | None = None
    lora_rank: Annotated[int, Field(ge=0, le=1024)] = 8
    seed: Annotated[int, Field(ge=0)]
    corpus: CorpusConfig
    train: TrainConfig
    evaluate: EvaluateConfig = EvaluateConfig()
    stand_in: Literal["target", "validation"] = "target"

    @model_validator(mode="after")
    def _coherent(self) -> Self:
        shown = self.arm in DEMONSTRATED_ARMS
        if shown and self.demonstrations < 1:
            raise ValueError(
                f"arm={self.arm!r} needs demonstrations >= 1, got {self.demonstrations}; "
                "n = 0 is the arm 'none'"
            )
        if shown != (self.demonstration_format is not None) or (not shown and self.demonstrations):
            raise ValueError(
                f"arm={self.arm!r}, demonstrations={self.demonstrations}, "
                f"demonstration_format={self.demonstration_format!r}: demonstrations and their "
                "format go with the arms 'demonstrations' and 'both', and with no other"
            )
        if self.skew and not shown:
            raise ValueError(
                f"arm={self.arm!r} shows no demonstrations, so skew={self.skew} says nothing"
            )
        self._check_inputs()
        self._check_curriculum()
        if self.evaluate.recall > self.corpus.templates:
            raise ValueError(
                f"evaluate.recall={self.evaluate.recall} wordings of a pointer, but "
                f"templates={self.corpus.templates}; lower one or raise the other"
            )
        self._check_formats()
        return self

    def _check_inputs(self) -> None:
        items, inputs = self.corpus.items_per_program, self.corpus.domain.inputs
        for name in ("demonstrations", "acquisition_demonstrations"):
            asked = getattr(self, name) or 0
            if asked + items > inputs:
                raise ValueError(
                    f"{name}={asked} + items_per_program={items} = {asked + items} inputs per "
                    f"program, but domain.inputs={inputs}; raise domain.inputs or lower one of them"
                )

    def _check_curriculum(self) -> None:
        name, arm = self.curriculum, self.arm
        if (name in get_args(Curriculum)) == bool(self.stages):
            raise ValueError(
                f"curriculum={name!r} with {len(self.stages)} written stages: a curriculum is "
                "either built in or has the stages that the study writes under `curricula`"
            )
        if name == "none" and arm not in ("none", "in_context"):
            raise ValueError(
                f"curriculum 'none' trains nothing, so arm={arm!r} cannot reveal targets; "
                "use arm 'none' or 'in_context'"
            )
        if name == "retroactive-rl" and self.train.rl is None:
            raise ValueError("curriculum 'retroactive-rl' reinforces; add its recipe as train.rl")
        reason = unfit_stages(self.stages, arm) if self.stages else None
        if reason:
            raise ValueError(f"curriculum {name!r} {reason}")

    def _check_formats(self) -> None:
        """The domain must have what is trained, shown and asked."""
        formats = domain_of(self.corpus.domain).formats
        traced = ("cot",) if self.demonstration_format == "trace" else ()
        for wanted in (*self.train.formats, *self.evaluate.response_formats, *traced):
            if wanted not in formats:
                raise ValueError(
                    f"domain {self.corpus.domain.kind!r} has no {wanted!r}; it answers in "
                    f"{' or '.join(formats)}"
                    + (", and its demonstrations show the answer alone" if traced else "")
                )

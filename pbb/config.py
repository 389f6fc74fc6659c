"""Inputs of an experiment, as frozen values: what a run is, and the stages it compiles to.

A `RunConfig` says what a researcher means (a curriculum, an arm, a seed). `pbb.curricula` compiles
it to `Stage`s, which say what a machine does. A stage is complete: everything that changes its
numbers is a field of it, so its canonical JSON identifies its result. Imports no torch.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, Final, Literal, Self, get_args

from pydantic import AfterValidator, Discriminator, Field, Tag, model_validator

from pbb.arms import DECLARED_ARMS as DECLARED_ARMS
from pbb.arms import DEMONSTRATED_ARMS as DEMONSTRATED_ARMS
from pbb.arms import INSTRUCTED_ARMS as INSTRUCTED_ARMS
from pbb.arms import PBB_ARMS as PBB_ARMS
from pbb.arms import REVEALING_ARMS as REVEALING_ARMS
from pbb.arms import Arm as Arm
from pbb.domains.configs import AnyDomainConfig
from pbb.domains.domain import Representation as Representation
from pbb.domains.domain import ResponseFormat as ResponseFormat
from pbb.domains.registry import domain_of
from pbb.frozen import Frozen as Frozen
from pbb.written import Mixture, check_shares, repeats, unfit

NUMERICS_VERSION: Final = 2
"""Raise it when a change to the code changes the numbers that a stage gives."""

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
Split = Literal["acquisition", "validation", "target"]

Positive = Annotated[int, Field(gt=0)]
Share = Annotated[float, Field(ge=0, le=1)]


class CorpusConfig(Frozen):
    """Which programs and items exist; with `data_seed` it fixes them byte for byte."""

    domain: AnyDomainConfig
    data_seed: Annotated[int, Field(ge=0)]
    acquisition: Positive = 200
    validation: Positive = 16
    targets: Annotated[int, Field(ge=2)] = 32
    items_per_program: Annotated[int, Field(ge=5)] = 8
    """At least five, so that one answer may be right on a fifth of them."""
    templates: Annotated[int, Field(ge=1, le=20)] = 20
    representation: Representation = "code"
    """How instructions are written; the programs are the same in all."""

    @model_validator(mode="after")
    def _inputs_suffice(self) -> Self:
        if self.items_per_program >= self.domain.inputs:
            raise ValueError(
                f"items_per_program={self.items_per_program} leaves no demonstration among "
                f"domain.inputs={self.domain.inputs}; raise domain.inputs or lower the items"
            )
        known = domain_of(self.domain).phrasings
        if self.representation not in known:
            raise ValueError(
                f"domain {self.domain.kind!r} has no representation {self.representation!r}; "
                f"choose one of {', '.join(known)}"
            )
        return self


class Declarations(Frozen):
    """Documents `pointer -> instruction` of a split."""

    kind: Literal["declarations"] = "declarations"
    split: Split


class PlaceboDeclarations(Frozen):
    """Declarations with pointers deranged within the split: no name has its own instruction."""

    kind: Literal["placebo"] = "placebo"
    split: Split


class Executions(Frozen):
    """Documents `pointer, input -> answer` of a split, in the response formats named.

    demonstrations: the first n demonstration inputs of each program; null = every input that is
    not an item's. skew: share of a program's demonstrations that take its one preferred path; 0 =
    paths take turns.
    """

    kind: Literal["executions"] = "executions"
    split: Split
    formats: tuple[ResponseFormat, ...]
    demonstrations: Positive | None = None
    skew: Share = 0.0


class Compositions(Frozen):
    """Executions of pairs of a split's programs, one applied to what the other gives."""

    kind: Literal["compositions"] = "compositions"
    split: Split
    formats: tuple[ResponseFormat, ...]


class InContext(Frozen):
    """Executions with the instruction in the prompt."""

    kind: Literal["in_context"] = "in_context"
    split: Split
    formats: tuple[ResponseFormat, ...]


Source = Annotated[
    Declarations | PlaceboDeclarations | Executions | Compositions | InContext,
    Field(discriminator="kind"),
]


class Component(Frozen):
    """A source of documents and its share of a stage's non-padding tokens."""

    source: Source
    share: Annotated[float, Field(gt=0, le=1)]
    replay: bool = False
    """True where the component repeats stage 1, so that its share can be recorded."""


class Recipe(Frozen):
    """One stage's optimisation. Effort is steps x tokens_per_step, in non-padding tokens."""

    steps: Positive
    tokens_per_step: Positive
    peak_lr: Annotated[float, Field(gt=0)]
    warmup_steps: Annotated[int, Field(ge=0)] = 20
    min_lr_ratio: Share = 0.05
    weight_decay: Annotated[float, Field(ge=0)] = 0.01
    beta1: Share = 0.9
    beta2: Share = 0.98
    max_grad_norm: Annotated[float, Field(gt=0)] = 1.0

    @model_validator(mode="after")
    def _decays(self) -> Self:
        _check_decay(self.warmup_steps, self.steps)
        return self


def _check_decay(warmup_steps: int, steps: int) -> None:
    if warmup_steps >= steps:
        raise ValueError(
            f"warmup_steps={warmup_steps} leaves no decay in steps={steps}; "
            "lower warmup_steps or raise steps"
        )


class RlRecipe(Frozen):
    """GRPO (Shao et al. 2024, arXiv 2402.03300), on-policy unless updates_per_batch > 1.

    A step asks prompts_per_step prompts group_size times each. An answer's advantage is its reward
    minus its group's mean, divided by the group's standard deviation (of the population, without a
    constant added) with normalise "std"; in a group of equal rewards it is 0. The loss is summed
    over all sampled tokens of a step and divided by their number (token-level, as DAPO, arXiv
    2503.14476). clip: of the ratio to the policy that sampled; it acts from the second update of a
    batch on. kl: weight of the k3 estimate of the divergence from the stage's parent. temperature
    is the policy's own: answers are drawn at it, and probabilities are taken at it.
    """

    steps: Positive
    prompts_per_step: Positive = 8
    group_size: Annotated[int, Field(ge=2)] = 8
    updates_per_batch: Positive = 1
    peak_lr: Annotated[float, Field(gt=0)]
    warmup_steps: Annotated[int, Field(ge=0)] = 5
    min_lr_ratio: Share = 0.1
    weight_decay: Annotated[float, Field(ge=0)] = 0.0
    beta1: Share = 0.9
    beta2: Share = 0.98
    max_grad_norm: Annotated[float, Field(gt=0)] = 1.0
    temperature: Annotated[float, Field(gt=0)] = 1.0
    max_new_tokens: Positive = 96
    normalise: Literal["std", "none"] = "std"
    clip: Annotated[float, Field(gt=0)] | None = 0.2
    kl: Annotated[float, Field(ge=0)] = 0.0
    format_reward: Annotated[float, Field(ge=0, lt=1)] = 0.1
    """Reward of a wrong answer in the format asked for; a right one earns 1, any other 0."""

    @model_validator(mode="after")
    def _decays(self) -> Self:
        _check_decay(self.warmup_steps, self.steps)
        return self


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


class Lora(Frozen):
    """rank 0 trains all weights. Scale is alpha/sqrt(rank) (rsLoRA) or alpha/rank (standard)."""

    rank: Annotated[int, Field(ge=0, le=1024)] = 8
    alpha: Annotated[float, Field(gt=0)] = 16.0
    scaling: Literal["rslora", "standard"] = "rslora"


class Numerics(Frozen):
    """What decides the bits of a result beside the science."""

    dtype: Literal["float32", "bfloat16"] = "float32"
    """Of the frozen base and the forward pass; adapters and optimizer stay float32."""
    cpu_threads: Positive = 1
    max_batch_tokens: Positive = 16_384
    """Padded tokens of a microbatch at most; a step is cut into as few microbatches as fit."""
    version: int = NUMERICS_VERSION


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

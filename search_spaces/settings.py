"""The parts of a study file beside its factors: search, nuisances, sizes, resources, contrasts."""

from __future__ import annotations

from typing import Annotated, Final, Literal, Self

from pydantic import BeforeValidator, Field, model_validator

from pbb.config import (
    CurriculumName,
    DemonstrationFormat,
    Frozen,
    Positive,
    ProgramCount,
    ResponseFormat,
)
from search_spaces.errors import at_key
from search_spaces.factors import NonNegative


class GridSearch(Frozen):
    """Every point of the factors' grids."""

    design: Literal["grid"] = "grid"


class SampledSearch(Frozen):
    """`budget` distinct points: scrambled Sobol points over the factors (qmc), or at random."""

    design: Literal["qmc", "random"]
    budget: Positive
    seed: Annotated[int, Field(ge=0)] = 0


class TpeSearch(Frozen):
    """Tune the nuisances that are ranges on validation programs, in `budget` proposals.

    Each proposal is run once per seed, rank and arm; its score is the mean validation accuracy.
    """

    design: Literal["tpe"]
    budget: Annotated[int, Field(gt=0, le=10_000)]
    seed: Annotated[int, Field(ge=0)] = 0


Search = Annotated[GridSearch | SampledSearch | TpeSearch, Field(discriminator="design")]


class Range(Frozen):
    """Where a nuisance is searched: low to high, uniformly or in the logarithm."""

    low: float
    high: float
    log: bool = False

    @model_validator(mode="after")
    def _ordered(self) -> Self:
        if not self.low < self.high:
            raise ValueError(f"low < high must hold; got low={self.low}, high={self.high}")
        if self.log and self.low <= 0:
            raise ValueError(f"a log range needs low > 0; got low={self.low}")
        return self


def _searched(value: object) -> object:
    if isinstance(value, int | float):
        raise ValueError(
            "a range is searched, such as {low: 1e-3, high: 1e-2, log: true}; a fixed value stands "
            "under the study's own nuisances"
        )
    return value


class Tune(Frozen):
    """Choose nuisances on validation programs, before anything is measured.

    Runs that share model, LoRA or all weights, and kind of arm are a group, and every group gets
    `trials` proposals. seeds: of the tuning runs; no measured run has one of them. seed: of the
    sampler.
    """

    nuisances: Annotated[
        dict[str, Annotated[Range, BeforeValidator(_searched)]], Field(min_length=1)
    ]
    """Dotted paths into `train`. With all weights trained, `full_rank_lr_ratio` still applies."""
    trials: Annotated[int, Field(gt=0, le=10_000)]
    seeds: Annotated[tuple[NonNegative, ...], Field(min_length=1)]
    seed: NonNegative = 0


class Programs(Frozen):
    """How many programs and items there are, beside the factor `acquisition`."""

    validation: ProgramCount = 16
    targets: Annotated[ProgramCount, Field(ge=2)] = 32
    items_per_program: Annotated[int, Field(ge=5)] = 8


COHORT: Final = 16
"""Adapters that answer side by side faster than fewer (H100, 135M parameters); training, which
gains by fewer, takes them in shares."""


class Resources(Frozen):
    """Resident trainers and what each holds. Never part of a result's identity."""

    workers: Positive = 1
    cpus_per_worker: Positive = 1
    gpus_per_worker: Annotated[float, Field(ge=0)] = 0.0
    cohort: Literal["auto"] | Positive = "auto"
    """Stages that a trainer takes at most at once; auto: COHORT on a GPU, 1 on CPU."""
    processes_per_worker: Positive = 1
    """Processes that share each of a trainer's stages, and in equal parts its CPUs and GPUs."""
    strategy: Literal["ddp", "fsdp"] = "ddp"
    """How several processes hold a model: each a copy, or each a part of its weights."""

    @property
    def stages_at_once(self) -> int:
        """What `cohort` comes to."""
        if self.cohort == "auto":
            return COHORT if self.gpus_per_worker else 1
        return self.cohort

    @model_validator(mode="after")
    def _gpus_can_be_shared(self) -> Self:
        gpus = self.gpus_per_worker
        if gpus > 1 and gpus != int(gpus):
            raise at_key(
                "gpus_per_worker", f"gpus_per_worker = {gpus}: a share below 1, or a whole number"
            )
        return self

    @model_validator(mode="after")
    def _processes_have_devices(self) -> Self:
        count, gpus = self.processes_per_worker, self.gpus_per_worker
        if count == 1:
            if self.strategy == "fsdp":
                raise at_key(
                    "strategy", "fsdp splits a model over processes; set processes_per_worker"
                )
            return self
        if self.cpus_per_worker < count:
            raise at_key(
                "cpus_per_worker",
                f"cpus_per_worker = {self.cpus_per_worker} is shared by {count} processes "
                f"(processes_per_worker); set {count} or more",
            )
        if gpus % count:
            raise at_key(
                "gpus_per_worker",
                f"gpus_per_worker = {gpus:g} is shared by {count} processes "
                f"(processes_per_worker), each with whole GPUs; set 0 or a multiple of {count}",
            )
        return self


class Headline(Frozen):
    """The pair that the reported rate compares: the formats in which each arm answers."""

    instruction: ResponseFormat
    demonstrations: Literal["direct", "cot"]
    demonstration_format: DemonstrationFormat


class Primary(Frozen):
    """The contrast declared in advance; every other one is exploratory."""

    rate: Literal["headline"] = "headline"
    model: str
    curriculum: CurriculumName = "proactive"

"""Factors: what a study varies, as grids of values whose points are runs."""

from __future__ import annotations

import json
from collections.abc import Mapping
from itertools import product
from math import prod
from typing import Annotated, Any, Final, Literal, Self, TypeVar

from pydantic import BeforeValidator, Field, GetJsonSchemaHandler, model_validator
from pydantic.json_schema import JsonSchemaValue
from pydantic_core import CoreSchema

from pbb.config import (
    DEMONSTRATED_ARMS,
    Arm,
    CurriculumName,
    DemonstrationFormat,
    Frozen,
    Positive,
    ProgramCount,
    ReplaySource,
    Representation,
    ResponseFormat,
)
from search_spaces.errors import at_key

T = TypeVar("T")
Scalar = str | int | float | None
Factors = Mapping[str, Scalar]
"""One run's factors by name; null where a factor does not apply."""


REPLAYING: Final = frozenset({"proactive", "no-acquisition", "homogeneous"})
"""Built-in curricula that repeat stage 1 beside the target documents."""
RETROACTIVE: Final = frozenset({"retroactive-sft", "retroactive-rl"})
"""Built-in curricula that declare acquisition programs beside the target documents."""


def as_tuple(value: object) -> object:
    """A lone scalar stands for the list of itself."""
    return tuple(value) if isinstance(value, list | tuple) else (value,)


def _demonstrations(n: object) -> object:
    if type(n) is int and n < 1:
        raise ValueError(
            "demonstrations start at 1; n = 0 is the arm 'none', so remove it here and list 'none' "
            "under arm"
        )
    return n


Many = Annotated[tuple[T, ...], Field(min_length=1), BeforeValidator(as_tuple)]
NonNegative = Annotated[int, Field(ge=0)]
Demonstrations = Annotated[int, Field(ge=1), BeforeValidator(_demonstrations)]


def _all(n: object) -> object:
    return None if n == "all" else n


AcquisitionDemonstrations = Annotated[
    Positive | None,
    BeforeValidator(_all, json_schema_input_type=Positive | Literal["all"] | None),
]


class FactorGrid(Frozen):
    """The product of lists of values. A scalar stands for a list of one."""

    model: Many[str]
    arm: Many[Arm]
    response_format: Many[ResponseFormat]
    """Measured, not trained: each run answers in every format of the study that fits its arm."""
    curriculum: Many[CurriculumName] = ("proactive",)
    """Built in, or a name under the study's `curricula`."""
    demonstrations: Many[Demonstrations] = (1,)
    """Demonstrations per target; for the arms 'demonstrations' and 'both' alone."""
    demonstration_format: Many[DemonstrationFormat] = ("trace",)
    lora_rank: Many[NonNegative] = (8,)
    """0 trains all weights."""
    representation: Many[Representation] = ("code",)
    acquisition: Many[ProgramCount] = (200,)
    """Acquisition programs."""
    acquisition_demonstrations: Many[AcquisitionDemonstrations] = (None,)
    """Executions of each acquisition program that training may draw on; null = all."""
    templates: Many[Annotated[int, Field(ge=1, le=20)]] = (20,)
    """Pointer templates."""
    paths: Many[Annotated[int, Field(ge=1, le=16)]] | None = None
    """Execution paths of a program; null = the domain's."""
    skew: Many[Annotated[float, Field(ge=0, lt=1)]] = (0.0,)
    """Share of a target's demonstrations on its one preferred path; 0 = paths take turns. For the
    arms 'demonstrations' and 'both' alone."""
    replay: Many[Annotated[float, Field(ge=0, lt=1)]] | None = None
    """Share of tokens for what stands beside target documents; null = `train.replay`. For built-in
    curricula and arms that have target documents."""
    replay_source: Many[ReplaySource] | None = None
    """What stage 2 repeats; null = `stage1`, the mixture of stage 1. For curricula that repeat."""
    domain: dict[str, Many[str | int | float]] = Field(default_factory=dict)
    """Settings of the domain by name, each with its values."""
    seed: Many[NonNegative] = (0,)

    @model_validator(mode="after")
    def _demonstrations_are_said(self) -> Self:
        shown = DEMONSTRATED_ARMS.intersection(self.arm)
        for key in ("demonstrations", "demonstration_format"):
            if shown and key not in self.model_fields_set:
                raise at_key("arm", f"arm {min(shown)!r} needs the factor {key!r}; add it")
        return self

    @classmethod
    def __get_pydantic_json_schema__(
        cls, schema: CoreSchema, handler: GetJsonSchemaHandler
    ) -> JsonSchemaValue:
        """A factor may be written as a scalar, which the lists' own schema does not say."""
        described = handler.resolve_ref_schema(handler(schema))
        described["properties"] = {
            name: _or_scalar(dict(field)) for name, field in described["properties"].items()
        }
        return described


def _or_scalar(field: dict[str, Any]) -> dict[str, Any]:
    arrays = field.pop("anyOf", None) or [
        {key: field.pop(key) for key in ("type", "items", "minItems") if key in field}
    ]
    scalars = [array["items"] for array in arrays if "items" in array]
    return {**field, "anyOf": scalars + arrays}


ENUMERATION_ORDER: Final = (
    "seed",
    "model",
    "curriculum",
    "lora_rank",
    "representation",
    "acquisition",
    "acquisition_demonstrations",
    "templates",
    "paths",
    "domain",
    "replay_source",
    "replay",
    "arm",
    "demonstration_format",
    "skew",
    "demonstrations",
)
"""Outermost first: runs that share a stage 1 are neighbours, and a whole replicate comes first."""


def size(grid: FactorGrid) -> int:
    """Distinct points of the grid, those that are no run among them."""
    lists = (getattr(grid, name) for name in ENUMERATION_ORDER if name != "domain")
    return prod(len(set(values)) for values in (*lists, *grid.domain.values()) if values)


def levels(grid: FactorGrid, domain_paths: int | None) -> dict[str, tuple[Scalar, ...]]:
    """Factor -> its values, in `ENUMERATION_ORDER`. domain_paths: null where it has no paths."""
    values = {name: getattr(grid, name) for name in ENUMERATION_ORDER}
    unsaid = {"paths": grid.paths or (domain_paths,), "domain": _settings(grid)}
    unsaid |= {name: getattr(grid, name) or (None,) for name in ("replay", "replay_source")}
    return {**values, **unsaid}


def _settings(grid: FactorGrid) -> tuple[str | None, ...]:
    """Combinations of the domain's settings, each as JSON; null alone where none is varied."""
    if not grid.domain:
        return (None,)
    names = sorted(grid.domain)
    return tuple(
        json.dumps(dict(zip(names, values, strict=True)), separators=(",", ":"))
        for values in product(*(dict.fromkeys(grid.domain[name]) for name in names))
    )


def domain_settings(point: Factors) -> dict[str, Any]:
    """The domain's settings at a point, by name."""
    told = point["domain"]
    settings: dict[str, Any] = json.loads(told) if isinstance(told, str) else {}
    return settings

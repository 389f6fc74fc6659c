"""Claims: what a study says about its cells, and by how much, so that results can speak against it.

A claim names a contrast, the side of zero on which it should lie, and a margin: the least size
that would be worth the claim. Claims are read by the analysis alone; no run depends on them.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from typing import Annotated, Any, Final, Literal, Self

from pydantic import (
    AfterValidator,
    ConfigDict,
    Field,
    TypeAdapter,
    ValidationError,
    model_validator,
)
from pydantic_core import InitErrorDetails

from pbb.config import Frozen
from search_spaces.settings import Headline

FINDINGS: Final = tuple(f"F{number}" for number in range(1, 13))
"""The findings of the paper that a study may test; `findings.yaml` states them."""

_FREE_NAME: Final = re.compile(r"(?!F[0-9])[A-Za-z][A-Za-z0-9 _-]{0,39}")

_DOMAIN_SETTING: Final = re.compile(r"domain_[a-z][a-z0-9_]{0,39}")

Value = bool | int | float | str
AskedSplit = Literal["target", "composed", "validation", "acquisition"]
"""What was asked about."""


def _finding(name: str) -> str:
    if name not in FINDINGS and not _FREE_NAME.fullmatch(name):
        raise ValueError(
            f"use {FINDINGS[0]} to {FINDINGS[-1]}, or a name of your own: a letter, then up to 39 "
            "of letters, digits, blanks, _ and -"
        )
    return name


def _closed_schema(schema: dict[str, Any]) -> None:
    """What `Setting` takes beside its fields, for editors."""
    value = schema.pop("additionalProperties")
    schema |= {"patternProperties": {f"^{_DOMAIN_SETTING.pattern}$": value}}
    schema |= {"additionalProperties": False}


class Setting(Frozen):
    """Factors of a comparison that are held at a value; what is not named may vary.

    Beside its fields it takes settings of the domain, as `domain_<field>`.
    """

    model_config = ConfigDict(extra="allow", json_schema_extra=_closed_schema)
    __pydantic_extra__: dict[str, Value] = Field(init=False)

    model: str | None = None
    curriculum: str | None = None
    lora_rank: int | None = None
    representation: str | None = None
    acquisition: int | None = None
    acquisition_demonstrations: int | Literal["all"] | None = None
    templates: int | None = None
    paths: int | None = None
    skew: float | None = None
    """Of the demonstrations; 0 where they are not skewed."""
    replay: float | None = None
    replay_source: str | None = None

    @model_validator(mode="before")
    @classmethod
    def _knows_its_factors(cls, data: Any) -> Any:
        """A key that is neither a field nor a domain's setting is an unknown one."""
        strange = [
            InitErrorDetails(type="extra_forbidden", loc=(key,), input=value)
            for key, value in (data.items() if isinstance(data, Mapping) else ())
            if key not in cls.model_fields and not _DOMAIN_SETTING.fullmatch(str(key))
        ]
        if strange:
            raise ValidationError.from_exception_data(cls.__name__, strange)
        return data

    def named(self) -> dict[str, Value]:
        """Factor -> value, for the factors that are named."""
        return self.model_dump(exclude_none=True)


class Cell(Setting):
    """Factors that select cells, the arm and how it was asked among them."""

    arm: str | None = None
    demonstrations: int | None = None
    demonstration_format: str | None = None
    response_format: str | None = None
    split: AskedSplit | None = None


class Claimed(Frozen):
    """What every kind of claim has."""

    finding: Annotated[str, AfterValidator(_finding)]
    """F1 to F12, or a short name of your own."""
    claim: Annotated[str, Field(min_length=1)] | None = None
    """The claim as a sentence; without one, a plain sentence is made."""
    primary: bool = False
    """Whether this is the contrast declared in advance. All others are exploratory."""
    sign: Literal["above", "below"] = "above"
    """The side of zero (of the threshold, for a rate) on which the contrast should lie."""
    margin: Annotated[float, Field(ge=0)]
    """The least size worth the claim, in the kind's unit."""


class Difference(Claimed):
    """Accuracy of the cells `of` minus that of the cells `against` [percentage points].

    What neither names is equal on both sides; where it varies, the claim is about the mean.
    """

    kind: Literal["difference"]
    of: Cell
    against: Cell
    where: Cell = Cell()
    """Factors that both sides share."""

    @model_validator(mode="after")
    def _has_two_sides(self) -> Self:
        if self.of == self.against:
            raise ValueError("`of` and `against` are the same cells; name what differs")
        return self


class Interaction(Claimed):
    """The difference `of` - `against` in the cells `at`, minus the same in the cells `versus`.

    In percentage points.
    """

    kind: Literal["interaction"]
    of: Cell
    against: Cell
    at: Cell
    versus: Cell
    where: Cell = Cell()

    @model_validator(mode="after")
    def _has_four_sides(self) -> Self:
        if self.of == self.against or self.at == self.versus:
            raise ValueError("two sides are the same cells; name what differs")
        return self


class Trend(Claimed):
    """Slope of accuracy along a factor [percentage points for every factor of ten]."""

    kind: Literal["trend"]
    along: Literal[
        "model",
        "acquisition",
        "acquisition_demonstrations",
        "lora_rank",
        "templates",
        "paths",
        "demonstrations",
    ]
    """`model` means its number of parameters; rank 0, which trains all weights, is left out."""
    where: Cell = Cell()


class Rate(Claimed):
    """log10 of the exchange rate minus log10 of a threshold."""

    kind: Literal["rate"]
    threshold: Annotated[float, Field(ge=1e-3, le=1e9)] = 1.0
    """In demonstrations."""
    where: Setting = Setting()
    pair: Headline | None = None
    """The formats compared; without it, the study's headline."""


class RateTrend(Claimed):
    """Slope of log10 rate on log10 of a factor."""

    kind: Literal["rate_trend"]
    along: Literal["model", "acquisition", "lora_rank", "paths"]
    where: Setting = Setting()
    pair: Headline | None = None


Claim = Annotated[Difference | Interaction | Trend | Rate | RateTrend, Field(discriminator="kind")]

UNITS: Final[Mapping[str, str]] = {
    "difference": "points",
    "interaction": "points",
    "trend": "points per tenfold",
    "rate": "log10 rate",
    "rate_trend": "log10 rate per tenfold",
}
"""Kind of claim -> unit of its margin and of its estimate."""

CLAIMS: Final[TypeAdapter[tuple[Claim, ...]]] = TypeAdapter(tuple[Claim, ...])
"""Validates the list that stands under `claims`."""

BY_NAME: Final = frozenset({"acquisition_demonstrations", "replay_source"})
"""Factors whose values, though text, do not speak for themselves."""

OF_TRAINING: Final = frozenset(
    {"lora_rank", "acquisition", "acquisition_demonstrations", "templates"}
)
"""Factors that tell no cells of the untrained base apart."""

ALONG: Final = {"model": "model size", "lora_rank": "LoRA rank"}


def cells_of(claim: Claim) -> dict[str, Cell | Setting]:
    """The selections that a claim makes, by key, `where` included."""
    found = {name: getattr(claim, name) for name in type(claim).model_fields}
    return {name: cell for name, cell in found.items() if isinstance(cell, Setting)}


def splits(claim: Claim) -> frozenset[str]:
    """The splits that a claim names; cells of which it names none are about targets."""
    cells = (cell for cell in cells_of(claim).values() if isinstance(cell, Cell))
    return frozenset(cell.split for cell in cells if cell.split is not None)


def sides(claim: Difference | Interaction) -> list[tuple[dict[str, Value], int]]:
    """The cells of a contrast, what all share included, each with its sign."""
    where = claim.where.named()
    pair = [(claim.of.named(), 1), (claim.against.named(), -1)]
    if isinstance(claim, Difference):
        return [(where | named, sign) for named, sign in pair]
    places = [(claim.at.named(), 1), (claim.versus.named(), -1)]
    return [
        (where | place | named, outer * inner) for place, outer in places for named, inner in pair
    ]


def sentence(claim: Claim) -> str:
    """The claim as its author wrote it, or a plain sentence made from its contrast."""
    if claim.claim is not None:
        return claim.claim
    where = told(claim.where.named())
    return _plain(claim) + (f" ({where})" if where else "")


def _plain(claim: Claim) -> str:
    up = claim.sign == "above"
    if isinstance(claim, Difference):
        side = "above" if up else "below"
        return f"accuracy of {told(claim.of.named())} lies {side} {told(claim.against.named())}"
    if isinstance(claim, Interaction):
        gap = f"{told(claim.of.named())} minus {told(claim.against.named())}"
        size = "larger" if up else "smaller"
        at, versus = told(claim.at.named()), told(claim.versus.named())
        return f"the gap {gap} is {size} at {at} than at {versus}"
    if isinstance(claim, Rate):
        return (
            f"one instruction is worth {'more' if up else 'fewer'} than {claim.threshold:g} "
            f"demonstration{'' if claim.threshold == 1 else 's'}"
        )
    what = "accuracy" if isinstance(claim, Trend) else "the exchange rate"
    return f"{what} {'rises' if up else 'falls'} with {ALONG.get(claim.along, claim.along)}"


def told(named: Mapping[str, Any]) -> str:
    """Factors in words: text speaks for itself, a number or a domain's setting needs its name."""
    return ", ".join(
        value
        if isinstance(value, str) and not name.startswith("domain_") and name not in BY_NAME
        else f"{name.removeprefix('domain_').replace('_', ' ')} {_shown(value)}"
        for name, value in sorted(named.items(), key=lambda each: not isinstance(each[1], str))
    )


def _shown(value: Value) -> str:
    return f"{value:g}" if type(value) is float else str(value)


def coded(value: object) -> str:
    """A value as text, equal where values are: 2 and 2.0 are, 2 and "2" are not.

    A list of one is that one: study files may leave the brackets out.
    """
    if isinstance(value, list | tuple) and len(value) == 1:
        (value,) = value
    if type(value) is float and value.is_integer():
        value = int(value)
    return json.dumps(value)

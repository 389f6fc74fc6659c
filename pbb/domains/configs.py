"""Configurations of the domains that ship, and of any other by its kind. Imports no torch."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, Literal, Self

from pydantic import (
    BeforeValidator,
    Discriminator,
    Field,
    SerializeAsAny,
    Tag,
    ValidationError,
    WithJsonSchema,
    field_validator,
    model_validator,
)
from pydantic.functional_validators import PlainValidator

from pbb.domains.domain import DomainConfig
from pbb.domains.registry import SHIPPED, blamed, domain_class
from pbb.frozen import Frozen

MIN_INPUTS_PER_PATH = 3
"""Every execution path of a program is taken by so many inputs at least."""

Share = Annotated[float, Field(ge=0, le=1)]


class ArithmeticConfig(DomainConfig):
    """Random integer functions of one argument.

    steps: statements executed top to bottom, a branch or a loop counting as one.
    paths: distinct execution paths that the inputs reach; 1 = straight-line.
    inputs: the argument ranges over 0 .. inputs - 1.
    value_max: no value on any path leaves 0 .. value_max.
    """

    kind: Literal["arithmetic"] = "arithmetic"
    steps: Annotated[int, Field(ge=1, le=8)] = 2
    paths: Annotated[int, Field(ge=1, le=16)] = 2
    constant_max: Annotated[int, Field(ge=2, le=99)] = 9
    loops: Share = 0.0
    """Probability that a step is a bounded for loop."""
    inputs: Annotated[int, Field(ge=6, le=1000)] = 32
    value_max: Annotated[int, Field(ge=9, le=100_000)] = 99

    @model_validator(mode="after")
    def _paths_fit(self) -> Self:
        least = MIN_INPUTS_PER_PATH * self.paths
        if least > min(self.inputs, self.value_max):
            raise ValueError(
                f"paths={self.paths} needs {least} inputs and values "
                f"({MIN_INPUTS_PER_PATH} a path); got inputs={self.inputs}, "
                f"value_max={self.value_max}; raise them or lower paths"
            )
        return self


class CiphersConfig(DomainConfig):
    """Text transformations of a word and a key, as Python source.

    stages: transformations applied one after the other. keys: the key ranges over 1 .. keys, and is
    the path of a case. alphabet: letters in use, from a. length: letters of a word.
    """

    kind: Literal["ciphers"] = "ciphers"
    stages: Annotated[int, Field(ge=1, le=3)] = 1
    keys: Annotated[int, Field(ge=2, le=9)] = 4
    alphabet: Annotated[int, Field(ge=4, le=26)] = 10
    length: Annotated[int, Field(ge=3, le=12)] = 4

    @model_validator(mode="after")
    def _keys_fit(self) -> Self:
        if self.keys >= self.alphabet:
            raise ValueError(
                f"keys={self.keys} would go round an alphabet of {self.alphabet} letters; "
                "lower keys or raise alphabet"
            )
        least = MIN_INPUTS_PER_PATH * self.keys
        if least > self.inputs:
            raise ValueError(
                f"keys={self.keys} needs {least} inputs ({MIN_INPUTS_PER_PATH} a key); got "
                f"inputs={self.inputs}; raise inputs or lower keys"
            )
        words = self.alphabet**self.length
        if words < 2 * self.inputs:
            raise ValueError(
                f"alphabet={self.alphabet} and length={self.length} make {words} words; "
                f"inputs={self.inputs} needs {2 * self.inputs} to choose from; raise alphabet or "
                "length, or lower inputs"
            )
        return self


class GrammarsConfig(DomainConfig):
    """Random context-free grammars over nonsense terminals, after the user's own.

    nonterminals: beside the start symbol. alternatives: of a nonterminal at most, all equally
    likely. depth: levels of nonterminals, the start symbol alone on the first; each is used on the
    level above it. mean_length: the expected length of a sentence in terminals lies within; none
    is longer than four times the upper one. ambiguity: share of grammars of whose sentences some
    have several parses; in the others none that was drawn has. inputs: distinct sentences drawn of
    each grammar, items and demonstrations. rules: grammars of the user's own in BNF, to which of
    the other fields only inputs and mean_length's limit apply; they are drawn before random ones,
    so that targets come from them.
    """

    kind: Literal["grammars"] = "grammars"
    nonterminals: Annotated[int, Field(ge=1, le=8)] = 3
    alternatives: Annotated[int, Field(ge=2, le=4)] = 3
    depth: Annotated[int, Field(ge=2, le=9)] = 3
    mean_length: tuple[float, float] = (4.0, 12.0)
    ambiguity: Share = 0.0
    inputs: Annotated[int, Field(ge=6, le=1000)] = 48
    rules: tuple[str, ...] = ()

    @model_validator(mode="after")
    def _can_be_drawn(self) -> Self:
        low, high = self.mean_length
        if not 1 <= low < high <= 100:
            raise ValueError(
                f"mean_length={self.mean_length}: give a lower and a higher one from 1 to 100"
            )
        if self.depth > self.nonterminals + 1:
            raise ValueError(
                f"depth={self.depth} needs {self.depth - 1} nonterminals beside the start symbol, "
                f"got nonterminals={self.nonterminals}; raise it or lower depth"
            )
        if self.depth == 2 and self.nonterminals > 2 * self.alternatives:
            raise ValueError(
                f"depth=2 puts all {self.nonterminals} nonterminals into the start symbol's "
                f"alternatives, which hold two each, {2 * self.alternatives} with "
                f"alternatives={self.alternatives}; raise depth or alternatives"
            )
        return self

    @field_validator("rules")
    @classmethod
    def _sound(cls, rules: tuple[str, ...]) -> tuple[str, ...]:
        from pbb.domains.grammars.structure import checked  # which builds on this class

        for number, text in enumerate(rules, 1):
            checked(text, f"grammar {number}")
        return rules


class FunctionSource(Frozen):
    """A function of the user's own: source, and calls of it or a generator of inputs."""

    name: Annotated[str, Field(pattern=r"^[A-Za-z][A-Za-z0-9_]{0,39}$")]
    source: Annotated[str, Field(min_length=1, max_length=20_000)]
    """Holds the function and what it needs: helpers, constants, imports."""
    statement: Annotated[str, Field(max_length=2_000)] = ""
    """The problem in words."""
    examples: Annotated[tuple[str, ...], Field(max_length=5_000)] = ()
    """Argument lists as Python literals, for instance `[3, 1, 2], 5`."""
    generator: Annotated[str, Field(max_length=20_000)] = ""
    """Source of `inputs(rng)`, which returns one tuple of arguments drawn from `random.Random`;
    where there is one, examples give no inputs."""


def _one_or_several(given: object) -> object:
    match given:
        case str():
            return (given,)
        case list():
            return tuple(given)
    return given


class AlgorithmsConfig(DomainConfig):
    """Python functions run by CPython: the library that ships, after the user's own.

    tiers: difficulties of the library's functions, or one of them, as a factor varies it. names:
    pseudonyms, or the functions' own names, which a pretrained model may know. prose: the
    representation `prose` tells each step, or states the problem. functions: the user's own; they
    are drawn before the library's, so that targets come from them. A study file gives `folder` (.py
    or JSONL files, relative to the file), and reading the study puts their text here.
    """

    kind: Literal["algorithms"] = "algorithms"
    tiers: Annotated[
        tuple[Literal["easy", "medium", "hard"], ...],
        Field(min_length=1),
        BeforeValidator(_one_or_several),
    ] = ("easy",)
    names: Literal["pseudonym", "kept"] = "pseudonym"
    prose: Literal["steps", "statement"] = "steps"
    folder: str | None = None
    functions: tuple[FunctionSource, ...] = ()
    inputs: Annotated[int, Field(ge=6, le=1000)] = 24

    @model_validator(mode="after")
    def _one_of_each(self) -> Self:
        if self.folder is not None and self.functions:
            raise ValueError("give folder or functions, not both")
        given = [each.name for each in self.functions]
        tiers: list[str] = [*self.tiers]
        for what, names in (("function", given), ("tier", tiers)):
            twice = [name for name in dict.fromkeys(names) if names.count(name) > 1]
            if twice:
                raise ValueError(f"{what} {twice[0]!r} is given twice; rename or drop one")
        return self


BUILT_IN = tuple(SHIPPED)


def _tag(value: object) -> str:
    kind = value.get("kind") if isinstance(value, Mapping) else getattr(value, "kind", None)
    return kind if kind in BUILT_IN else "other"


def _other(value: Any) -> DomainConfig:
    """Through the class that the entry point of this kind names. Raises ValueError."""
    if isinstance(value, DomainConfig):
        return value
    kind = value.get("kind") if isinstance(value, Mapping) else None
    if kind is None:
        raise ValueError(f"a domain is a mapping with its kind, one of {', '.join(BUILT_IN)}")
    config = domain_class(str(kind)).Config
    with blamed(str(kind)):
        try:
            return config.model_validate(value)
        except ValidationError as error:  # of the user's values, and no fault of the domain's
            wrong = error
    raise wrong  # as it is: told with its place in the study


AnyDomainConfig = Annotated[
    Annotated[ArithmeticConfig, Tag("arithmetic")]
    | Annotated[CiphersConfig, Tag("ciphers")]
    | Annotated[GrammarsConfig, Tag("grammars")]
    | Annotated[AlgorithmsConfig, Tag("algorithms")]
    | Annotated[
        SerializeAsAny[DomainConfig],
        PlainValidator(_other),
        WithJsonSchema(
            {
                "type": "object",
                "properties": {"kind": {"type": "string", "not": {"enum": list(BUILT_IN)}}},
                "required": ["kind"],
            }
        ),
        Tag("other"),
    ],
    Discriminator(_tag),
]

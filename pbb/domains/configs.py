"""Configurations of the domains that ship, and of any other by its kind. Imports no torch."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, Literal, Self

from pydantic import Discriminator, Field, SerializeAsAny, Tag, WithJsonSchema, model_validator
from pydantic.functional_validators import PlainValidator

from pbb.domains.domain import DomainConfig
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
    keys: Annotated[int, Field(ge=1, le=9)] = 4
    alphabet: Annotated[int, Field(ge=4, le=26)] = 10
    length: Annotated[int, Field(ge=2, le=12)] = 4


class GrammarsConfig(DomainConfig):
    """Random context-free grammars over nonsense terminals, or the user's own.

    nonterminals: beside the start symbol. alternatives: productions of a nonterminal at most.
    inputs: distinct sentences drawn of each grammar, items and demonstrations. mean_length: the
    expected length of a sentence in terminals lies within. ambiguity: share of grammars that are
    ambiguous. rules: grammars of the user's own in BNF, used instead of random ones.
    """

    kind: Literal["grammars"] = "grammars"
    nonterminals: Annotated[int, Field(ge=1, le=8)] = 3
    alternatives: Annotated[int, Field(ge=2, le=4)] = 2
    depth: Annotated[int, Field(ge=2, le=8)] = 4
    mean_length: tuple[float, float] = (3.0, 9.0)
    ambiguity: Share = 0.0
    inputs: Annotated[int, Field(ge=6, le=1000)] = 48
    rules: tuple[str, ...] = ()


class FunctionSource(Frozen):
    """A function of the user's own: source, and calls of it or a generator of inputs."""

    name: str
    source: str
    statement: str = ""
    examples: tuple[str, ...] = ()
    """Argument lists as Python literals, for instance `[3, 1, 2], 5`."""
    generator: str = ""
    """Source of `inputs(rng)`, which returns one tuple of arguments drawn from `random.Random`."""


class AlgorithmsConfig(DomainConfig):
    """Python functions run by CPython: the library that ships, or the user's own.

    tiers: difficulties of the library's functions. names: pseudonyms, or the functions' own names,
    which a pretrained model may know. prose: the representation `prose` tells each step, or states
    the problem. functions: the user's own, instead of the library; a study file gives `folder`
    (.py or JSONL files, relative to the file), and reading the study puts their text here.
    """

    kind: Literal["algorithms"] = "algorithms"
    tiers: tuple[Literal["easy", "medium", "hard"], ...] = ("easy",)
    names: Literal["pseudonym", "kept"] = "pseudonym"
    prose: Literal["steps", "statement"] = "steps"
    folder: str | None = None
    functions: tuple[FunctionSource, ...] = ()
    inputs: Annotated[int, Field(ge=6, le=1000)] = 24


BUILT_IN = ("arithmetic", "ciphers", "grammars", "algorithms")


def _tag(value: object) -> str:
    kind = value.get("kind") if isinstance(value, Mapping) else getattr(value, "kind", None)
    return kind if kind in BUILT_IN else "other"


def _other(value: Any) -> DomainConfig:
    """Through the class that the entry point of this kind names. Raises ValueError."""
    from pbb.domains.registry import domain_class

    if isinstance(value, DomainConfig):
        return value
    kind = value.get("kind") if isinstance(value, Mapping) else None
    return domain_class(str(kind)).Config.model_validate(value)


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

"""What documents are made of: a split of programs, told or executed, and its share of a stage."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from pbb.domains.domain import ResponseFormat
from pbb.frozen import Frozen, Positive, Share

Split = Literal["acquisition", "validation", "target"]


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

"""Which programs and items exist."""

from __future__ import annotations

from typing import Annotated, Self

from pydantic import Field, model_validator

from pbb.domains.configs import AnyDomainConfig
from pbb.domains.domain import Representation
from pbb.domains.registry import domain_of
from pbb.frozen import Frozen, ProgramCount


class CorpusConfig(Frozen):
    """Which programs and items exist; with `data_seed` it fixes them byte for byte."""

    domain: AnyDomainConfig
    data_seed: Annotated[int, Field(ge=0)]
    acquisition: ProgramCount = 200
    validation: ProgramCount = 16
    targets: Annotated[ProgramCount, Field(ge=2)] = 32
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

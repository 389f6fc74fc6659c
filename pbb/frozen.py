"""The base of every configuration value, and kinds of numbers that many have."""

from __future__ import annotations

from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field

Positive = Annotated[int, Field(gt=0)]
ProgramCount = Annotated[int, Field(gt=0, le=100_000)]
"""Of a split. So many take minutes to draw; a slip of the keyboard must not take days."""
Share = Annotated[float, Field(ge=0, le=1)]


class Frozen(BaseModel):
    """A value: immutable, validated, and closed to unknown keys."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

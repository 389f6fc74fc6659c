"""How a mistake in a study file is told."""

from __future__ import annotations

from pydantic_core import PydanticCustomError

AT_KEY = "at_key"
"""Type of a validation error that carries the key it belongs to."""


class StudyError(ValueError):
    """The study file is wrong; the message names the place, the value and the way out."""


def at_key(key: str, message: str) -> PydanticCustomError:
    """A validation error found by comparing several keys, to be shown at `key`.

    key: dotted, relative to the model whose validator raises.
    """
    return PydanticCustomError(AT_KEY, "{message}", {"key": key, "message": message})

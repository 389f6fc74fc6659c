"""Identity: equal values have equal fingerprints, in every process.

A value that cannot be written down exactly is refused: a permissive fallback such as `str(value)`
would fork or merge identities without anybody noticing.
"""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Mapping
from enum import Enum
from typing import Final

from pydantic import BaseModel

FINGERPRINT_LENGTH: Final = 32
"""Hex digits: 128 bits of SHA-256."""

Json = None | bool | int | float | str | list["Json"] | dict[str, "Json"]


def canonical_json(value: object) -> str:
    """The one JSON text of a value: sorted keys, no spaces, ASCII.

    Takes null, bool, int, finite float, str, enums of these, lists, tuples, mappings with text
    keys, and pydantic models (all their fields, defaults included). 1 and 1.0 differ; 0.0 and -0.0
    do not. Raises TypeError for anything else.
    """
    return json.dumps(_plain(value, "value"), sort_keys=True, separators=(",", ":"))


def fingerprint(value: object, *, parent: str | None = None) -> str:
    """Hex digest of a value and of what it builds on. Raises TypeError as `canonical_json` does."""
    text = canonical_json({"parent": parent, "value": value})
    return hashlib.sha256(text.encode("ascii")).hexdigest()[:FINGERPRINT_LENGTH]


def _plain(value: object, path: str) -> Json:
    """The value in JSON's own types; subclasses such as numpy's floats are strangers."""
    if isinstance(value, Enum):
        return _plain(value.value, path)
    if isinstance(value, BaseModel):
        return {name: _plain(item, f"{path}.{name}") for name, item in value}
    if isinstance(value, Mapping):
        return {_key(key, path): _plain(item, f"{path}.{key}") for key, item in value.items()}
    if type(value) is list or type(value) is tuple:
        return [_plain(item, f"{path}[{index}]") for index, item in enumerate(value)]
    if type(value) is float and math.isfinite(value):
        return value + 0.0  # -0.0 equals 0.0, so it must not have an identity of its own
    if value is None or type(value) is bool or type(value) is int or type(value) is str:
        return value
    raise TypeError(f"{path} = {value!r} of type {type(value).__name__} has no exact identity")


def _key(key: object, path: str) -> str:
    if type(key) is not str:
        raise TypeError(f"{path} has the key {key!r}; only text keys have an exact identity")
    return key

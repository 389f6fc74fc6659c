"""Nuisances: settings of the recipe that are tuned, not studied; named by dotted paths."""

from __future__ import annotations

import difflib
from collections.abc import Mapping
from typing import Any

from pbb.config import TrainConfig


class NuisancePathError(ValueError):
    """A nuisance's path names no number of `train`."""


def with_nuisances(train: TrainConfig, values: Mapping[str, float]) -> TrainConfig:
    """The recipe with the values put at their dotted paths, validated again.

    Fields that were unset stay unset. Raises NuisancePathError or pydantic's ValidationError.
    """
    data = train.model_dump()
    chosen = train.model_dump(exclude_unset=True)
    for path, value in values.items():
        _check(data, path)
        _put(chosen, path, value)
    return TrainConfig.model_validate(chosen)


def is_integer(train: TrainConfig, path: str) -> bool:
    """Whether the recipe holds a whole number at the path. Raises NuisancePathError."""
    found: Any = train.model_dump()
    _check(found, path)
    for key in path.split("."):
        found = found[key]
    return isinstance(found, int)


def _check(data: dict[str, Any], path: str) -> None:
    known = sorted(_numbers(data))
    if path not in known:
        close = difflib.get_close_matches(path, known, n=1)
        hint = f"; did you mean {close[0]!r}?" if close else f"; known: {', '.join(known)}"
        raise NuisancePathError(f"{path!r} names no number of train{hint}")


def _numbers(data: dict[str, Any], prefix: str = "") -> list[str]:
    found = []
    for key, value in data.items():
        if isinstance(value, dict):
            found += _numbers(value, f"{prefix}{key}.")
        elif isinstance(value, int | float) and key not in ("version", "cpu_threads"):
            found.append(f"{prefix}{key}")
    return found


def _put(data: dict[str, Any], path: str, value: float) -> None:
    *parents, leaf = path.split(".")
    for parent in parents:
        data = data.setdefault(parent, {})
    data[leaf] = value

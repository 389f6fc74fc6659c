"""Scales: a study written for the nano ladder, asked of larger bases instead.

A scale renames bases and replaces numbers; what a study asks stays as it was written.
"""

from __future__ import annotations

import difflib
import json
from collections.abc import Callable, Mapping
from functools import lru_cache, partial
from pathlib import Path
from typing import Annotated, Any, Final

from pydantic import Field, TypeAdapter

from pbb.config import Frozen
from search_spaces.errors import StudyError
from search_spaces.study_file import Study, merged, study_data
from search_spaces.yaml12 import read_yaml

_FILE: Final = Path(__file__).with_name("scales.yaml")
NANO: Final = "nano"
"""As written."""


class Scale(Frozen):
    """about: for whom it is. bases: a base of the study -> the one that takes its place; null =
    there is none, and grids and claims that name it alone are left out.

    factors: factor -> number -> the number that takes its place. study: overrides of other keys.
    stages: overrides of `recipe` and `reinforce`, in every stage that a study writes. written_lr:
    by what the peak rates of those are multiplied, so that they keep their ratios to each other.
    """

    about: str
    bases: dict[str, str | None] = Field(default_factory=dict)
    factors: dict[str, dict[str, int]] = Field(default_factory=dict)
    study: dict[str, Any] = Field(default_factory=dict)
    stages: dict[str, dict[str, Any]] = Field(default_factory=dict)
    written_lr: Annotated[float, Field(gt=0)] = 1.0


@lru_cache(maxsize=1)
def scales() -> dict[str, Scale]:
    """Every scale by name."""
    data = read_yaml(_FILE.read_text("utf-8"), str(_FILE)).data
    return TypeAdapter(dict[str, Scale]).validate_json(json.dumps(data), strict=True)


def scaled(study: Study, scale: str) -> Study:
    """The study at a scale, named `<name>-<scale>`. Raises StudyError.

    Every base must have one that takes its place: a ladder with a rung of its own size left in
    would compare two kinds of models.
    """
    if scale == NANO:
        return study
    if scale not in scales():
        close = difflib.get_close_matches(scale, [NANO, *scales()], n=1)
        hint = f"; did you mean {close[0]!r}?" if close else ""
        raise StudyError(f"scale {scale!r} is none of {', '.join([NANO, *scales()])}{hint}")
    chosen = scales()[scale]
    data = study_data(study)
    data.pop("smoke", None)
    placed = {
        key: _placed(_with_a_place(data[key], chosen), chosen, study.name)
        for key in _NAMING & data.keys()
    }
    if "curricula" in data:
        placed["curricula"] = _written(data["curricula"], chosen)
    whole = {**merged({**data, **placed}, chosen.study), "name": f"{study.name}-{scale}"}
    return Study.model_validate_json(json.dumps(whole), strict=True)


_NAMING: Final = frozenset({"factors", "primary", "claims"})
"""Keys of a study under which factors are named."""


def _with_a_place(value: Any, scale: Scale) -> Any:
    """Of a list of grids or claims, those that name no base without a place."""
    if not isinstance(value, list):
        return value
    return [each for each in value if not _named(each) & _without(scale)]


def _written(curricula: dict[str, Any], scale: Scale) -> dict[str, Any]:
    """Written curricula, whose recipes stand in their stages and not under `train`."""
    return {
        name: [
            {key: _of_stage(key, value, scale) for key, value in stage.items()} for stage in stages
        ]
        for name, stages in curricula.items()
    }


def _of_stage(key: str, value: Any, scale: Scale) -> Any:
    if key not in scale.stages:
        return value
    peak_lr = float(f"{value['peak_lr'] * scale.written_lr:.3g}")
    return merged(value, {**scale.stages[key], "peak_lr": peak_lr})


def _without(scale: Scale) -> set[str]:
    return {name for name, base in scale.bases.items() if base is None}


def _named(value: Any) -> set[str]:
    """Every base that is named anywhere in the data."""
    if isinstance(value, list):
        return set().union(*map(_named, value))
    if not isinstance(value, dict):
        return set()
    model = value.get("model", [])
    own = set(model if isinstance(model, list) else [model])
    return own.union(*(_named(each) for each in value.values()))


def _placed(value: Any, scale: Scale, study: str) -> Any:
    """The same data with every base and number that the scale replaces."""
    if isinstance(value, list):
        return [_placed(each, scale, study) for each in value]
    if not isinstance(value, dict):
        return value
    found = {key: _placed(each, scale, study) for key, each in value.items()}
    if "model" in found:
        found["model"] = _each(found["model"], partial(_base, scale, study))
    for key in found.keys() & scale.factors.keys():
        found[key] = _each(found[key], partial(_number, scale.factors[key]))
    return found


def _each(values: Any, change: Callable[[Any], Any]) -> Any:
    """One value, or each of a list; values that become equal are one."""
    if isinstance(values, list):
        return list(dict.fromkeys(map(change, values)))
    return change(values)


def _number(numbers: Mapping[str, int], number: int) -> int:
    return numbers.get(str(number), number)


def _base(scale: Scale, study: str, name: str) -> str:
    base = scale.bases.get(name)
    if base is None:
        known = ", ".join(name for name, base in scale.bases.items() if base is not None)
        raise StudyError(f"study {study!r}: this scale has no base for {name!r}; only for {known}")
    return base

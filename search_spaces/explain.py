"""Validation errors in the author's terms: file, line, key, value, reason, way out."""

from __future__ import annotations

import difflib
from collections.abc import Iterator
from typing import Any, get_args

from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails

from search_spaces.errors import AT_KEY
from search_spaces.yaml12 import Document

Loc = tuple[str | int, ...]


def explain(
    error: ValidationError, model: type[BaseModel], document: Document, prefix: Loc = ()
) -> str:
    """One line a mistake. prefix: keys under which the validated data stand in the document."""
    details = error.errors(include_url=False)
    lines = [
        _told(detail, model, document, prefix)
        for detail in details
        if detail["type"] != "too_short" or not _has_deeper(detail["loc"], details)
    ]
    return "\n".join(dict.fromkeys(lines))


def _has_deeper(loc: Loc, details: list[ErrorDetails]) -> bool:
    """Whether an entry below is wrong: the list then only seems empty, for that entry is gone."""
    return any(len(d["loc"]) > len(loc) and d["loc"][: len(loc)] == loc for d in details)


def _told(detail: ErrorDetails, model: type[BaseModel], document: Document, prefix: Loc) -> str:
    loc, kind, context = detail["loc"], detail["type"], detail.get("ctx", {})
    if kind == AT_KEY:
        loc = (*loc, *_split(context["key"]))
    line, found = document.walk((*prefix, *loc))
    key = ".".join(str(step) for step in found) or "study"
    place = f"{document.source}:{line}"
    if kind == "extra_forbidden":
        return f"{place}: unknown key {key!r}{_suggestion(model, loc)}"
    if kind == "missing":
        where = f" under {key!r}" if found else ""
        return f"{place}: the key {loc[-1]!r} is missing{where}; add it"
    if kind == "too_short":
        return f"{place}: {key} is empty; list at least one value, or remove the key"
    reason = detail["msg"].removeprefix("Value error, ")
    if kind == AT_KEY or isinstance(detail["input"], dict):
        return f"{place}: {key}: {reason}"
    reason = reason[0].lower() + reason[1:]
    return f"{place}: {key} = {_short(detail['input'])}: {reason}"


def _split(dotted: str) -> Loc:
    """Keys of a dotted path; a nuisance's own name is dotted and is one key, a number an index."""
    above, found, path = dotted.rpartition("nuisances.")
    if found:
        return (*above.split(".")[:-1], "nuisances", path)
    return tuple(int(step) if step.isdecimal() else step for step in dotted.split("."))


def _short(value: object) -> str:
    text = repr(value)
    return text if len(text) <= 60 else text[:57] + "..."


def _suggestion(model: type[BaseModel], loc: Loc) -> str:
    known = sorted(_fields_at(model, loc[:-1]))
    close = difflib.get_close_matches(str(loc[-1]), known, n=1)
    if close:
        return f"; did you mean {close[0]!r}?"
    return f"; known keys: {', '.join(known)}" if known else ""


def _fields_at(model: type[BaseModel], loc: Loc) -> set[str]:
    """Field names that may stand at `loc`; steps that are no field (indexes, tags) stay put."""
    here = [model]
    for step in loc:
        tagged = [each for each in here if _kind(each) == step]
        if tagged:
            here = tagged
            continue
        below: list[type[BaseModel]] = []
        for candidate in here:
            field = candidate.model_fields.get(str(step))
            below += _models(field.annotation) if field else []
        here = below or here
    return {name for candidate in here for name in candidate.model_fields}


def _kind(model: type[BaseModel]) -> object:
    """The tag by which a union tells a model from the others; null where it has none."""
    field = model.model_fields.get("kind")
    return field.default if field else None


def _models(annotation: Any) -> Iterator[type[BaseModel]]:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        yield annotation
    for argument in get_args(annotation):
        yield from _models(argument)

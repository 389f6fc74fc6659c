"""The studies that choose a study's nuisances: one a group, of the design tpe."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Mapping, Sequence
from typing import Any, Final

from pydantic import ValidationError

from pbb.config import DEMONSTRATED_ARMS, Base, EvaluateStage
from pbb.curricula import compile_run
from search_spaces.errors import StudyError
from search_spaces.factors import ENUMERATION_ORDER, Factors, Scalar, domain_settings
from search_spaces.groups import (
    UNTUNED,
    Chosen,
    Group,
    Kind,
    Weights,
    is_per_kind,
    kinds_of,
    weights_of,
)
from search_spaces.runs import run_config
from search_spaces.samplers import points, tuning_points
from search_spaces.settings import Range, Tune
from search_spaces.study_file import Study, study_data

ANY_BASE: Final = Base(name="any", sha256="any", n_params=1)
"""Which base it is changes neither the number of stages nor what is tuned in them."""

_DROPPED: Final = ("claims", "primary", "smoke", "tune")
_REPLACED: Final = frozenset({"seed", "arm", "lora_rank", "domain"})
"""Factors that a tuning study does not take from its representative point as they stand."""


def groups(study: Study) -> tuple[Group, ...]:
    """What `launch` tunes, in its order: what all arms share is chosen before the rest.

    Every run that trains belongs to one group, or to two where nuisances of both sorts are tuned.
    Empty without the section `tune`.
    """
    if study.tune is None:
        return ()
    kinds: dict[tuple[str, Weights], set[Kind]] = {}
    for point in _trained(study):
        own = kinds_of(point)
        found = kinds.setdefault((str(point["model"]), weights_of(point)), set())
        found.update(own if len(own) == 1 else ())  # a control takes the values of others
    per_kind = set(map(is_per_kind, study.tune.nuisances))
    return tuple(
        Group(model, weights, kind)
        for (model, weights), found in kinds.items()
        for kind in _in_order(found or {"instruction"})
        if (kind != "every") in per_kind
    )


def _in_order(found: set[Kind]) -> list[Kind]:
    order: tuple[Kind, ...] = ("every", "instruction", "demonstrations")
    return [kind for kind in order if kind in {"every", *found}]


def paths_of(tune: Tune, group: Group) -> dict[str, Range]:
    """The nuisances that are chosen for a group."""
    per_kind = group.arms != "every"
    return {path: each for path, each in tune.nuisances.items() if is_per_kind(path) is per_kind}


def tuning_study(study: Study, group: Group, chosen: Chosen = UNTUNED) -> Study:
    """The study of the design tpe that tunes a group of `study`, which has a section `tune`.

    It has one representative setting of the other factors (`_representative`). A score is the mean
    over the least and the greatest of the LoRA ranks, over seeds, and over both kinds of arm for
    what all arms share. chosen: what it takes as given, if that is chosen. Raises StudyError.
    """
    tune = study.tune
    assert tune is not None
    grid = _grid(study, group)
    given = chosen.get(Group(group.model, group.weights, "every"), {})
    ranges = {path: each.model_dump() for path, each in paths_of(tune, group).items()}
    kept = {key: value for key, value in study_data(study).items() if key not in _DROPPED}
    shown = {k: v for k, v in grid.items() if k == "demonstration_format"}
    data = {
        **kept,
        "name": _name(group),
        "question": f"Which nuisances suit {group}, in the study {study.name}?",
        "factors": {**grid, "seed": list(tune.seeds)},
        "nuisances": {**study.nuisances, **given, **ranges},
        "search": {"design": "tpe", "budget": tune.trials, "seed": tune.seed},
        "evaluate": {
            "acquisition_programs": 0,
            "max_new_tokens": study.evaluate.max_new_tokens,
            "batch_size": study.evaluate.batch_size,
        },
        "headline": {**kept["headline"], **shown},
    }
    try:
        return Study.model_validate_json(json.dumps(data), strict=True)
    except ValidationError as error:
        reason = error.errors(include_url=False)[0]["msg"]
        raise StudyError(f"study {study.name!r}, tune for {group}: {reason}") from error


def check_effects(study: Study) -> None:
    """Raises StudyError for a tuned nuisance that changes nothing in the runs that tune it."""
    for group in groups(study):
        assert study.tune is not None
        tuning, ranges = tuning_study(study, group), paths_of(study.tune, group)
        low = {path: each.low for path, each in ranges.items()}
        for path, each in ranges.items():
            if _stages(tuning, low) == _stages(tuning, {**low, path: each.high}):
                raise StudyError(
                    f"study {study.name!r}: tune.nuisances.{path} changes no stage of {group}; "
                    "remove it, or add a curriculum that has such a stage"
                )


def _stages(tuning: Study, values: Mapping[str, float]) -> list[object]:
    proposed = tuning_points(tuning, values)
    return [compile_run(run_config(tuning, point), ANY_BASE) for point in proposed]


def _trained(study: Study, fewest: int = 1) -> list[Factors]:
    """Points of the design whose runs have so many training stages or more."""
    depths: dict[tuple[Scalar, ...], int] = {}
    found = []
    for point in points(study):
        shape = (point["curriculum"], point["arm"])
        if shape not in depths:
            stages = compile_run(run_config(study, point), ANY_BASE)
            depths[shape] = sum(not isinstance(stage, EvaluateStage) for stage in stages)
        if depths[shape] >= fewest:
            found.append(point)
    return found


def _grid(study: Study, group: Group) -> dict[str, Any]:
    """The factors of the study that tunes a group, but for its seeds."""
    own = [
        p for p in _trained(study) if (p["model"], weights_of(p)) == (group.model, group.weights)
    ]
    arms = _arms(group, {str(point["arm"]) for point in own})
    point = _representative(study, [p for p in own if p["arm"] == arms[-1]] or own)
    named = {k: v for k, v in point.items() if v is not None and k not in _REPLACED}
    if not point["demonstrations"]:
        del named["demonstrations"]
    ranks = [int(p["lora_rank"] or 0) for p in own]
    return named | {
        "arm": arms,
        "lora_rank": sorted({min(ranks), max(ranks)}),
        "domain": domain_settings(point),
        "response_format": list(study.response_formats()),
    }


def _arms(group: Group, run: set[str]) -> list[str]:
    """The plainest arm of each kind, demonstrations last. run: arms that the study runs."""
    shown = sorted(run & DEMONSTRATED_ARMS)[-1:]  # "demonstrations" before "both"
    if group.arms == "demonstrations":
        return shown
    told = group.arms == "instruction" or not shown or bool(run & {"instruction", "placebo"})
    return [*(["instruction"] if told else []), *(shown if group.arms == "every" else [])]


def _representative(study: Study, candidates: Sequence[Factors]) -> Factors:
    """Of the first curriculum with two stages, where there is one, the point in the middle."""
    deep = {point["curriculum"] for point in _trained(study, fewest=2)}
    left = [point for point in candidates if point["curriculum"] in deep] or list(candidates)
    for name in ENUMERATION_ORDER:
        if name not in _REPLACED - {"domain"}:
            values = list(dict.fromkeys(point[name] for point in left))
            value = _middle(name, values, study.headline.demonstration_format)
            left = [point for point in left if point[name] == value]
    return left[0]


def _middle(name: str, values: Sequence[Scalar], demonstration_format: str) -> Scalar:
    """The middle of a factor's numbers, the first of its names; the plainest demonstrations."""
    if demonstration_format in values and name == "demonstration_format":
        return demonstration_format
    numbers = sorted(value for value in values if isinstance(value, int | float))
    if len(numbers) < len(values):
        return values[0]
    return numbers[0] if name == "skew" else numbers[len(numbers) // 2]


def _name(group: Group) -> str:
    """A folder's name; a model whose name cannot be one gets a digest, so that none collide."""
    plain = re.sub(r"[^a-z0-9.-]+", "-", group.model.lower())[-24:].strip("-.")
    if plain != group.model:
        plain = f"{hashlib.sha256(group.model.encode()).hexdigest()[:8]}-{plain}".rstrip("-")
    return f"{plain}.{group.weights}.{group.arms}"

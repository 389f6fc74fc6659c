"""A point of the space -> the run that it means."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from pydantic import ValidationError

from pbb.config import CorpusConfig, RunConfig, TrainConfig
from search_spaces.errors import StudyError
from search_spaces.factors import ENUMERATION_ORDER, Scalar, domain_settings
from search_spaces.groups import UNTUNED, Chosen, tuned_values
from search_spaces.nuisances import with_nuisances
from search_spaces.settings import Range, TpeSearch
from search_spaces.study_file import Study


def run_config(study: Study, factors: Mapping[str, Scalar], chosen: Chosen = UNTUNED) -> RunConfig:
    """Factors, and proposed nuisances by dotted path, -> a run. Raises StudyError if it is none.

    chosen: the values that tuning found, of which the run takes those of its groups.
    """
    try:
        return RunConfig.model_validate(
            {
                **{name: factors[name] for name in _RUN_FACTORS},
                "skew": factors["skew"] or 0.0,
                "replay_source": factors["replay_source"] or "stage1",
                "stages": study.curricula.get(str(factors["curriculum"]), ()),
                "corpus": _corpus(study, factors),
                "train": _train(study, factors, chosen),
                "evaluate": {
                    **study.evaluate.model_dump(),
                    "response_formats": study.response_formats(),
                },
                "stand_in": "validation" if isinstance(study.search, TpeSearch) else "target",
            }
        )
    except (ValidationError, KeyError) as error:
        raise StudyError(f"study {study.name!r}, run {_told(factors)}: {_reason(error)}") from error


_RUN_FACTORS = (
    "model",
    "curriculum",
    "arm",
    "demonstrations",
    "demonstration_format",
    "acquisition_demonstrations",
    "lora_rank",
    "seed",
)


def _corpus(study: Study, factors: Mapping[str, Scalar]) -> CorpusConfig:
    sizes = study.programs
    domain: dict[str, Any] = {**study.domain.model_dump(), **domain_settings(factors)}
    if factors["paths"] is not None:
        domain["paths"] = factors["paths"]
    return CorpusConfig.model_validate(
        {
            "domain": domain,
            "data_seed": study.data_seed,
            "acquisition": factors["acquisition"],
            "validation": sizes.validation,
            "targets": sizes.targets,
            "items_per_program": sizes.items_per_program,
            "templates": factors["templates"],
            "representation": factors["representation"],
        }
    )


def proposed_nuisances(factors: Mapping[str, Scalar]) -> dict[str, float]:
    """The entries that are no factor: values that tpe proposed, by dotted path into `train`."""
    return {
        name: value if isinstance(value, int) else float(value)
        for name, value in factors.items()
        if name not in ENUMERATION_ORDER and value is not None
    }


def _train(study: Study, factors: Mapping[str, Scalar], chosen: Chosen) -> TrainConfig:
    fixed = {k: v for k, v in study.nuisances.items() if not isinstance(v, Range)}
    found = {**tuned_values(factors, chosen), **proposed_nuisances(factors)}
    train = with_nuisances(study.train, {**fixed, **found})
    named = {} if factors["replay"] is None else {"replay": factors["replay"]}
    formats = {"formats": study.train_formats()}
    return TrainConfig.model_validate({**train.model_dump(), **named, **formats})


def _told(factors: Mapping[str, Scalar]) -> str:
    return ", ".join(f"{k}={v}" for k, v in factors.items() if v is not None)


def _reason(error: ValidationError | KeyError) -> str:
    if isinstance(error, KeyError):
        return f"lacks the factor {error}"
    first = error.errors(include_url=False)[0]
    place = ".".join(str(key) for key in first["loc"])
    return f"{place}: {first['msg']}" if place else first["msg"].removeprefix("Value error, ")

"""What a study folder says beside its item rows: the question, provenance, and what failed."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, get_args

import polars as pl

from analysis.comparison import DEFAULT_HEADLINE, Pair
from analysis.errors import BadInput, reading
from pbb.config import DemonstrationFormat, ResponseFormat
from search_spaces.yaml12 import read_yaml

STUDY_FILE: Final = "study.yaml"
MOST_VALUES: Final = 60
"""Provenance rows shown at most; the manifest itself stays beside the report."""


@dataclass(frozen=True)
class StudyNotes:
    """The declared part of a study; a bare file of item rows declares nothing.

    primary: the contrast declared in advance, as text; primary_factors: the factors it names, such
    as the model, as text. provenance: the manifest flattened to
    dotted keys. trials: count by status, null where no trials were recorded. failures: reasons of
    the trials that did not end ok, with how many ended so.
    """

    question: str
    headline: Pair
    primary: str
    primary_factors: dict[str, str]
    provenance: tuple[tuple[str, str], ...]
    trials: dict[str, int] | None
    failures: tuple[tuple[str, str, int], ...]


def read_notes(source: Path) -> StudyNotes:
    """Raises BadInput where a file that is there cannot be read."""
    study = read_study(source)
    manifest = _mapping(source / "manifest.json", json.loads) if source.is_dir() else {}
    trials, failures = _trials(source / "trials.parquet") if source.is_dir() else (None, ())
    with reading(source / "study.yaml"):
        primary = _flat("", study.get("primary") or {})
    with reading(source / "manifest.json"):
        provenance = tuple(_flat("", manifest))[:MOST_VALUES]
    return StudyNotes(
        question=str(study.get("question") or ""),
        headline=_headline(study.get("headline"), source),
        primary="; ".join(f"{key}: {value}" for key, value in primary),
        primary_factors={key: value for key, value in primary if key != "rate"},
        provenance=provenance,
        trials=trials,
        failures=failures,
    )


def read_study(source: Path) -> dict[str, Any]:
    """The study file of a study folder as it stands; empty where the source is no such folder."""
    return _mapping(source / STUDY_FILE, _yaml) if source.is_dir() else {}


def _yaml(text: str) -> Any:
    """As study files are read: without aliases, which a few lines can make gigabytes of."""
    return read_yaml(text, STUDY_FILE).data if text.strip() else None


def _mapping(file: Path, parse: Any) -> dict[str, Any]:
    if not file.exists():
        return {}
    with reading(file):
        value = parse(file.read_text(encoding="utf-8"))
    if value is None:
        return {}
    if not isinstance(value, dict):
        raise BadInput(f"{file} holds {type(value).__name__}, but must hold a mapping")
    return value


def _headline(value: Any, source: Path) -> Pair:
    if value is None:
        return DEFAULT_HEADLINE
    keys = ("instruction", "demonstrations", "demonstration_format")
    if not isinstance(value, dict) or set(value) != set(keys):
        raise BadInput(f"{source / 'study.yaml'}: headline={value!r}; it needs {', '.join(keys)}")
    for key, word in value.items():
        known = get_args(DemonstrationFormat if key == keys[2] else ResponseFormat)
        if word not in known:
            raise BadInput(
                f"{source / 'study.yaml'}: headline.{key}={word!r}; known: {', '.join(known)}"
            )
    return Pair(*(value[key] for key in keys))


def _trials(file: Path) -> tuple[dict[str, int] | None, tuple[tuple[str, str, int], ...]]:
    if not file.exists():
        return None, ()
    with reading(file):
        trials = pl.read_parquet(file, columns=["status", "reason"]).select(
            pl.col("status", "reason").cast(pl.String)
        )
    counts = trials.group_by("status").len().sort("status")
    failed = trials.filter(pl.col("status") != "ok").with_columns(pl.col("reason").fill_null(""))
    reasons = failed.group_by("status", "reason").len().sort("len", "status", "reason").reverse()
    return dict(counts.rows()), tuple(reasons.head(8).rows())


def _flat(prefix: str, value: Any) -> list[tuple[str, str]]:
    """Nested mappings as dotted keys; a list of plain values as one line."""
    if isinstance(value, dict):
        return [
            pair
            for key, inner in value.items()
            for pair in _flat(f"{prefix}.{key}" if prefix else str(key), inner)
        ]
    if isinstance(value, list):
        return [(prefix, ", ".join(map(str, value)))]
    return [(prefix, "unknown" if value is None else str(value))]

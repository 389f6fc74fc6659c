"""JSON Schema of `pbb-study report --json`, made from the columns of the rates.

`python -m analysis.rates_schema` writes `analysis/rates.schema.json` anew. Keys may be added; none
is removed or changes its meaning.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, Final, get_args

import polars as pl

from analysis.exchange import State
from analysis.results import RATE_SCHEMA
from pbb.config import DemonstrationFormat, ResponseFormat

FILE: Final = Path(__file__).with_name("rates.schema.json")

MEANINGS: Final = {
    "study": "name of the study; of the file where item rows name none",
    "model": "base model",
    "n_params": "its number of parameters",
    "curriculum": "order of training",
    "lora_rank": "rank of the adapter; 0 where all weights were trained",
    "representation": "how instructions are written",
    "domain": "kind of programs",
    "acquisition": "number of acquisition programs",
    "templates": "number of pointer templates",
    "factors": "the remaining factors; text where item rows hold no JSON there",
    "instruction_format": "how the instruction arm was asked",
    "response_format": "how the demonstrations arm was asked",
    "demonstration_format": "what a demonstration shows",
    "pair": "whether both arms were asked alike",
    "headline": "whether this is the pair of formats that the study declared as its headline",
    "state": "what is known of the rate",
    "rate": "demonstrations that one instruction is worth; null unless estimated",
    "bound": "the n at which a censored rate was cut off, else null",
    "ci_low": "lower 95% limit of the rate; null where open or where there is no interval",
    "ci_high": "upper 95% limit of the rate; null where open or where there is no interval",
    "mass_below": "share of bootstrap draws of the rate below the smallest n",
    "mass_above": "share of bootstrap draws of the rate above the largest n",
    "accuracy_instruction": "accuracy of the instruction arm",
    "accuracy_none": "accuracy of arm none, which saw replay only",
    "chance": "share that a guess without knowledge of the programs gets right; null if not known",
    "n_smallest": "smallest number of demonstrations run",
    "n_largest": "largest number of demonstrations run",
    "n_programs": "target programs answered in every arm and run",
    "n_runs": "distinct seeds of the instruction and the demonstrations arm",
    "n_stage1_seeds": "distinct stage 1s of the instruction arm; an interval takes two",
    "reason": "why there is no rate or no interval, and what to be careful about; may be empty",
}

WORDS: Final[dict[str, tuple[str, ...]]] = {
    "instruction_format": get_args(ResponseFormat),
    "response_format": get_args(ResponseFormat),
    "demonstration_format": get_args(DemonstrationFormat),
    "pair": ("like with like", "practitioner", "unlike"),
    "state": get_args(State),
}
"""Keys that hold one of a few words."""

SHARES: Final = ("mass_below", "mass_above", "accuracy_instruction", "accuracy_none", "chance")
"""Keys that hold a number between 0 and 1, or null."""

KNOWN: Final = frozenset(
    [
        "study",
        "model",
        "curriculum",
        "headline",
        "n_smallest",
        "n_largest",
        "n_programs",
        "n_runs",
        "n_stage1_seeds",
        "reason",
        *WORDS,
    ]
)
"""Keys that are never null."""


ABSENT: Final = {"type": "null"}
POSITIVE: Final = {"type": "number", "exclusiveMinimum": 0}

BY_STATE: Final[dict[tuple[State, ...], dict[str, dict[str, Any]]]] = {
    ("estimated",): {"rate": POSITIVE, "bound": ABSENT},
    ("right_censored", "left_censored"): {"rate": ABSENT, "bound": POSITIVE},
    ("not_comparable",): {"rate": ABSENT, "bound": ABSENT, "ci_low": ABSENT, "ci_high": ABSENT},
}
"""What a state says about the numbers."""


def rates_schema() -> dict[str, Any]:
    """The schema of the whole list. Raises KeyError for a column that MEANINGS does not explain."""
    rate = {
        "type": "object",
        "required": list(RATE_SCHEMA),
        "properties": {name: _property(name, dtype) for name, dtype in RATE_SCHEMA.items()},
        "allOf": [_when(states, **known) for states, known in BY_STATE.items()],
    }
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "pbb-study report --json",
        "description": "One object for every comparison and pair of formats.",
        "type": "array",
        "items": rate,
    }


def _property(name: str, dtype: pl.DataType) -> dict[str, Any]:
    about = {"description": MEANINGS[name]}
    if name == "factors":
        return about
    if name in WORDS:
        return about | {"enum": list(WORDS[name])}
    kind = _kind(dtype)
    limits = {"minimum": 0, "maximum": 1} if name in SHARES else {}
    return about | {"type": kind if name in KNOWN else [kind, "null"]} | limits


def _when(states: tuple[State, ...], **known: dict[str, Any]) -> dict[str, Any]:
    return {
        "if": {"properties": {"state": {"enum": list(states)}}},
        "then": {"properties": known},
    }


def _kind(dtype: pl.DataType) -> str:
    if dtype.is_integer():
        return "integer"
    if dtype.is_float():
        return "number"
    return "boolean" if dtype == pl.Boolean else "string"


def text() -> str:
    """The schema as it stands in FILE."""
    return json.dumps(rates_schema(), indent=2) + "\n"


if __name__ == "__main__":
    FILE.write_text(text(), encoding="utf-8")

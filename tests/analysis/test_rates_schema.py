"""`report --json` is what its committed schema and its documentation say."""

import json
import re
from pathlib import Path
from typing import Any

import jsonschema
import polars as pl
import pytest

from analysis.rates_schema import FILE, MEANINGS, rates_schema, text
from analysis.results import RATE_SCHEMA, rates_json
from tests.analysis.synthetic import World, item_rows, write_items

ADVICE = "run `python -m analysis.rates_schema`; keys may be added, none is removed"

PROMISED = {
    "rate",
    "bound",
    "ci_low",
    "ci_high",
    "state",
    "accuracy_instruction",
    "n_programs",
    "n_runs",
}

WORLD = World(programs=8, items=4)

INSTRUCTION = pl.col("arm") == "instruction"

VARIATIONS = {
    "as it is": pl.col("correct"),
    "far above": pl.col("correct") | (INSTRUCTION & (pl.col("item") < 3)),
    "hardly learnt": pl.when(INSTRUCTION).then(pl.col("item") == 0).otherwise("correct"),
    "ceiling": pl.lit(True),
}


def valid(rates: Any) -> bool:
    return jsonschema.Draft202012Validator(rates_schema()).is_valid(rates)


@pytest.fixture(scope="module")
def rates(tmp_path_factory: pytest.TempPathFactory) -> list[dict[str, Any]]:
    """Comparisons in every state, and one of rows that say as little as they may."""
    rows = item_rows(WORLD)
    apart = [
        rows.with_columns(correct=correct, model=pl.lit(name))
        for name, correct in VARIATIONS.items()
    ]
    folder = tmp_path_factory.mktemp("rates")
    found = rates_json(write_items(pl.concat(apart), folder / "a.parquet"))
    bare = rows.filter(pl.col("response_format") == "cot", pl.col("seed") == 0)
    columns = ["run", "model", "arm", "demonstrations", "seed", "program", "item", "correct"]
    return found + rates_json(write_items(bare.select(columns), folder / "b.parquet"))


def test_the_committed_schema_is_the_codes() -> None:
    assert FILE.read_text(encoding="utf-8") == text(), ADVICE
    jsonschema.Draft202012Validator.check_schema(rates_schema())


def test_every_key_is_explained_and_promised_ones_stay() -> None:
    assert list(MEANINGS) == list(RATE_SCHEMA), ADVICE
    assert set(RATE_SCHEMA) >= PROMISED


def test_the_documentation_has_every_key() -> None:
    contracts = (Path(__file__).parents[2] / "docs" / "contracts.md").read_text(encoding="utf-8")
    section = contracts.split("## Rates as JSON")[1].split("\n## ")[0]
    rows = re.findall(r"^\| (`.*?) \|", section, flags=re.MULTILINE)
    assert sorted(re.findall(r"`(\w+)`", " ".join(rows))) == sorted(RATE_SCHEMA)


def test_rates_are_valid_in_every_state(rates: list[dict[str, Any]]) -> None:
    assert {"estimated", "not_comparable"} < {rate["state"] for rate in rates}
    jsonschema.validate(json.loads(json.dumps(rates, allow_nan=False)), rates_schema())


@pytest.mark.parametrize("key", RATE_SCHEMA)
def test_no_key_may_be_missing(rates: list[dict[str, Any]], key: str) -> None:
    assert not valid([{name: value for name, value in rates[0].items() if name != key}])


@pytest.mark.parametrize(
    "wrong",
    [
        {"state": "unknown"},
        {"state": "estimated", "rate": None},
        {"state": "estimated", "rate": -1.0},
        {"state": "right_censored", "rate": 3.0, "bound": 16.0},
        {"state": "left_censored", "rate": None, "bound": None},
        {"state": "not_comparable", "rate": None, "bound": None, "ci_low": 2.0},
        {"accuracy_instruction": 1.5},
        {"n_programs": 2.5},
        {"headline": None},
    ],
)
def test_what_makes_no_sense_is_invalid(rates: list[dict[str, Any]], wrong: dict[str, Any]) -> None:
    assert valid(rates[:1])
    assert not valid([rates[0] | wrong])


def test_a_new_key_breaks_no_reader(rates: list[dict[str, Any]]) -> None:
    assert valid([rates[0] | {"something": "new"}])

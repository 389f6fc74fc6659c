"""Goldens: what must not change unnoticed."""

import json
from typing import Any

import pytest

from analysis.load import load, load_items
from tests.golden import make

ADVICE = "refactor? a bug. intended? run `python -m tests.golden.make`, and say why in the commit"


def golden(name: str) -> Any:
    return json.loads((make.HERE / f"{name}.json").read_text())


def test_the_quickstarts_plan() -> None:
    assert make.plan() == golden("plan"), ADVICE


def test_the_losses_of_a_short_run() -> None:
    assert make.losses() == pytest.approx(golden("losses"), rel=1e-4), ADVICE


def test_the_library_changes_only_with_the_numerics_version() -> None:
    assert make.library() == golden("library"), f"raise NUMERICS_VERSION; {ADVICE}"


def test_item_rows_of_schema_version_2_are_still_read() -> None:
    """The result's alone: rows of the base and of stage 1 stand in the file too."""
    found = load(make.HERE / "items_v2.parquet")
    rows = found.items.collect()
    assert set(found.history["stage"]) == {0, 1, 2}
    assert set(rows["stage"]) == {2}
    assert dict(rows["measure"].value_counts().rows()) == {
        "execution": 6,
        "chance": 4,
        "recitation": 3,
        "recall": 2,
        "in_context": 2,
    }
    assert rows.filter(measure="recall")["response_format"].null_count() == 2
    assert found.joint["n_items"].sum() == 3


def test_item_rows_of_schema_version_1_are_still_read() -> None:
    rows = load_items(make.HERE / "items_v1.parquet").collect()
    assert rows.height == 12
    assert rows["correct"].sum() == 5

"""Goldens: what must not change unnoticed."""

import json
from typing import Any

import pytest

from analysis.load import load_items
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


def test_item_rows_of_schema_version_1_are_still_read() -> None:
    rows = load_items(make.HERE / "items_v1.parquet").collect()
    assert rows.height == 12
    assert rows["correct"].sum() == 5

"""What a launch left under its root, in a form that two of them can be compared by."""

from __future__ import annotations

from pathlib import Path

import polars as pl

TELLS_TIME = (
    "wall_s",
    "startup_device_s",
    "idle_device_s",
    "train_device_s",
    "evaluate_device_s",
    "stages",
)
"""Columns of trial rows that say when and by which launch; of item rows none does."""
ROW = ("run", "response_format", "split", "measure", "stage", "step", "program", "item")
"""What names an item row."""


def rows(root: Path, study: str) -> dict[str, bytes]:
    """Files of item rows by name, and the trial rows. Raises where a row is told twice."""
    folder = root / study
    items = {path.name: path.read_bytes() for path in sorted((folder / "items").iterdir())}
    every = pl.concat(pl.read_parquet(folder / "items" / name) for name in items)
    assert not every.select(ROW).is_duplicated().any(), "an item has two rows"
    trials = pl.read_parquet(folder / "trials.parquet").drop(TELLS_TIME)
    assert not trials["trial"].is_duplicated().any(), "a trial has two rows"
    return {**items, "trials": trials.write_json().encode()}


def leftovers(root: Path) -> list[str]:
    """What a launch makes for itself alone and should be gone: nothing, after one that ended."""
    private = [*(root / "stages" / ".tmp").glob("*"), *(root / "stages" / ".resume").glob("*")]
    scratch = [path for path in (root / ".ray").rglob("*") if path.is_file()]
    return sorted(map(str, [*private, *scratch, *root.rglob(".tmp-*")]))

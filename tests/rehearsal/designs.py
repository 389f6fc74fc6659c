"""The study that is rehearsed: any number of trials, two stages each and a shared stage 1."""

from __future__ import annotations

from pathlib import Path

from search_spaces.study_file import Study
from tests.study.studies import small_study

RUNS_A_SEED = 40
"""Instruction and none, and 19 numbers of demonstrations with the instruction and without."""


def rehearsed(trials: int, *, workers: int = 1, name: str = "rehearsed") -> Study:
    """At least so many trials: 40 runs a seed, which stand on one stage 1."""
    grid = {
        "model": "tiny",
        "acquisition": 8,
        "arm": ["instruction", "none", "demonstrations", "both"],
        "demonstrations": list(range(1, 20)),
        "demonstration_format": "trace",
        "response_format": "cot",
        "seed": list(range(1, -(-trials // RUNS_A_SEED) + 1)),
    }
    return small_study(name, factors=[grid], resources={"workers": workers})


def files_in(folder: Path) -> int:
    """Files in the folder and below it."""
    return sum(path.is_file() for path in folder.rglob("*"))

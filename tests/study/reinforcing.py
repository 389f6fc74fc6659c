"""A launch of a study that reinforces, in a process to be killed: `reinforcing.py <root>`."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from search_spaces.study_file import Study
from study.launch import LaunchResult, launch
from tests.study.studies import small_study

STATE_EVERY = 2
"""Steps; few, so that a test can kill soon."""


def reinforcing_study() -> Study:
    """One run of two stages on nano-xs."""
    grid = {
        "model": "nano-xs",
        "acquisition": 6,
        "curriculum": "retroactive-rl",
        "arm": "instruction",
        "response_format": "cot",
        "seed": 1,
    }
    recipe = {"steps": 4, "tokens_per_step": 256, "peak_lr": 3e-3, "warmup_steps": 1}
    rl = {"steps": 7, "prompts_per_step": 4, "group_size": 4, "max_new_tokens": 24}
    return small_study(
        "reinforcing",
        domain={"kind": "arithmetic", "steps": 2, "paths": 2, "inputs": 32},
        factors=[grid],
        programs={"targets": 3, "validation": 2, "items_per_program": 6},
        train={"stage1": recipe, "stage2": recipe, "rl": {**rl, "peak_lr": 1e-3}},
        evaluate={"acquisition_programs": 2, "max_new_tokens": 24, "batch_size": 64},
    )


def launched(root: Path) -> LaunchResult:
    """Launch it on the local backend."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("pbb.alone.EVERY_STEPS", STATE_EVERY)
        return launch(reinforcing_study(), root, "local", quiet=True)


if __name__ == "__main__":
    launched(Path(sys.argv[1]))

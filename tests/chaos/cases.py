"""The studies that are disturbed."""

from __future__ import annotations

from typing import Any

from tests.chaos.victim import Case
from tests.study.studies import small_study, tuned_together

SMALL = Case(small_study())
"""Seven runs, fifteen stages, by a runner whose results follow from the stage."""
TUNED = Case(tuned_together("tuned", arm=["instruction", "none"]))
"""Two searches, then the measured runs."""
_GRID: dict[str, Any] = {
    "model": "tiny",
    "acquisition": 8,
    "arm": ["instruction", "none"],
    "response_format": "cot",
}
FEW = Case(small_study("few", factors=[{**_GRID, "seed": [1]}]))
"""Two runs, five stages: little enough to be killed at every step."""
EXTENDED = Case(small_study("few", factors=[{**_GRID, "seed": [1, 2]}]))
"""The same with another seed."""


def trained(name: str = "trained") -> Case:
    """Runs on nano-xs by the real engine: supervised and reinforced, with points on a curve."""
    grid = {
        "model": "nano-xs",
        "acquisition": 6,
        "curriculum": ["proactive", "retroactive-rl"],
        "arm": ["instruction", "none"],
        "response_format": "cot",
        "seed": 1,
    }
    recipe = {"steps": 4, "tokens_per_step": 256, "peak_lr": 3e-3, "warmup_steps": 1}
    rl = {"steps": 7, "prompts_per_step": 4, "group_size": 4, "max_new_tokens": 24}
    study = small_study(
        name,
        domain={"kind": "arithmetic", "steps": 2, "paths": 2, "inputs": 32},
        factors=[grid],
        programs={"targets": 3, "validation": 2, "items_per_program": 6},
        train={"stage1": recipe, "stage2": recipe, "rl": {**rl, "peak_lr": 1e-3}},
        evaluate={"acquisition_programs": 2, "max_new_tokens": 24, "batch_size": 64},
    )
    return Case(study, real=True)

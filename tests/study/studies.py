"""Small studies for tests, and bases that need no weights."""

from __future__ import annotations

import hashlib
from typing import Any

from pbb.config import Base
from search_spaces.study_file import Study

RUNNER = "tests.study.fake_engine:FakeEngine"
KILLED_ONCE = "tests.study.fake_engine:KilledOnce"


def fake_base(name: str) -> Base:
    """A base whose identity follows from its name."""
    return Base(name=name, sha256=hashlib.sha256(name.encode()).hexdigest(), n_params=1000)


def small_study(name: str = "small", **changes: Any) -> Study:
    """Six runs on two stage 1s, and an untrained base; `changes` replace top-level keys."""
    data: dict[str, Any] = {
        "name": name,
        "question": "Does the machinery work?",
        "domain": {"kind": "arithmetic", "steps": 2, "paths": 2, "inputs": 40},
        "data_seed": 1,
        "factors": [
            {
                "model": "tiny",
                "acquisition": 8,
                "arm": ["instruction", "none", "demonstrations"],
                "demonstrations": 2,
                "demonstration_format": "trace",
                "response_format": "cot",
                "seed": [1, 2],
            },
            {
                "model": "tiny",
                "acquisition": 8,
                "curriculum": "none",
                "arm": "none",
                "response_format": "cot",
            },
        ],
        "train": {
            "stage1": {"steps": 30, "tokens_per_step": 64, "peak_lr": 1e-3},
            "stage2": {"steps": 30, "tokens_per_step": 64, "peak_lr": 1e-3},
        },
        "headline": {
            "instruction": "cot",
            "demonstrations": "cot",
            "demonstration_format": "trace",
        },
    }
    return Study.model_validate({**data, **changes})


def twenty_arms(name: str = "twenty") -> Study:
    """Twenty runs on one stage 1."""
    grid = {
        "model": "tiny",
        "acquisition": 8,
        "arm": ["instruction", "none", "placebo", "in_context", "demonstrations"],
        "demonstrations": list(range(1, 17)),
        "demonstration_format": "trace",
        "response_format": "cot",
        "seed": 1,
    }
    return small_study(name, factors=[grid])


def branching(study: Study) -> Study:
    """The same runs, evaluated at several points of their training too."""
    evaluate = {"forgetting": True, "curve": [0, 10, 20], "recall": 1}
    data = study.model_dump(mode="json", exclude_unset=True)
    return Study.model_validate({**data, "evaluate": evaluate})


def tuning_study(name: str = "tuning", budget: int = 4) -> Study:
    """A search of one nuisance by tpe, with two seeds a proposal."""
    grid = {
        "model": "tiny",
        "acquisition": 8,
        "arm": "instruction",
        "response_format": "cot",
        "seed": [1, 2],
    }
    return small_study(
        name,
        factors=[grid],
        nuisances={"stage1.peak_lr": {"low": 1e-4, "high": 1e-2, "log": True}},
        search={"design": "tpe", "budget": budget},
    )


def tuned_study(name: str = "tuned", **changes: Any) -> Study:
    """Both kinds of arm and the controls, with LoRA of three ranks and with all weights trained.

    Three proposals for each of four groups, then the measured runs.
    """
    grid = {
        "model": "tiny",
        "acquisition": 8,
        "arm": ["instruction", "placebo", "none", "demonstrations", "both"],
        "demonstrations": [1, 2, 4],
        "demonstration_format": "trace",
        "response_format": ["cot", "recite"],
        "lora_rank": [0, 4, 8, 16],
        "seed": 1,
    }
    tune = {
        "nuisances": {"stage2.peak_lr": {"low": 1e-3, "high": 2e-2, "log": True}},
        "trials": 3,
        "seeds": [101],
    }
    return small_study(name, **{"factors": [grid], "tune": tune, **changes})


def tuned_together(name: str = "together", **changes: Any) -> Study:
    """Steps, which all arms of a comparison share, are tuned beside the learning rate.

    changes: replace factors.
    """
    grid = {
        "model": "tiny",
        "acquisition": 8,
        "arm": ["instruction", "none", "demonstrations"],
        "demonstrations": [1, 4],
        "demonstration_format": "trace",
        "response_format": "cot",
        "seed": [1, 2],
        **changes,
    }
    ranges = {
        "stage2.peak_lr": {"low": 1e-3, "high": 2e-2, "log": True},
        "stage2.steps": {"low": 25, "high": 60},
        "in_context": {"low": 0.1, "high": 0.5},
    }
    tune = {"nuisances": ranges, "trials": 3, "seeds": [101, 102]}
    return small_study(name, factors=[grid], tune=tune)

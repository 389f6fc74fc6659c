"""Small runs for the tests: real configurations, little effort."""

from __future__ import annotations

from typing import Any

from pbb.config import (
    Arm,
    Base,
    CorpusConfig,
    EvaluateConfig,
    Recipe,
    RlRecipe,
    RunConfig,
    TrainConfig,
)
from pbb.domains.configs import ArithmeticConfig

CORPUS = CorpusConfig(
    domain=ArithmeticConfig(steps=2, paths=2, inputs=32, value_max=59),
    data_seed=5,
    acquisition=12,
    validation=4,
    targets=6,
    items_per_program=6,
)
TRAIN = TrainConfig(
    stage1=Recipe(steps=6, tokens_per_step=600, peak_lr=3e-3, warmup_steps=2),
    stage2=Recipe(steps=5, tokens_per_step=500, peak_lr=3e-3, warmup_steps=2),
    rl=RlRecipe(steps=3, prompts_per_step=4, group_size=4, peak_lr=1e-3, warmup_steps=1),
)
BASE = Base(name="some-base", sha256="0" * 64, n_params=1)


def run(arm: Arm = "instruction", **changes: Any) -> RunConfig:
    """A run of an arm; demonstrated arms get 4 traced demonstrations unless told otherwise."""
    shown = {"demonstrations": 4, "demonstration_format": "trace"}
    return RunConfig.model_validate(
        {
            "model": "nano-xs",
            "curriculum": "proactive",
            "arm": arm,
            "seed": 1,
            "corpus": CORPUS,
            "train": TRAIN,
            "evaluate": EvaluateConfig(acquisition_programs=3),
            **(shown if arm in ("demonstrations", "both") else {}),
            **changes,
        }
    )

"""How a stage is optimised, and what else decides its numbers."""

from __future__ import annotations

from typing import Annotated, Final, Literal, Self

from pydantic import Field, model_validator

from pbb.frozen import Frozen, Positive, Share

NUMERICS_VERSION: Final = 5
"""Raise it when a change to the code changes the numbers that a stage gives."""


class Recipe(Frozen):
    """One stage's optimisation. Effort is steps x tokens_per_step, in non-padding tokens."""

    steps: Positive
    tokens_per_step: Annotated[int, Field(gt=0, le=10_000_000)]
    peak_lr: Annotated[float, Field(gt=0)]
    warmup_steps: Annotated[int, Field(ge=0)] = 20
    min_lr_ratio: Share = 0.05
    weight_decay: Annotated[float, Field(ge=0)] = 0.01
    beta1: Share = 0.9
    beta2: Share = 0.98
    max_grad_norm: Annotated[float, Field(gt=0)] = 1.0

    @model_validator(mode="after")
    def _decays(self) -> Self:
        _check_decay(self.warmup_steps, self.steps)
        return self


def _check_decay(warmup_steps: int, steps: int) -> None:
    if warmup_steps >= steps:
        raise ValueError(
            f"warmup_steps={warmup_steps} leaves no decay in steps={steps}; "
            "lower warmup_steps or raise steps"
        )


class RlRecipe(Frozen):
    """GRPO (Shao et al. 2024, arXiv 2402.03300), on-policy unless updates_per_batch > 1.

    A step asks prompts_per_step prompts group_size times each. An answer's advantage is its reward
    minus its group's mean, divided by the group's standard deviation (of the population, without a
    constant added) with normalise "std"; in a group of equal rewards it is 0. The loss is summed
    over all sampled tokens of a step and divided by their number (token-level, as DAPO, arXiv
    2503.14476). clip: of the ratio to the policy that sampled; it acts from the second update of a
    batch on. kl: weight of the k3 estimate of the divergence from the stage's parent. temperature
    is the policy's own: answers are drawn at it, and probabilities are taken at it.
    """

    steps: Positive
    prompts_per_step: Positive = 8
    group_size: Annotated[int, Field(ge=2)] = 8
    updates_per_batch: Positive = 1
    peak_lr: Annotated[float, Field(gt=0)]
    warmup_steps: Annotated[int, Field(ge=0)] = 5
    min_lr_ratio: Share = 0.1
    weight_decay: Annotated[float, Field(ge=0)] = 0.0
    beta1: Share = 0.9
    beta2: Share = 0.98
    max_grad_norm: Annotated[float, Field(gt=0)] = 1.0
    temperature: Annotated[float, Field(gt=0)] = 1.0
    max_new_tokens: Positive = 96
    normalise: Literal["std", "none"] = "std"
    clip: Annotated[float, Field(gt=0)] | None = 0.2
    kl: Annotated[float, Field(ge=0)] = 0.0
    format_reward: Annotated[float, Field(ge=0, lt=1)] = 0.1
    """Reward of a wrong answer in the format asked for; a right one earns 1, any other 0."""

    @model_validator(mode="after")
    def _decays(self) -> Self:
        _check_decay(self.warmup_steps, self.steps)
        return self


class Lora(Frozen):
    """rank 0 trains all weights. Scale is alpha/sqrt(rank) (rsLoRA) or alpha/rank (standard)."""

    rank: Annotated[int, Field(ge=0, le=1024)] = 8
    alpha: Annotated[float, Field(gt=0)] = 16.0
    scaling: Literal["rslora", "standard"] = "rslora"


class Numerics(Frozen):
    """What decides the bits of a result beside the science."""

    dtype: Literal["float32", "bfloat16"] = "float32"
    """Of the frozen base and the forward pass; adapters and optimizer stay float32."""
    cpu_threads: Positive = 1
    max_batch_tokens: Positive = 16_384
    """Padded tokens of a microbatch at most; a step is cut into as few microbatches as fit."""
    version: int = NUMERICS_VERSION

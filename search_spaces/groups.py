"""Groups: runs whose nuisances are tuned together, and which values a run takes."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final, Literal

from pbb.config import DEMONSTRATED_ARMS
from search_spaces.factors import Factors

Weights = Literal["lora", "all"]
"""What is trained: adapters of any rank, or all weights (rank 0)."""
Kind = Literal["instruction", "demonstrations", "every"]
"""Arms that show instructions alone; arms that show demonstrations; all arms."""

EFFORT: Final = frozenset({"stage2.steps", "stage2.tokens_per_step"})


@dataclass(frozen=True, order=True)
class Group:
    """Runs that take the same tuned values."""

    model: str
    weights: Weights
    arms: Kind

    def __str__(self) -> str:
        trained = "LoRA" if self.weights == "lora" else "all weights"
        return f"{self.model}, {trained}, {KINDS[self.arms]}"


KINDS: Final[Mapping[Kind, str]] = {
    "instruction": "arms that show instructions",
    "demonstrations": "arms that show demonstrations",
    "every": "all arms",
}

Chosen = Mapping[Group, Mapping[str, float]]
"""Group -> chosen values by dotted path into `train`."""

UNTUNED: Final[Chosen] = {}


def is_per_kind(path: str) -> bool:
    """Whether each kind of arm has a value of its own.

    These are settings of the optimizer where target documents are trained on (`train.stage2`). All
    else is one value for all arms of a comparison: steps and tokens, for equal effort; the stage
    that all arms share; the mixture.
    """
    return path.startswith("stage2.") and path not in EFFORT


def weights_of(point: Factors) -> Weights:
    """What a run trains."""
    return "all" if point["lora_rank"] == 0 else "lora"


def kinds_of(point: Factors) -> tuple[Kind, ...]:
    """The kinds of arm whose values a run may take, the first that is tuned.

    `none` and `in_context` show nothing in training, so no score could tell values apart. They are
    the curve's n = 0 and its ceiling, and take what the demonstrations take; in a study without
    demonstrations, what the instruction takes.
    """
    if point["arm"] in DEMONSTRATED_ARMS:
        return ("demonstrations",)
    if point["arm"] in ("instruction", "placebo"):
        return ("instruction",)
    return ("demonstrations", "instruction")


def tuned_values(point: Factors, chosen: Chosen) -> dict[str, float]:
    """The values chosen for a run's groups; empty where none is chosen, or nothing is trained."""
    if point["curriculum"] == "none":
        return {}
    model, weights = str(point["model"]), weights_of(point)
    own = [Group(model, weights, kind) for kind in kinds_of(point)]
    first = next((group for group in own if group in chosen), own[0])
    joint = Group(model, weights, "every")
    return {**chosen.get(joint, {}), **chosen.get(first, {})}

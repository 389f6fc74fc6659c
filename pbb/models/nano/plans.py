"""The nano ladder's sizes, and the stages of their pretraining."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final


@dataclass(frozen=True)
class Size:
    """A rung of the ladder. library = False: reads executions in context only."""

    width: int
    layers: int
    heads: int
    peak_lr: float
    library: bool = True


LADDER: Final[dict[str, Size]] = {
    "nano-xs": Size(64, 2, 2, 5e-3),
    "nano-s": Size(96, 3, 3, 4e-3),
    "nano-s-nolib": Size(96, 3, 3, 4e-3, library=False),
    "nano-m": Size(128, 4, 4, 3e-3),
    "nano-l": Size(192, 6, 6, 2e-3),
}


@dataclass(frozen=True)
class Plan:
    """Effort of one stage of pretraining, the same for every size."""

    steps: int
    warmup: int
    first: float
    """Share of steps that read executions in context alone, before the library comes."""
    library: float
    """Share of tokens that are of the library from then on."""
    context_parts: int
    library_parts: int
    """Parts that are read, of each kind; when all are, they are read again."""
    first_part: int
    """Number of the first part of each kind."""
    ended: bool
    """Whether every answer is followed by the end token, or the last of a document alone."""
    aim: str = ""
    """What the stage adds, as its card says it."""
    grammars: float = 0.0
    """Share of tokens that are of grammars in context, beyond those among all else. Parts of one
    number begin with the same grammars, whichever their kind, under other names and sentences."""
    grammars_parts: int = 0
    lr_ratio: float = 1.0
    """Times the size's peak learning rate."""
    rows: int = 64
    """A step reads rows x CONTEXT tokens."""


PLANS: Final = (
    Plan(
        steps=28_000,
        warmup=300,
        first=0.4,
        library=0.25,
        context_parts=250,
        library_parts=60,
        first_part=0,
        ended=False,
    ),
    Plan(
        steps=400,
        warmup=20,
        first=0.0,
        library=0.25,
        context_parts=2,
        library_parts=1,
        first_part=250,
        ended=True,
        aim="then, to learn where an answer ends, ",
        lr_ratio=0.3,
        rows=16,
    ),
    Plan(
        steps=18_000,
        warmup=100,
        first=0.0,
        library=0.25,
        context_parts=105,
        library_parts=45,
        first_part=252,
        ended=True,
        aim="then, a quarter of it grammars and their derivations alone, ",
        grammars=0.25,
        grammars_parts=32,
        lr_ratio=0.5,
    ),
)
"""The second stage teaches where an answer ends, which the first left open but for the last. The
first two shipped before sentences of a grammar had a trace, their derivation; the third has it."""

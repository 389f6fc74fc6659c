"""Arms: what training reveals about the targets, and which arms have what in common."""

from __future__ import annotations

from typing import Final, Literal

Arm = Literal["instruction", "demonstrations", "both", "placebo", "none", "in_context"]

PBB_ARMS: Final[frozenset[Arm]] = frozenset({"instruction", "placebo", "none"})
"""Arms that claim PBB: their training never holds a target execution."""

DEMONSTRATED_ARMS: Final[frozenset[Arm]] = frozenset({"demonstrations", "both"})
"""Arms that see executions of targets; `demonstrations` and its format apply to them alone."""

INSTRUCTED_ARMS: Final[frozenset[Arm]] = frozenset({"instruction", "both", "placebo", "in_context"})
"""Arms that saw an instruction, so may be asked to recite it."""

DECLARED_ARMS: Final[frozenset[Arm]] = frozenset({"instruction", "both", "placebo"})
"""Arms in whose training every target is declared once (`in_context` shows it in the prompt)."""

REVEALING_ARMS: Final[frozenset[Arm]] = DECLARED_ARMS | DEMONSTRATED_ARMS
"""Arms that have target documents; in all others, training reveals nothing of the targets."""

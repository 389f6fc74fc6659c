"""The page's tables of what each stage lost, and of formats against each other."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

from analysis.forgetting import Retention, retention_frame
from analysis.formats import FormatGap, format_frame
from analysis.page.arms import ArmName, arm_names, change_cells
from analysis.page.packs import Packs
from analysis.sentences import percent

MOST_ROWS: Final = 200
"""Rows shown; the CSV has all."""

MEASURED: Final = {
    "execution": "by itself",
    "in_context": "instruction in the prompt",
    "recall": "the instruction itself",
}

STAGES: Final = {0: "base", 1: "after stage 1", 2: "after stage 2"}


@dataclass(frozen=True)
class Row:
    """What was asked of an arm, and its accuracies in the order of the table's columns."""

    name: ArmName
    asked: str
    accuracies: tuple[str, ...]
    change: str
    interval: str


def retention_section(found: Sequence[Retention], packs: Packs) -> dict[str, Any] | None:
    """Null where no arm was asked acquisition programs after two stages."""
    if not found:
        return None
    stages = sorted({stage for each in found for stage in each.accuracies})
    names = arm_names([each.factors for each in found])
    rows = [
        Row(
            name,
            MEASURED[each.measure],
            tuple(percent(each.accuracies.get(stage)) for stage in stages),
            *change_cells(each.changed),
        )
        for each, name in zip(found, names, strict=True)
    ]
    return {
        "columns": [STAGES.get(stage, f"after stage {stage}") for stage in stages],
        "rows": rows[:MOST_ROWS],
        "left_out": len(rows) - len(rows[:MOST_ROWS]),
        "csv": packs.add_table("forgetting", retention_frame(found), "Forgetting"),
    }


def formats_section(found: Sequence[FormatGap], packs: Packs) -> dict[str, Any] | None:
    """Null where no arm was asked both directly and with a chain of thought."""
    if not found:
        return None
    formats = ["direct", "cot"]
    formats += ["recite"] if any("recite" in each.accuracies for each in found) else []
    names = arm_names([each.factors for each in found])
    rows = [
        Row(
            name,
            "",
            tuple(percent(each.accuracies.get(asked)) for asked in formats),
            *change_cells(each.gain),
        )
        for each, name in zip(found, names, strict=True)
    ]
    return {
        "columns": formats,
        "rows": rows[:MOST_ROWS],
        "left_out": len(rows) - len(rows[:MOST_ROWS]),
        "csv": packs.add_table("formats", format_frame(found), "Direct against cot"),
    }

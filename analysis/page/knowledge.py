"""The page's table of what is known and what is done, and the same in sentences."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

from analysis.knowledge import Knowledge, knowledge_frame
from analysis.page.arms import ArmName, arm_names, share_cell
from analysis.page.packs import Packs
from analysis.sentences import percent

MOST_ROWS: Final = 200
"""Rows shown; the CSV has all."""

MOST_SENTENCES: Final = 4
"""Cells of the instruction arm that are told in words."""

BY: Final = {"recitation": "recited before the answer", "recall": "asked for by itself"}


@dataclass(frozen=True)
class KnowledgeRow:
    """One arm in one format; counts are of items."""

    name: ArmName
    by: str
    known: str
    if_known: str
    n_known: int
    if_unknown: str
    n_unknown: int
    wrong_though_known: str


def knowledge_section(found: Sequence[Knowledge], packs: Packs) -> dict[str, Any] | None:
    """Null where no rows say what is known."""
    if not found:
        return None
    names = arm_names([each.factors for each in found])
    rows = [_row(each, name) for each, name in zip(found, names, strict=True)]
    of_instruction = [
        _sentence(each, name)
        for each, name in zip(found, names, strict=True)
        if each.factors["arm"] == "instruction"
    ]
    csv = packs.add_table("known-and-done", knowledge_frame(found), "Known and done")
    return {
        "sentences": of_instruction[:MOST_SENTENCES],
        "rows": rows[:MOST_ROWS],
        "left_out": len(rows) - len(rows[:MOST_ROWS]),
        "csv": csv,
    }


def _row(each: Knowledge, name: ArmName) -> KnowledgeRow:
    return KnowledgeRow(
        name,
        BY[each.by],
        share_cell(each.known),
        share_cell(each.if_known),
        each.n_known,
        share_cell(each.if_unknown),
        each.n_unknown,
        percent(each.wrong_though_known),
    )


def _sentence(each: Knowledge, name: ArmName) -> str:
    """Whether it does not know, or knows and cannot do."""
    subject = f"{name.comparison}, asked in {name.response_format}"
    known = f"the instruction was known in {percent(each.known.value)} of the items"
    if each.if_known is None:
        return f"{subject}: {known}, so what is wrong is not known."
    right = f"where it was, {share_cell(each.if_known)} of the answers were right"
    against = (
        f", where it was not, {share_cell(each.if_unknown)}" if each.if_unknown is not None else ""
    )
    if each.wrong_though_known is None:
        return f"{subject}: {known}; {right}{against}."
    though = percent(each.wrong_though_known)
    rest = percent(1 - each.wrong_though_known)
    return (
        f"{subject}: {known}; {right}{against}. Of the wrong answers, {though} knew the "
        f"instruction and could not do it, {rest} did not know it."
    )

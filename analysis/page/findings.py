"""The findings: every claim with its contrast, its estimate and what this study says of it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from analysis.claims import Verdict
from search_spaces.findings import findings

VERDICTS: Final = {
    "reproduced": ("✓", "reproduced"),
    "not_reproduced": ("✗", "not reproduced"),
    "undecided": ("?", "undecided"),
    "not_run": ("–", "not run"),
}
"""Mark and words; the mark is drawn beside the words, never alone."""


@dataclass(frozen=True)
class FindingRow:
    """One claim as shown."""

    finding: str
    claim: str
    contrast: str
    asked: str
    estimate: str
    interval: str
    unit: str
    verdict: str
    mark: str
    shown_verdict: str
    reason: str


@dataclass(frozen=True)
class FindingsTable:
    """primary: declared in advance; exploratory: all other claims. untested: findings that no
    claim of this study is about, with what they would need."""

    primary: tuple[FindingRow, ...]
    exploratory: tuple[FindingRow, ...]
    untested: tuple[tuple[str, str, str], ...]

    @property
    def any(self) -> bool:
        """Whether the study claims anything."""
        return bool(self.primary or self.exploratory)


def findings_table(verdicts: Sequence[Verdict]) -> FindingsTable:
    """Claims in the order of the study file."""
    claimed = {verdict.finding for verdict in verdicts}
    return FindingsTable(
        tuple(_row(verdict) for verdict in verdicts if verdict.primary),
        tuple(_row(verdict) for verdict in verdicts if not verdict.primary),
        tuple(
            (name, finding.statement, finding.needs)
            for name, finding in findings().items()
            if name not in claimed
        ),
    )


def _row(verdict: Verdict) -> FindingRow:
    mark, words = VERDICTS[verdict.verdict]
    side = "above" if verdict.sign > 0 else "below"
    margin = "" if verdict.margin is None else f", by at least {verdict.margin:g} to matter"
    return FindingRow(
        finding=verdict.finding,
        claim=verdict.claim,
        contrast=verdict.contrast,
        asked=f"{side} zero{margin}",
        estimate=_signed(verdict.estimate, verdict.unit),
        interval=_between(verdict),
        unit=verdict.unit,
        verdict=verdict.verdict,
        mark=mark,
        shown_verdict=words,
        reason=verdict.reason,
    )


def _between(verdict: Verdict) -> str:
    if verdict.estimate is None and verdict.ci_low is None and verdict.ci_high is None:
        return "–"
    low = "open" if verdict.ci_low is None else _signed(verdict.ci_low, verdict.unit)
    high = "open" if verdict.ci_high is None else _signed(verdict.ci_high, verdict.unit)
    return "–" if low == high == "open" else f"{low} to {high}"


def _signed(value: float | None, unit: str) -> str:
    if value is None:
        return "–"
    digits = 1 if unit.startswith("points") else 2
    return f"{value:+.{digits}f}".replace("-", "−")

"""The findings' harness: stages are shared, and the page keeps what it does not own."""

from __future__ import annotations

from pathlib import Path

from analysis.claims import Verdict
from study.findings import BEGIN, END, effort, studies, table, written

VERDICT = Verdict(
    finding="F1",
    claim="Above | none.",
    contrast="accuracy: instruction minus none",
    sign=1,
    margin=10.0,
    unit="points",
    estimate=12.34,
    ci_low=5.0,
    ci_high=None,
    verdict="reproduced",
    reason="",
    primary=True,
    comparisons=1,
)


def test_studies_share_their_stages(tmp_path: Path) -> None:
    """Together they are less work than apart, and nothing is there before they ran."""
    chosen = studies()
    together = effort(chosen, tmp_path)
    apart = [effort([study], tmp_path) for study in chosen]
    assert together.requested == sum(each.requested for each in apart)
    assert together.distinct < sum(each.distinct for each in apart) < together.requested
    assert together.to_run == together.distinct
    assert together.seconds < sum(each.seconds for each in apart)


def test_a_verdict_is_one_row_of_as_many_cells_as_the_head() -> None:
    head, _, row = table([VERDICT]).splitlines()
    assert row.count("|") == head.count("|")
    assert "+12.3 points" in row
    assert "+5.0 to open" in row


def test_the_page_keeps_everything_else() -> None:
    page = "# Findings\n\nIntroduction.\n\n## 2026-01-01  An entry\n\nText.\n"
    once = written(page, "first")
    twice = written(once, "second")
    assert "first" in once and "first" not in twice and "second" in twice
    assert twice.count(BEGIN) == twice.count(END) == 1
    before, _, rest = twice.partition(BEGIN)
    assert before + rest.partition(END)[2].removeprefix("\n\n") == page

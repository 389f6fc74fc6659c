"""Paired differences between arms: what an exchange rate must be read beside."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from analysis.comparison import Contest
from analysis.curves import Array, Series
from analysis.intervals import order_statistics

CONTRASTS: Final[tuple[tuple[Series, Series, str], ...]] = (
    ("instruction", "none", "what the instruction taught"),
    ("instruction", "placebo", "reading the right instruction, not just any"),
    ("in_context", "instruction", "lost on the way into the weights"),
    ("instruction", "no_acquisition", "what stage 1 prepared"),
    ("instruction", "untuned", "against the base model as it came"),
)


@dataclass(frozen=True)
class Contrast:
    """Difference of accuracies, arm minus against, on the same programs; limits null without runs.

    format, against_format: how each side was asked. They differ where one side cannot recite.
    """

    arm: Series
    against: Series
    meaning: str
    format: str
    against_format: str
    accuracy: float
    against_accuracy: float
    difference: float
    ci_low: float | None
    ci_high: float | None
    n_programs: int
    n_runs: int


@dataclass(frozen=True)
class LevelSummary:
    """Accuracy of one series at one n with its interval (null without runs)."""

    series: Series
    n: int
    response_format: str
    accuracy: float
    ci_low: float | None
    ci_high: float | None
    n_runs: int


def contrasts(contest: Contest, means: Array) -> list[Contrast]:
    """Every contrast whose two sides were run; means as in `exchange.estimate`."""
    found = []
    column = {level.series: index for index, level in enumerate(contest.levels)}
    for arm, against, meaning in CONTRASTS:
        if arm not in column or against not in column or not contest.n_programs:
            continue
        left, right = contest.levels[column[arm]], contest.levels[column[against]]
        both = left.replicated and right.replicated and contest.n_programs >= 2
        low, high = _interval(means[:, column[arm]] - means[:, column[against]], both, -1.0)
        found.append(
            Contrast(
                arm,
                against,
                meaning,
                left.response_format,
                right.response_format,
                left.mean,
                right.mean,
                left.mean - right.mean,
                low,
                high,
                contest.n_programs,
                len(left.seeds & right.seeds) or min(len(left.seeds), len(right.seeds)),
            )
        )
    return found


def summaries(contest: Contest, means: Array) -> list[LevelSummary]:
    """Every level with its own interval: programs and runs, not paired with anything."""
    found = []
    for index, level in enumerate(contest.levels):
        seen = level.replicated and contest.n_programs >= 2
        low, high = _interval(means[:, index], seen, 0.0)
        found.append(
            LevelSummary(
                level.series,
                level.n,
                level.response_format,
                level.mean,
                low,
                high,
                len(level.seeds),
            )
        )
    return found


def _interval(draws: Array, known: bool, least: float) -> tuple[float | None, float | None]:
    """Limits within the possible range, `least` to 1."""
    if not known:
        return None, None
    interval = order_statistics(draws)
    return max(interval.low, least), min(interval.high, 1.0)

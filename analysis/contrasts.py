"""Paired differences between arms: what an exchange rate must be read beside."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np

from analysis.comparison import Contest
from analysis.covariance import Uncertainty
from analysis.curves import Series

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


def contrasts(contest: Contest, known: Uncertainty | None) -> list[Contrast]:
    """Every contrast whose two sides were run, by a two-way clustered t interval."""
    column = {level.series: index for index, level in enumerate(contest.levels)}
    return [
        _contrast(contest, known, column[arm], column[against], meaning)
        for arm, against, meaning in CONTRASTS
        if arm in column and against in column and contest.n_programs
    ]


def _contrast(
    contest: Contest, known: Uncertainty | None, arm: int, against: int, meaning: str
) -> Contrast:
    left, right = contest.levels[arm], contest.levels[against]
    difference = left.mean - right.mean
    low = high = None
    if known is not None and left.replicated and right.replicated:
        sides = np.zeros(len(contest.levels))
        sides[[arm, against]] = 1, -1
        low, high = _limits(difference, float(known.margin(sides)[0]), -1.0)
    return Contrast(
        left.series,
        right.series,
        meaning,
        left.response_format,
        right.response_format,
        left.mean,
        right.mean,
        difference,
        low,
        high,
        contest.n_programs,
        len(left.seeds & right.seeds) or min(len(left.seeds), len(right.seeds)),
    )


def summaries(contest: Contest, known: Uncertainty | None) -> list[LevelSummary]:
    """Every level with its own interval: programs and runs, not paired with anything."""
    count = len(contest.levels)
    margins = known.margin(np.eye(count)) if known is not None else np.zeros(count)
    found = []
    for level, margin in zip(contest.levels, margins, strict=True):
        low = high = None
        if known is not None and level.replicated:
            low, high = _limits(level.mean, float(margin), 0.0)
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


def _limits(value: float, margin: float, least: float) -> tuple[float, float]:
    """Limits within the possible range, `least` to 1."""
    return max(value - margin, least), min(value + margin, 1.0)

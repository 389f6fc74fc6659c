"""The top of the page: which comparison is told first, and what its rate assumes."""

from __future__ import annotations

from collections.abc import Sequence

from analysis.comparison import Contest
from analysis.results import Result
from analysis.study_folder import StudyNotes


def lead(results: Sequence[Result], notes: StudyNotes) -> int | None:
    """Index of the comparison that is told in full; null without results.

    The one declared in advance; otherwise the first of the headline pair, otherwise the first.
    """
    declared = [
        index
        for index, result in enumerate(results)
        if result.headline
        and notes.primary_factors
        and all(str(result.contest.factors.get(k)) == v for k, v in notes.primary_factors.items())
    ]
    headline = [index for index, result in enumerate(results) if result.headline]
    order = [*declared, *headline, *range(len(results))]
    return order[0] if order else None


def assumptions(result: Result, *, planned: bool) -> list[str]:
    """What the lead rate takes for granted; nothing where there is none.

    planned: the rows come from a study of this project.
    """
    if result.rate.state == "not_comparable":
        return []
    contest = result.contest
    ends = {contest.demonstrations[0].n, contest.demonstrations[-1].n}
    span = " to ".join(str(n) for n in sorted(ends))
    effort = (
        "Both arms took the same stage-2 steps, tokens and replay."
        if planned
        else "Both arms had the same training effort: the rows do not say, whoever made them must."
    )
    return [
        _formats(contest),
        effort,
        f"Accuracy does not fall with n, and between the n that were run ({span}) its logit is "
        "straight in log n, which the interval takes as given; beyond them nothing is said.",
        f"The {contest.n_programs} programs and {contest.n_runs} training seeds are a sample: the "
        "interval is for other programs and other seeds of the same kind.",
    ]


def _formats(contest: Contest) -> str:
    pair = contest.pair
    if pair.like_with_like:
        return f"Both arms answer in {pair.instruction}."
    return (
        f"The instruction is asked in {pair.instruction}, the demonstrations in "
        f"{pair.demonstrations}: the rate is of this pair, and like with like may differ."
    )


def declared(notes: StudyNotes) -> str:
    """The primary contrast in words; empty where the study declares none."""
    if not notes.primary:
        return ""
    factors = ", ".join(f"{name} {value}" for name, value in notes.primary_factors.items())
    return f"the rate of the headline pair{f', {factors}' if factors else ''}"

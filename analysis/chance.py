"""The random baseline: whether what an arm gets right is more than a guess gets.

Each program's chance, the share of its items that a guess without knowledge of it gets right, comes
with the item rows. It is known and not estimated, so an arm is set against it program by program,
as against an arm that no training made: by a one-sided t test with the arm's own uncertainty.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Final

import numpy as np
import polars as pl

from analysis.comparison import Contest
from analysis.covariance import student, uncertainty
from analysis.curves import Level
from analysis.factors import program_space
from analysis.isotonic import TIE

SPACE: Final = ("study", "domain", "factors", "program")
"""What a program's chance depends on, with everything in `factors` that is none of the domain's."""

ONE_SIDED: Final = 0.05
"""Chance of taking a guess for knowledge: of one arm, or of any of several."""

Key = tuple[str, str]
Chances = dict[Key, dict[str, float]]
"""Study and set of programs -> program -> share that a guess gets right."""


def with_chance(contests: Sequence[Contest], scores: pl.DataFrame) -> list[Contest]:
    """Contests with the guess on their programs; unchanged where not every program's is known.

    scores: `load.Evidence.scores`.
    """
    known = chances(scores, "target")
    found = []
    for contest in contests:
        programs = contest.levels[0].programs
        key = (str(contest.factors.get("study")), program_space(contest.factors))
        of_program = known.get(key, {})
        if programs and of_program.keys() >= set(programs):
            contest = replace(contest, guess=_guess(programs, of_program))
        found.append(contest)
    return found


def chances(scores: pl.DataFrame, split: str) -> Chances:
    """Each program's chance on a split, the same in every run and arm."""
    rows = scores.filter(measure="chance", split=split)
    found: Chances = {}
    means = rows.group_by(SPACE).agg(pl.col("score").mean()).sort(SPACE)
    for study, domain, factors, program, score in means.iter_rows():
        key = (study, program_space({"domain": domain, "factors": factors}))
        found.setdefault(key, {})[program] = score
    return found


def _guess(programs: Sequence[str], chance: dict[str, float]) -> Level:
    accuracy = np.array([[chance[program] for program in programs]])
    ones = np.ones(accuracy.shape)
    return Level("chance", 0, "", (0,), frozenset({0}), tuple(programs), accuracy, ones, 1)


def guessing(contest: Contest) -> str:
    """Why a guess explains what the instruction arm gets right; empty where it does not.

    Empty too where chance is not known. What no arm does better than a guess, with the instruction
    in the prompt neither, the model cannot do, and no arm can show what it was taught.
    """
    chance = contest.chance
    if chance is None:
        return ""
    shown = contest.at("in_context")
    others = [level for level in contest.levels if level.series != "in_context"]
    if shown is not None and not (above(contest, [shown]) or above(contest, others)):
        return (
            f"no arm is above the random baseline ({chance.mean:.0%}), not even in_context "
            f"({shown.mean:.0%}): the model cannot do this domain"
        )
    instruction = contest.levels[0].mean
    if instruction <= chance.mean + TIE:
        return f"the instruction ({instruction:.0%}) is not above {baseline(chance)}"
    return ""


def doubtful(contest: Contest) -> str:
    """What to add to a rate whose instruction may be a guess; empty where it is none."""
    chance = contest.chance
    if chance is None or above(contest, contest.levels[:1]):
        return ""
    return f"the instruction is not clearly above {baseline(chance)}"


def baseline(chance: Level) -> str:
    """The random baseline in words."""
    return f"the random baseline ({chance.mean:.0%})"


def above(contest: Contest, levels: Sequence[Level]) -> bool:
    """Whether any of the levels is surely above chance, Bonferroni-corrected for their number.

    Without replication, whether any lies above it at all.
    """
    chance = contest.chance
    assert chance is not None, "asked only where chance is known"
    excess = np.array([level.mean - chance.mean for level in levels])
    replicated = np.array([level.replicated for level in levels])
    if contest.n_programs < 2 or not replicated.any():
        return bool((excess > TIE).any())
    known = uncertainty([*contest.levels, chance])
    sides = np.zeros((len(levels), len(contest.levels) + 1))
    sides[np.arange(len(levels)), [contest.levels.index(level) for level in levels]] = 1
    sides[:, -1] = -1
    se, df = known.linear(sides)
    margin = student(df, 1 - 2 * ONE_SIDED / len(levels)) * se
    return bool((replicated & (excess - margin > TIE)).any())

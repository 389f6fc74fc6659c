"""How far a rate can be trusted: what a reader should look at before believing it.

Pure functions of one comparison, cheap enough to be made for thousands.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import pairwise
from typing import Literal

import numpy as np

from analysis.comparison import Contest
from analysis.covariance import Uncertainty, uncertainty
from analysis.curves import Array, Level
from analysis.exchange import log_rates
from analysis.isotonic import invert


@dataclass(frozen=True)
class Fall:
    """Accuracy falling from one n to the next, where the method assumes that it never does.

    fall: accuracy lost, > 0. margin: half the width of its 95% interval, null without runs.
    """

    n: int
    next_n: int
    fall: float
    margin: float | None

    @property
    def clear(self) -> bool:
        """Whether it is more than the noise between runs and programs explains."""
        return self.margin is not None and self.fall > self.margin


@dataclass(frozen=True)
class LeftOut:
    """The rate without one program, or without one stage 1 and all that was built on it.

    log10_rate: -inf or inf where the rate then lies beyond the n that were run.
    """

    kind: Literal["program", "run"]
    name: str
    log10_rate: float


@dataclass(frozen=True)
class Shift:
    """How far left of the demonstrations curve arm `both` stands at one n: log10 of n worth over n.

    residual: what is left of the shift's mean over n. Parallel curves leave none.
    """

    n: int
    log10_shift: float
    residual: float


@dataclass(frozen=True)
class Diagnostics:
    """What speaks against a rate.

    falls: of the demonstrations curve, n ascending. left_out: programs, then runs, each in its
    order; empty where leaving one out leaves too little. shifts: n of arm `both` whose accuracy
    lies on the curve, if two or more.
    """

    falls: tuple[Fall, ...]
    left_out: tuple[LeftOut, ...]
    shifts: tuple[Shift, ...]

    def span(self, kind: Literal["program", "run"]) -> tuple[float, float] | None:
        """Least and greatest log10 rate when one is left out; null where none was."""
        found = [each.log10_rate for each in self.left_out if each.kind == kind]
        return (min(found), max(found)) if found else None


def diagnose(contest: Contest, known: Uncertainty | None = None) -> Diagnostics:
    """known: uncertainty of the contest's levels, where it is at hand."""
    if contest.n_programs < 2:
        return Diagnostics((), (), ())
    if known is None:
        known = uncertainty(contest.levels)
    left_out = (*_without_a_program(contest), *_without_a_run(contest))
    return Diagnostics(_falls(contest, known), left_out, _shifts(contest))


def _falls(contest: Contest, known: Uncertainty) -> tuple[Fall, ...]:
    shown = [i for i, level in enumerate(contest.levels) if level.series == "demonstrations"]
    found = []
    for left, right in pairwise(shown):
        first, second = contest.levels[left], contest.levels[right]
        fall = first.mean - second.mean
        if fall <= 1e-9:
            continue
        margin = None
        if first.replicated and second.replicated:
            sides = np.zeros(len(contest.levels))
            sides[[left, right]] = 1, -1
            margin = float(known.margin(sides)[0])
        found.append(Fall(first.n, second.n, fall, margin))
    return tuple(found)


def _without_a_program(contest: Contest) -> list[LeftOut]:
    """All at once: every row of means leaves one program out."""
    by_program = np.stack([level.accuracy.mean(axis=0) for level in contest.levels])
    count = by_program.shape[1]
    means = (by_program.sum(axis=1) - by_program.T) / (count - 1)
    names = contest.levels[0].programs
    return _left_out("program", names, log_rates(contest, means))


def _without_a_run(contest: Contest) -> list[LeftOut]:
    """A stage 1 goes with every run that was built on it. Levels with no other stay out."""
    clusters = sorted({c for level in contest.levels if level.trained for c in level.clusters})
    found: list[LeftOut] = []
    for cluster in clusters:
        kept = [part for level in contest.levels if (part := _without(level, cluster)) is not None]
        series = [level.series for level in kept]
        if "demonstrations" not in series or series[0] != "instruction":
            continue
        rest = replace(contest, levels=tuple(kept))
        means = np.array([[level.mean for level in kept]])
        found += _left_out("run", (f"seed {cluster}",), log_rates(rest, means))
    return found


def _without(level: Level, cluster: int) -> Level | None:
    if not level.trained or cluster not in level.clusters:
        return level
    rows = [row for row, name in enumerate(level.clusters) if name != cluster]
    if not rows:
        return None
    clusters = tuple(level.clusters[row] for row in rows)
    accuracy, n_items = level.accuracy[rows], level.n_items[rows]
    return replace(level, clusters=clusters, accuracy=accuracy, n_items=n_items)


def _left_out(kind: Literal["program", "run"], names: Sequence[str], rates: Array) -> list[LeftOut]:
    return [
        LeftOut(kind, name, float(rate) / float(np.log(10)))
        for name, rate in zip(names, rates, strict=True)
    ]


def _shifts(contest: Contest) -> tuple[Shift, ...]:
    """log10 of F0^-1(F1(n)) / n, which is one number where both curves have one shape."""
    if len(contest.both) < 2:
        return ()
    shown = contest.demonstrations
    curve = np.array([[level.mean for level in shown]]).repeat(len(contest.both), axis=0)
    weight = np.array([float(len(level.clusters)) for level in shown])
    aim = np.array([level.mean for level in contest.both])
    worth = invert(np.log10([float(level.n) for level in shown]), curve, weight, aim)
    n = np.array([level.n for level in contest.both])
    inside = np.isfinite(worth)
    if inside.sum() < 2:
        return ()
    shift = worth[inside] - np.log10(n[inside])
    residual = shift - shift.mean()
    return tuple(
        Shift(int(at), float(each), float(rest))
        for at, each, rest in zip(n[inside], shift, residual, strict=True)
    )

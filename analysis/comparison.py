"""Comparisons and the pairs of formats within them: which runs are set against which.

A rate belongs to a comparison (runs equal in every factor but arm, demonstrations and seeds) and
to a pair: how the instruction arm is asked, how the demonstrations arm is asked, and what one
demonstration shows. Factors of some arms alone, such as the skew of demonstrations or the share of
replay, make as many comparisons as they have values; arms that they do not apply to join them all.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Final

import numpy as np

from analysis.curves import COMPARISON, Cell, Level, Series
from analysis.factors import EXECUTIONS, OF_ARMS, UNSAID, joined, without
from pbb.config import DEMONSTRATED_ARMS


@dataclass(frozen=True, order=True)
class Pair:
    """Formats compared: instruction arm's answers, demonstrations arm's answers, demonstrations."""

    instruction: str
    demonstrations: str
    demonstration_format: str

    @property
    def like_with_like(self) -> bool:
        """Whether both arms answer alike, and demonstrations show what is asked for."""
        return self in LIKE_WITH_LIKE

    @property
    def label(self) -> str:
        """like with like; practitioner (against answer-only demonstrations); or unlike."""
        if self.like_with_like:
            return "like with like"
        if (self.demonstrations, self.demonstration_format) == ("direct", "answer"):
            return "practitioner"
        return "unlike"

    def __str__(self) -> str:
        shown = {"trace": "traced", "answer": "answer-only"}[self.demonstration_format]
        return f"{self.instruction} / {self.demonstrations}, {shown}"


LIKE_WITH_LIKE: Final = (Pair("cot", "cot", "trace"), Pair("direct", "direct", "answer"))
DEFAULT_HEADLINE: Final = Pair("recite", "cot", "trace")


@dataclass(frozen=True)
class Contest:
    """One comparison under one pair of formats, all on the same programs.

    levels: instruction, none, the controls at hand, then demonstrations and both in order of n.
    Both is asked as the instruction is.
    note: what had to be left out, for the report; empty where nothing was.
    guess: what a guess gets of these programs, or of more; null where the rows do not say. It is
    no level, so that knowing it changes no estimate.
    """

    factors: dict[str, Any]
    pair: Pair
    levels: tuple[Level, ...]
    note: str
    guess: Level | None = None

    def at(self, series: Series) -> Level | None:
        """The only level of a series; null where it was not run."""
        return next((found for found in self.levels if found.series == series), None)

    @property
    def demonstrations(self) -> tuple[Level, ...]:
        """The curve's levels, n ascending."""
        return tuple(found for found in self.levels if found.series == "demonstrations")

    @property
    def both(self) -> tuple[Level, ...]:
        """Instruction and demonstrations together, n ascending; often empty."""
        return tuple(found for found in self.levels if found.series == "both")

    @property
    def chance(self) -> Level | None:
        """The guess on the programs of the levels."""
        return None if self.guess is None else self.guess.keep(self.levels[0].programs)

    @property
    def n_programs(self) -> int:
        """Programs that every level answered in every run."""
        return len(self.levels[0].programs)

    @property
    def n_runs(self) -> int:
        """Distinct seeds of the instruction and the demonstrations arm."""
        core = [found for found in self.levels if found.series in ("instruction", "demonstrations")]
        return len(frozenset[int]().union(*(found.seeds for found in core)))


def contests(found: Sequence[Cell], headline: Pair) -> list[Contest]:
    """Every comparison that has both arms, under every pair of formats worth a rate.

    found: `curves.target_cells`. Pairs: the headline, then like with like; where a comparison has
    none of them, every pair it has.
    """
    beside = {
        series: _by(names, [_unexecuted(cell) for cell in found if chosen(cell[0])])
        for series, (names, chosen) in BESIDE.items()
    }
    contests = []
    for key, group in _by(COMPARISON, found).items():
        factors = dict(zip(COMPARISON, key, strict=True))
        shared = _shared(factors)
        near = {
            series: beside[series].get(tuple(shared[name] for name in names), [])
            for series, (names, _) in BESIDE.items()
        }
        if factors["curriculum"] in ("no-acquisition", "none"):
            near["no_acquisition"] = []
        for values in _of_arms(group):
            members = _joining(group, values)
            own = factors | {"factors": joined(factors["factors"], _told(values, group))}
            beneath = {series: _joining(cells, values) for series, cells in near.items()}
            pairs = _pairs(members, headline)
            contests += [_contest(own, members, beneath, pair) for pair in pairs]
    return contests


def _of_arms(group: list[Cell]) -> list[dict[str, Any]]:
    """Each setting of what is of some arms alone, as the demonstrations of the group have it."""
    shown = _by(tuple(OF_ARMS), [cell for cell in group if cell[0]["arm"] in DEMONSTRATED_ARMS])
    ordered = sorted(shown, key=lambda values: [_rank(value) for value in values])
    return [dict(zip(OF_ARMS, values, strict=True)) for values in ordered]


def _rank(value: Any) -> tuple[bool, bool, Any]:
    return value is not None, isinstance(value, str), 0 if value is None else value


def _joining(cells: list[Cell], values: Mapping[str, Any]) -> list[Cell]:
    """The cells that have these values, and those to which they do not apply."""
    return [
        cell
        for cell in cells
        if all(
            None in (value, cell[0][name]) or cell[0][name] == value
            for name, value in values.items()
        )
    ]


def _told(values: Mapping[str, Any], group: list[Cell]) -> dict[str, Any]:
    """What is worth saying of a comparison: a default is named only where there are others."""
    varied = {name for name in values if len({cell[0][name] for cell in group} - {None}) > 1}
    return {
        name: value
        for name, value in values.items()
        if value is not None and (value != UNSAID[name] or name in varied)
    }


def _shared(factors: dict[str, Any]) -> dict[str, Any]:
    """The factors without what a control that lies outside the comparison does not have."""
    return factors | {"factors": without(factors["factors"], EXECUTIONS)}


def _unexecuted(cell: Cell) -> Cell:
    return _shared(cell[0]), cell[1]


def _untuned(factors: dict[str, Any]) -> bool:
    return (factors["curriculum"], factors["arm"]) == ("none", "none")


def _unprepared(factors: dict[str, Any]) -> bool:
    return (factors["curriculum"], factors["arm"]) == ("no-acquisition", "instruction")


APART: Final = frozenset({"no_acquisition"})
"""Series whose runs stand on no stage 1, or on another."""

BASE: Final = ("study", "model", "n_params", "representation", "domain", "factors")
BESIDE: Final[dict[Series, tuple[tuple[str, ...], Callable[[dict[str, Any]], bool]]]] = {
    "untuned": (BASE, _untuned),
    "no_acquisition": ((*BASE, "lora_rank", "templates"), _unprepared),
}
"""Controls that lie outside the comparison, since their curriculum differs, and what they must
share with it. The untuned base knows nothing of rank, templates or acquisition; without stage 1,
the number of acquisition programs, and of their executions, changes nothing."""


def _by(names: Sequence[str], found: Sequence[Cell]) -> dict[tuple[Any, ...], list[Cell]]:
    groups: dict[tuple[Any, ...], list[Cell]] = {}
    for cell in found:
        groups.setdefault(tuple(cell[0][name] for name in names), []).append(cell)
    return groups


def _pairs(group: list[Cell], headline: Pair) -> list[Pair]:
    asked = [factors for factors, _ in group]
    instructed = {each["response_format"] for each in asked if each["arm"] == "instruction"}
    curves = {
        (each["response_format"], each["demonstration_format"])
        for each in asked
        if each["arm"] == "demonstrations"
    }
    present = [Pair(one, *curve) for one in sorted(instructed) for curve in sorted(curves)]
    wanted = [headline, *(pair for pair in LIKE_WITH_LIKE if pair != headline)]
    return [pair for pair in wanted if pair in present] or present


def _contest(
    factors: dict[str, Any], group: list[Cell], near: dict[Series, list[Cell]], pair: Pair
) -> Contest:
    either = (pair.instruction, pair.demonstrations)
    arms = _by(("arm",), group)
    asked: list[tuple[Series, list[Cell], tuple[str, ...]]] = [
        ("instruction", arms.get(("instruction",), []), (pair.instruction,)),
        ("none", arms.get(("none",), []), (pair.demonstrations,)),
        ("placebo", arms.get(("placebo",), []), either),
        ("in_context", arms.get(("in_context",), []), either),
        ("no_acquisition", near["no_acquisition"], either),
        ("untuned", near["untuned"], either[::-1]),
    ]
    levels = [found for entry in asked if (found := _control(*entry)) is not None]
    # Where a control was run in several ways that should change nothing, the first stands for all.
    for arm, response_format in (
        ("demonstrations", pair.demonstrations),
        ("both", pair.instruction),
    ):
        levels += _by_n(arms.get((arm,), []), pair.demonstration_format, response_format)
    return _aligned(factors, pair, levels)


def _control(series: Series, found: list[Cell], formats: tuple[str, ...]) -> Level | None:
    """The series in the first of the formats that it was asked in."""
    for response_format in formats:
        for _, level in found:
            if level.response_format == response_format:
                found_level = replace(level, series=series)
                # Without stage 1 there is no stage-1 luck to share with those who have one.
                own = tuple(-1 - cluster for cluster in level.clusters)
                return replace(found_level, clusters=own) if series in APART else found_level
    return None


def _by_n(found: list[Cell], demonstration_format: str, response_format: str) -> list[Level]:
    chosen = [
        level
        for factors, level in found
        if factors["demonstration_format"] == demonstration_format
        and level.response_format == response_format
    ]
    return sorted(chosen, key=lambda level: level.n)


def _aligned(factors: dict[str, Any], pair: Pair, levels: list[Level]) -> Contest:
    """All levels on the programs that the arms of the rate share."""
    core = [found for found in levels if found.series in ("instruction", "none", "demonstrations")]
    shared = set(core[0].programs).intersection(*(found.programs for found in core[1:]))
    kept = [found for found in levels if shared.issubset(found.programs)]
    dropped = len({program for found in core for program in found.programs} - shared)
    notes = [
        f"{found.series} lacks programs and is left out" for found in levels if found not in kept
    ]
    if dropped:
        notes.insert(0, f"{dropped} program(s) not answered in every arm and run are left out")
    programs = _canonical(sorted(shared), kept)
    asked = [found.keep(programs).n_items.sum(axis=0) / found.n_runs for found in core]
    if any((each != asked[0]).any() for each in asked):
        notes.append("some programs were asked fewer items in some arms, so not all items pair")
    return Contest(factors, pair, tuple(found.keep(programs) for found in kept), "; ".join(notes))


def _canonical(programs: list[str], levels: list[Level]) -> list[str]:
    """Programs ordered by their results, so that no estimate can depend on their names."""
    if not programs:
        return programs
    results = np.concatenate([found.keep(programs).accuracy for found in levels])
    return [programs[column] for column in np.lexsort(results)]

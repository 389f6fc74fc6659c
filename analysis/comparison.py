"""Comparisons and the pairs of formats within them: which runs are set against which.

A rate belongs to a comparison (runs equal in every factor but arm, demonstrations and seeds) and
to a pair: how the instruction arm is asked, how the demonstrations arm is asked, and what one
demonstration shows.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
import polars as pl

from analysis.curves import COMPARISON, Level, Series, level


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
    """

    factors: dict[str, Any]
    pair: Pair
    levels: tuple[Level, ...]
    note: str

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
    def n_programs(self) -> int:
        """Programs that every level answered in every run."""
        return len(self.levels[0].programs)

    @property
    def n_runs(self) -> int:
        """Distinct seeds of the instruction and the demonstrations arm."""
        core = [found for found in self.levels if found.series in ("instruction", "demonstrations")]
        return len(frozenset[int]().union(*(found.seeds for found in core)))


def contests(counts: pl.DataFrame, headline: Pair) -> list[Contest]:
    """Every comparison that has both arms, under every pair of formats worth a rate.

    counts: `curves.program_counts`, all splits. Pairs: the headline, then like with like; where a
    comparison has none of them, every pair it has.
    """
    asked = counts.filter((pl.col("split") == "target") & (pl.col("measure") == "execution"))
    found = []
    for key, group in sorted(asked.partition_by(COMPARISON, as_dict=True).items(), key=_order):
        factors = dict(zip(COMPARISON, key, strict=True))
        beside = _beside(asked, factors)
        found += [_contest(factors, group, beside, pair) for pair in _pairs(group, headline)]
    return found


def _order(entry: tuple[tuple[Any, ...], pl.DataFrame]) -> tuple[tuple[bool, Any], ...]:
    return tuple((value is None, value if value is not None else 0) for value in entry[0])


def _pairs(group: pl.DataFrame, headline: Pair) -> list[Pair]:
    instructed = group.filter(pl.col("arm") == "instruction")["response_format"].unique().sort()
    shown = group.filter(pl.col("arm") == "demonstrations")
    curves = shown.select("response_format", "demonstration_format").unique().sort(pl.all()).rows()
    present = [Pair(instruction, *curve) for instruction in instructed for curve in curves]
    wanted = [headline, *(pair for pair in LIKE_WITH_LIKE if pair != headline)]
    return [pair for pair in wanted if pair in present] or present


def _beside(asked: pl.DataFrame, factors: dict[str, Any]) -> dict[Series, pl.DataFrame]:
    """Controls that lie outside the comparison because their curriculum differs.

    The untuned base knows nothing of rank, templates or acquisition; without stage 1, the number
    of acquisition programs changes nothing.
    """
    base = ("study", "model", "n_params", "representation", "domain", "factors")
    same = (*base, "lora_rank", "templates")
    untuned = (pl.col("curriculum") == "none") & (pl.col("arm") == "none")
    unprepared = (pl.col("curriculum") == "no-acquisition") & (pl.col("arm") == "instruction")
    if factors["curriculum"] in ("no-acquisition", "none"):
        unprepared = pl.lit(False)
    return {
        "untuned": asked.filter(untuned & _equal(factors, base)),
        "no_acquisition": asked.filter(unprepared & _equal(factors, same)),
    }


def _equal(factors: dict[str, Any], names: Iterable[str]) -> pl.Expr:
    return pl.all_horizontal(pl.col(name).eq_missing(pl.lit(factors[name])) for name in names)


def _contest(
    factors: dict[str, Any], group: pl.DataFrame, beside: dict[Series, pl.DataFrame], pair: Pair
) -> Contest:
    arms = {name: group.filter(pl.col("arm") == name) for name in group["arm"].unique()}
    empty = group.clear()
    asked: list[tuple[Series, pl.DataFrame, tuple[str, ...]]] = [
        ("instruction", arms["instruction"], (pair.instruction,)),
        ("none", arms.get("none", empty), (pair.demonstrations,)),
        ("placebo", arms.get("placebo", empty), (pair.instruction, pair.demonstrations)),
        ("in_context", arms.get("in_context", empty), (pair.instruction, pair.demonstrations)),
        ("no_acquisition", beside["no_acquisition"], (pair.instruction, pair.demonstrations)),
        ("untuned", beside["untuned"], (pair.demonstrations, pair.instruction)),
    ]
    levels = [found for entry in asked if (found := _control(*entry)) is not None]
    shown = arms["demonstrations"]
    levels += _by_n("demonstrations", shown, pair.demonstration_format, pair.demonstrations)
    mixed = arms.get("both", empty)
    levels += _by_n("both", mixed, pair.demonstration_format, pair.instruction)
    return _aligned(factors, pair, levels)


def _by_n(
    series: Series, rows: pl.DataFrame, demonstration_format: str, response_format: str
) -> list[Level]:
    chosen = rows.filter(
        (pl.col("demonstration_format") == demonstration_format)
        & (pl.col("response_format") == response_format)
    )
    return [
        level(chosen.filter(pl.col("demonstrations") == n), series, n, response_format)
        for n in chosen["demonstrations"].unique().sort()
    ]


def _control(series: Series, rows: pl.DataFrame, formats: tuple[str, ...]) -> Level | None:
    """The series in the first of the formats that it was asked in."""
    for response_format in formats:
        chosen = rows.filter(pl.col("response_format") == response_format)
        if not chosen.is_empty():
            return level(chosen, series, 0, response_format)
    return None


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
    return Contest(factors, pair, tuple(found.keep(programs) for found in kept), "; ".join(notes))


def _canonical(programs: list[str], levels: list[Level]) -> list[str]:
    """Programs ordered by their results, so that no estimate can depend on their names."""
    if not programs:
        return programs
    results = np.concatenate([found.keep(programs).accuracy for found in levels])
    return [programs[column] for column in np.lexsort(results)]

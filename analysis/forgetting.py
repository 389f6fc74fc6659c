"""What each stage gained and lost on acquisition programs: by itself, in context, and by heart."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any, Final

import polars as pl

from analysis.curves import Level, cells
from analysis.differences import Estimate, difference
from analysis.run_rules import ASKED

MEASURED: Final = ("execution", "in_context", "recall")


@dataclass(frozen=True)
class Retention:
    """One arm of one comparison, by one measure and in one format.

    factors: as of a cell. accuracies: after so many training stages (0: of the base before) -> what
    was right there. changed: the last stage's less that before it, the same runs and programs.
    """

    factors: dict[str, Any]
    measure: str
    accuracies: dict[int, float]
    changed: Estimate
    n_programs: int
    n_runs: int


def retention(history: pl.DataFrame) -> list[Retention]:
    """Of every arm that was asked acquisition programs after two stages or more.

    history: `load.Evidence.history`; of each stage its last step counts.
    """
    asked = history.filter(pl.col("measure").is_in(MEASURED), split="acquisition")
    keys = [*ASKED, "stage"]
    last = asked.group_by(keys).agg(pl.col("step").max())
    ended = asked.join(last, on=[*keys, "step"], how="semi", nulls_equal=True)
    found: list[Retention] = []
    for measure in MEASURED:
        found += _of_measure(ended.filter(measure=measure), measure)
    return found


def _of_measure(ended: pl.DataFrame, measure: str) -> Iterator[Retention]:
    arms: dict[str, tuple[dict[str, Any], dict[int, Level]]] = {}
    for stage in sorted(ended["stage"].unique()):
        for factors, level in cells(ended.filter(stage=stage)):
            # What nobody trained is the same in every run, so it has no run noise.
            untrained = replace(level, series="untuned")
            arms.setdefault(repr(factors), (factors, {}))[1][stage] = level if stage else untrained
    for factors, levels in arms.values():
        if len(levels) >= 2:
            *_, before, after = levels.values()
            changed = difference(after, before)
            if changed is not None:
                accuracies = {stage: level.mean for stage, level in levels.items()}
                sizes = (len(after.programs), after.n_runs)
                yield Retention(factors, measure, accuracies, changed, *sizes)


def retention_frame(found: Sequence[Retention]) -> pl.DataFrame:
    """One row for every stage of each, for a file; the change stands at the last one."""
    rows = [
        each.factors
        | {"measure": each.measure, "stage": stage, "accuracy": accuracy}
        | _changed(each if stage == max(each.accuracies) else None)
        | {"n_programs": each.n_programs, "n_runs": each.n_runs}
        for each in found
        for stage, accuracy in each.accuracies.items()
    ]
    return pl.DataFrame(rows, infer_schema_length=None)


def _changed(each: Retention | None) -> dict[str, float | None]:
    if each is None:
        return {"change": None, "ci_low": None, "ci_high": None}
    changed = each.changed
    return {"change": changed.value, "ci_low": changed.ci_low, "ci_high": changed.ci_high}

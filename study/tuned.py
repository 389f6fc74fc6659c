"""`tuning.parquet`: every proposal of nuisances, its score, and which one was chosen."""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import polars as pl

from pbb.records import SCHEMA_KEY, SCHEMA_VERSION, Status
from search_spaces.groups import Group
from search_spaces.study_file import Study
from search_spaces.tuning import groups, paths_of
from study.files import read_rows, write_parquet
from study.identity import canonical_json

TUNED_SCHEMA: Final[dict[str, pl.DataType]] = {
    "model": pl.String(),
    "weights": pl.String(),
    "arms": pl.String(),
    "proposal": pl.Int64(),
    "nuisances": pl.String(),
    "score": pl.Float64(),
    "least": pl.Float64(),
    "greatest": pl.Float64(),
    "runs": pl.Int64(),
    "diverged": pl.Int64(),
    "device_s": pl.Float64(),
    "chosen": pl.Boolean(),
}
"""One row a group and distinct proposal. weights: `lora` or `all`. arms: `instruction`,
`demonstrations` or `every`. nuisances: canonical JSON. score: mean over runs of the share of items
of validation programs answered right; least and greatest of these runs. A run that diverged counts
0. device_s: what its runs were charged with."""

Row = Mapping[str, Any]
_CHARGED: Final = ("startup_device_s", "train_device_s", "evaluate_device_s", "idle_device_s")
CONCLUSIVE: Final = frozenset({Status.OK.value, Status.DIVERGED.value})
"""How trials end that say something about what was proposed."""


@dataclass(frozen=True)
class Proposal:
    """Values of nuisances by dotted path, and the rows of all their trials."""

    values: Mapping[str, float]
    rows: Sequence[Row]

    @property
    def scores(self) -> list[float]:
        """Of each run; 0 where it diverged."""
        return [row["accuracy"] or 0.0 for row in self.rows]

    @property
    def score(self) -> float:
        """Mean over runs."""
        return sum(self.scores) / len(self.rows)

    @property
    def diverged(self) -> int:
        """Number of runs."""
        return sum(row["status"] == Status.DIVERGED.value for row in self.rows)


def whole_proposals(trials: Iterable[Row], runs: int) -> list[Proposal]:
    """Proposals of which all runs have come to an end that says something, in order.

    trials: rows of `trials.parquet`. runs: how many a proposal has.
    """
    ended: dict[str, list[Row]] = defaultdict(list)
    for row in trials:
        if row["status"] in CONCLUSIVE:
            ended[row["nuisances"]].append(row)
    return [Proposal(json.loads(text), rows) for text, rows in ended.items() if len(rows) == runs]


def best(proposals: Iterable[Proposal]) -> Proposal:
    """The proposal of the highest score; of equal ones that of smaller values, the gentler one."""
    return min(
        proposals,
        key=lambda each: (-each.score, [each.values[path] for path in sorted(each.values)]),
    )


def tuned_rows(group: Group, proposals: Sequence[Proposal]) -> list[Row]:
    """A group's rows of the table."""
    winner = best(proposals)
    return [
        {
            "model": group.model,
            "weights": group.weights,
            "arms": group.arms,
            "proposal": index,
            "nuisances": canonical_json(each.values),
            "score": each.score,
            "least": min(each.scores),
            "greatest": max(each.scores),
            "runs": len(each.rows),
            "diverged": each.diverged,
            "device_s": sum(row[name] or 0.0 for row in each.rows for name in _CHARGED),
            "chosen": each is winner,
        }
        for index, each in enumerate(proposals)
    ]


def write_tuned(path: Path, rows: Iterable[Row]) -> None:
    """Replace the table."""
    frame = pl.DataFrame([dict(row) for row in rows], schema=TUNED_SCHEMA)
    write_parquet(path, frame, {SCHEMA_KEY: str(SCHEMA_VERSION)})


def read_tuned(path: Path, study: Study) -> dict[Group, list[Row]]:
    """Rows of each group of the study that has been tuned whole, in the order of the table.

    Empty where there is no table or it cannot be read. Rows of another tuning are left out.
    """
    if study.tune is None:
        return {}
    found: dict[Group, list[Row]] = defaultdict(list)
    for row in read_rows(path, TUNED_SCHEMA):
        found[Group(row["model"], row["weights"], row["arms"])].append(row)
    return {
        group: found[group]
        for group in groups(study)
        if _is_whole(found[group], set(paths_of(study.tune, group)))
    }


def _is_whole(rows: Sequence[Row], paths: set[str]) -> bool:
    """One proposal was chosen, and all are of these nuisances."""
    told = [_numbers(row["nuisances"]).keys() == paths for row in rows]
    return all(told) and sum(row["chosen"] is True for row in rows) == 1


def _numbers(text: str | None) -> Mapping[str, float]:
    """A row's values of nuisances; none where the text is not of numbers by name."""
    try:
        values = json.loads(text or "null")
    except (ValueError, RecursionError):
        return {}
    numbers = isinstance(values, dict) and all(type(v) in (int, float) for v in values.values())
    return values if numbers else {}


def read_chosen(path: Path, study: Study) -> dict[Group, dict[str, float]]:
    """The values chosen so far."""
    return {
        group: json.loads(row["nuisances"])
        for group, rows in read_tuned(path, study).items()
        for row in rows
        if row["chosen"]
    }

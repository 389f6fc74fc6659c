"""Counts -> accuracy as program x run matrices, the sufficient statistics of every estimate."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final, Literal

import numpy as np
import polars as pl
from numpy.typing import NDArray

from analysis.factors import OF_ARMS, UNSAID, applies, laid_open, split_arms

Array = NDArray[np.float64]

COMPARISON: Final = (
    "study",
    "model",
    "n_params",
    "curriculum",
    "lora_rank",
    "representation",
    "domain",
    "acquisition",
    "templates",
    "factors",
)
"""A comparison is a set of runs equal in these; arm, demonstrations and seeds vary within it.

Keys of `factors` that are of some arms alone are no part of it (see `analysis.factors`).
"""

TREATMENT: Final = ("arm", "demonstrations", "demonstration_format", "response_format")

Series = Literal[
    "demonstrations",
    "instruction",
    "both",
    "none",
    "placebo",
    "in_context",
    "no_acquisition",
    "untuned",
    "chance",
]
"""What a figure draws: an arm of the comparison, or a control taken from beside it.

both: the instruction and n demonstrations. no_acquisition: the instruction without stage 1;
untuned: the base model as it came; chance: a guess that knows nothing of the program.
"""


def accuracy_by_split(counts: pl.DataFrame, scores: pl.DataFrame) -> pl.DataFrame:
    """Per comparison, treatment, split and measure: accuracy, every program weighing the same.

    counts, scores: as `load.Evidence` has them; the accuracy of a measure other than execution is
    its mean score. Out: the keys; accuracy f64, n_programs u32, n_runs u32 (distinct seeds),
    n_items u32.
    """
    keys = [*COMPARISON, *TREATMENT, "split", "measure"]
    columns = [*keys, "program", "seed", "n_items"]
    executed = counts.filter(measure="execution")
    shares = executed.select(*columns, share=pl.col("n_correct") / pl.col("n_items"))
    others = scores.select(*columns, share="score")
    return (
        pl.concat([shares, others])
        .group_by(keys)
        .agg(
            accuracy=pl.col("share").mean(),
            n_programs=pl.col("program").n_unique(),
            n_runs=pl.col("seed").n_unique(),
            n_items=pl.col("n_items").sum(),
        )
        .sort(keys)
    )


@dataclass(frozen=True, eq=False)
class Level:
    """One point of a figure: a series at one n, in one response format.

    accuracy: shape (clusters, programs). A cluster is a stage 1 and all runs built on it: they
    share its luck, so they count once. Programs without an answer in every run are left out.
    n_items: shape (clusters, programs), the items behind each accuracy, all runs together. n_runs:
    of all clusters together.
    """

    series: Series
    n: int
    response_format: str
    clusters: tuple[int, ...]
    seeds: frozenset[int]
    programs: tuple[str, ...]
    accuracy: Array
    n_items: Array
    n_runs: int

    @property
    def mean(self) -> float:
        """Accuracy, every program and every cluster weighing the same."""
        return float(self.accuracy.mean()) if self.accuracy.size else float("nan")

    @property
    def trained(self) -> bool:
        """Whether training could have turned out otherwise; the untuned base has no run noise."""
        return self.series not in ("untuned", "chance")

    @property
    def replicated(self) -> bool:
        """Whether run noise can be seen at all: it takes two stage-1 seeds."""
        return len(self.clusters) >= 2 or not self.trained

    def keep(self, programs: Sequence[str]) -> Level:
        """The same level on these of its programs, in this order."""
        where = {program: column for column, program in enumerate(self.programs)}
        columns = [where[program] for program in programs]
        return Level(
            self.series,
            self.n,
            self.response_format,
            self.clusters,
            self.seeds,
            tuple(programs),
            self.accuracy[:, columns],
            self.n_items[:, columns],
            self.n_runs,
        )


CELL: Final = (*COMPARISON, *TREATMENT)


Cell = tuple[dict[str, Any], Level]
"""A level and its factors: COMPARISON and TREATMENT; those of some arms alone, null for the others;
the split. Its series is the arm."""


def target_cells(counts: pl.DataFrame) -> list[Cell]:
    """What was executed on targets, cut into cells; counts: `load.Evidence.counts`."""
    return split_cells(counts, "target")


def split_cells(counts: pl.DataFrame, split: str) -> list[Cell]:
    """What was executed on a split, cut into cells."""
    executed = counts.filter(split=split, measure="execution")
    return [({**factors, "split": split}, level) for factors, level in cells(executed)]


def cells(counts: pl.DataFrame) -> list[Cell]:
    """Every cell of the counts (of one split and measure), sorted by its factors."""
    if counts.is_empty():
        return []
    programs = counts["program"].unique().sort()
    keys = [*CELL, "own"]
    coded = _apart(counts).select(
        *keys,
        run=pl.struct("run", "seed").rank("dense"),
        program=pl.col("program").cast(pl.Enum(programs)).to_physical(),
        cluster="stage1_seed",
        seed="seed",
        share=pl.col("n_correct") / pl.col("n_items"),
        n_items="n_items",
    )
    # One grouping by the many keys; what is left is small and done cell by cell.
    # Sums are taken in the order of runs, so that no last bit depends on how rows came.
    groups = coded.group_by(keys).agg(pl.exclude(keys).sort_by("run")).sort(keys)
    columns = ("run", "program", "cluster", "seed", "share", "n_items")
    values = [groups[name].to_list() for name in columns]
    names = programs.to_numpy()
    return [
        (_of_arms(factors), _level(factors, names, *map(np.asarray, rows)))
        for factors, *rows in zip(groups.select(keys).iter_rows(named=True), *values, strict=True)
    ]


def _apart(counts: pl.DataFrame) -> pl.DataFrame:
    """Keys of some arms alone taken out of `factors`, into JSON of their own: `own`."""
    by = ["factors", "arm", "curriculum"]
    rows = []
    for text, arm, curriculum in counts.select(by).unique().iter_rows():
        rest, found = split_arms(text)
        rows.append((text, arm, curriculum, rest, _complete(found, arm, curriculum)))
    schema = dict.fromkeys((*by, "rest", "own"), pl.String)
    parts = pl.DataFrame(rows, schema=schema, orient="row")
    told = counts.join(parts, on=by, how="left", maintain_order="left", nulls_equal=True)
    return told.with_columns(factors=pl.col("rest")).drop("rest")


def _complete(found: dict[str, Any], arm: str, curriculum: str) -> str:
    """Every key that applies to the run, with what it is where it is not said."""
    kept = {name: found.get(name) for name in OF_ARMS if applies(name, arm, curriculum)}
    return json.dumps({name: UNSAID[name] if v is None else v for name, v in kept.items()})


def _of_arms(factors: dict[str, Any]) -> dict[str, Any]:
    own = laid_open(factors.pop("own"))
    return factors | {name: own.get(name) for name in OF_ARMS}


def _level(
    factors: dict[str, Any],
    names: NDArray[np.object_],
    run: Array,
    program: Array,
    cluster: Array,
    seed: Array,
    share: Array,
    n_items: Array,
) -> Level:
    """The matrix of one cell, from one row for every run and program.

    names: of the programs, by number. Kept are programs that every run answered; it may be none.
    """
    answers = np.bincount(program, minlength=len(names))
    whole = np.flatnonzero(answers == len(np.unique(run)))
    clusters, row = np.unique(cluster, return_inverse=True)
    place = np.full(len(names), -1)
    place[whole] = np.arange(len(whole))
    kept = place[program] >= 0
    slot = (row * len(whole) + place[program])[kept]
    shape = (len(clusters), len(whole))
    size = len(clusters) * len(whole)
    runs, total, items = (
        np.bincount(slot, weights=weight, minlength=size).reshape(shape).astype(np.float64)
        for weight in (np.ones(len(slot)), share[kept], n_items[kept])
    )
    return Level(
        factors["arm"],
        factors["demonstrations"],
        factors["response_format"],
        tuple(clusters.tolist()),
        frozenset(seed.tolist()),
        tuple(names[whole].tolist()),
        total / np.maximum(runs, 1),
        items,
        len(np.unique(run)),
    )

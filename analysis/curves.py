"""Item rows -> accuracy as program x run matrices, the sufficient statistics of every estimate."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final, Literal

import numpy as np
import polars as pl
from numpy.typing import NDArray

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
"""A comparison is a set of runs equal in these; arm, demonstrations and seeds vary within it."""

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
]
"""What a figure draws: an arm of the comparison, or a control taken from beside it.

both: the instruction and n demonstrations. no_acquisition: the instruction without stage 1;
untuned: the base model as it came.
"""


def program_counts(items: pl.LazyFrame) -> pl.LazyFrame:
    """Per run, response format, split, measure and program: items asked and answered correctly.

    In:  item rows, each run at its last step.
    Out: the columns of COMPARISON and TREATMENT; run, seed, stage1_seed, split, measure, program;
    n_correct u32, n_items u32.
    """
    keys = [*COMPARISON, *TREATMENT, "run", "seed", "stage1_seed", "split", "measure", "program"]
    return items.group_by(keys).agg(n_correct=pl.col("correct").sum(), n_items=pl.len())


def accuracy_by_split(items: pl.LazyFrame) -> pl.LazyFrame:
    """Per comparison, treatment, split and measure: accuracy, every program weighing the same.

    Out: the keys; accuracy f64, n_programs u32, n_runs u32 (distinct seeds), n_items u32.
    """
    share = pl.col("n_correct") / pl.col("n_items")
    keys = [*COMPARISON, *TREATMENT, "split", "measure"]
    return (
        program_counts(items)
        .group_by(keys)
        .agg(
            accuracy=share.mean(),
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
    n_items: shape (clusters, programs), the items behind each accuracy, all runs together.
    """

    series: Series
    n: int
    response_format: str
    clusters: tuple[int, ...]
    seeds: frozenset[int]
    programs: tuple[str, ...]
    accuracy: Array
    n_items: Array

    @property
    def mean(self) -> float:
        """Accuracy, every program and every cluster weighing the same."""
        return float(self.accuracy.mean()) if self.accuracy.size else float("nan")

    @property
    def trained(self) -> bool:
        """Whether training could have turned out otherwise; the untuned base has no run noise."""
        return self.series != "untuned"

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
        )


CELL: Final = (*COMPARISON, *TREATMENT)


def cells(counts: pl.DataFrame) -> list[tuple[dict[str, Any], Level]]:
    """Every cell of the counts (`program_counts`, one split and measure) as a level.

    Out: the cell's factors (COMPARISON and TREATMENT) and its level, sorted by the factors. The
    series is the arm.
    """
    about, clustered = _clustered(counts)
    ends = np.cumsum(about["rows"].to_numpy())
    accuracy = clustered["accuracy"].to_numpy()
    n_items = clustered["n_items"].to_numpy().astype(np.float64)
    programs = clustered["program"].to_list()
    extra = about.select("clusters", "seeds", "rows").iter_rows()
    found = []
    for factors, (clusters, seeds, size), end in zip(
        about.select(CELL).iter_rows(named=True), extra, ends.tolist(), strict=True
    ):
        rows = slice(end - size, end)
        shape = (len(clusters), size // len(clusters))
        level = Level(
            factors["arm"],
            factors["demonstrations"],
            factors["response_format"],
            tuple(clusters),
            frozenset(seeds),
            tuple(programs[end - size : end - size + shape[1]]),
            accuracy[rows].reshape(shape),
            n_items[rows].reshape(shape),
        )
        found.append((factors, level))
    return found


def _clustered(counts: pl.DataFrame) -> tuple[pl.DataFrame, pl.DataFrame]:
    """Cells, and their accuracies by cluster and program, in one order.

    Kept are programs that every run of the cell answered; a cell may be left with none (rows = 0).
    """
    run = pl.struct("run", "seed").n_unique()
    about = counts.group_by(CELL).agg(
        runs=run,
        clusters=pl.col("stage1_seed").unique().sort(),
        seeds=pl.col("seed").unique(),
    )
    answered = counts.group_by(*CELL, "program").agg(answers=run)
    whole = answered.join(about.select(*CELL, "runs"), on=CELL, nulls_equal=True)
    whole = whole.filter(pl.col("answers") == pl.col("runs")).select(*CELL, "program")
    clustered = (
        counts.join(whole, on=[*CELL, "program"], how="semi", nulls_equal=True)
        .group_by(*CELL, "stage1_seed", "program")
        .agg(
            accuracy=(pl.col("n_correct") / pl.col("n_items")).mean(),
            n_items=pl.col("n_items").sum(),
        )
        .sort(*CELL, "stage1_seed", "program")
    )
    sizes = clustered.group_by(CELL).agg(rows=pl.len().cast(pl.Int64))
    about = about.join(sizes, on=CELL, how="left", nulls_equal=True).with_columns(
        pl.col("rows").fill_null(0)
    )
    return about.sort(CELL), clustered

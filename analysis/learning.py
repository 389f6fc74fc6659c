"""Learning curves: accuracy by stage-2 step, and training loss where the step records are at hand.

Item rows hold the steps at which a run was evaluated, often its last alone. Losses are no part of a
study folder: they stand in the stages beside it, which rows from elsewhere and a folder sent alone
do not have.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import Final

import polars as pl

from analysis.curves import COMPARISON, TREATMENT

LOSS_POINTS: Final = 40
"""Points a curve of losses is thinned to, each a mean over neighbouring steps."""

MOST_RUNS: Final = 120
"""Runs whose losses are read at most: each is a file of its own."""

_FINGERPRINT: Final = re.compile(r"[0-9a-f]{8,64}")

LOSS_KEYS: Final = ("model", "curriculum", "arm", "demonstrations", "demonstration_format")


def accuracy_by_step(history: pl.DataFrame) -> pl.DataFrame:
    """Accuracy on targets at every step, of the arms that were evaluated at two steps or more.

    history: `load.Evidence.history`. Out: COMPARISON, TREATMENT, step (of the last stage; 0 = as
    the stage before it ended); accuracy f64 (every program and run weighing the same), n_runs u32.
    Empty where every run was evaluated once.
    """
    keys = [*COMPARISON, *TREATMENT]
    share = pl.col("n_correct") / pl.col("n_items")
    asked = (pl.col("split") == "target") & (pl.col("measure") == "execution")
    behind = pl.col("stage").max().over(keys) - pl.col("stage")
    return (
        history.lazy()
        .filter(asked)
        .with_columns(behind=behind)
        .filter(pl.col("behind") <= 1)
        .with_columns(step=pl.when(pl.col("behind") == 0).then("step").otherwise(0))
        .group_by(*keys, "step")
        .agg(accuracy=share.mean(), n_runs=pl.col("run").n_unique())
        .filter(pl.len().over(keys) >= 2)
        .sort(*keys, "step", nulls_last=True)
        .collect()
    )


def loss_by_step(source: Path) -> pl.DataFrame | None:
    """Mean training loss of stage 2 by step, arm and n; null without step records beside the study.

    Out: LOSS_KEYS, step f64, loss_nats_per_token f64, n_runs u32. Each run's steps are averaged in
    LOSS_POINTS bins, then runs.
    """
    runs = _stage2_runs(source / "trials.parquet")
    if runs is None:
        return None
    curves = []
    for row in runs.head(MOST_RUNS).to_dicts():
        file = source.resolve().parent / "stages" / row["fingerprint"] / "steps.parquet"
        if _FINGERPRINT.fullmatch(row["fingerprint"]) and file.is_file():
            curve = _thinned(file)
            if curve is not None:
                curves.append(curve.with_columns(**{k: pl.lit(row[k]) for k in LOSS_KEYS}))
    if not curves:
        return None
    return (
        pl.concat(curves, how="vertical_relaxed")
        .group_by(*LOSS_KEYS, "bin")
        .agg(pl.col("step").mean(), pl.col("loss_nats_per_token").mean(), n_runs=pl.len())
        .sort(*LOSS_KEYS, "bin", nulls_last=True)
        .drop("bin")
    )


def _stage2_runs(file: Path) -> pl.DataFrame | None:
    """The runs that ended well: LOSS_KEYS and the fingerprint of their stage 2."""
    try:
        schema = pl.read_parquet_schema(file)
        if not {*LOSS_KEYS, "stages", "status"} <= set(schema):
            return None
        trials = pl.read_parquet(file, columns=[*LOSS_KEYS, "stages", "status"])
        stages = trials.filter(pl.col("status") == "ok").explode("stages").unnest("stages")
        kept = stages.filter((pl.col("kind") == "stage2") & pl.col("fingerprint").is_not_null())
        return kept.select(*LOSS_KEYS, "fingerprint").unique(maintain_order=True)
    except (pl.exceptions.PolarsError, OSError):
        return None


def _thinned(file: Path) -> pl.DataFrame | None:
    """Step and loss in bins; null where the file is not what it seems."""
    try:
        steps = pl.read_parquet(file, columns=["step", "loss_nats_per_token"])
    except (pl.exceptions.PolarsError, OSError):
        return None
    if steps.is_empty():
        return None
    return (
        steps.filter(pl.col("loss_nats_per_token").is_finite())
        .group_by(bin=pl.col("step") * LOSS_POINTS // (pl.col("step").max() + 1))
        .agg(pl.col("step").mean(), pl.col("loss_nats_per_token").mean())
    )

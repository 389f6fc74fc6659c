"""A simulated comparison as item rows and as a study folder."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import polars as pl
from numpy.typing import NDArray

from analysis.simulate import World as World
from analysis.simulate import chances
from analysis.simulate import contest as contest
from analysis.simulate import without_noise as without_noise
from pbb.records import ITEM_SCHEMA, SCHEMA_KEY, SCHEMA_VERSION


def item_rows(world: World, seed: int = 0, **columns: object) -> pl.DataFrame:
    """Item rows of one comparison in ITEM_SCHEMA; `columns` replace constant columns.

    Every arm is asked in cot; arms that saw an instruction also in recite.
    """
    rng = np.random.default_rng(seed)
    rows = []
    for (series, n, _), chance in zip(world.arms(), chances(world, rng), strict=True):
        recites = series in ("instruction", "both", "placebo", "in_context")
        for response_format in ("cot", "recite") if recites else ("cot",):
            grid = np.indices((world.seeds, world.programs, world.items)).reshape(3, -1)
            correct = rng.random(grid.shape[1]) < chance[grid[0], 0, grid[1]]
            rows.append(_arm_rows(series, n, response_format, grid, correct))
    frame = pl.concat(rows)
    replaced = {name: pl.lit(value) for name, value in columns.items()}
    return frame.with_columns(**replaced).select(
        pl.col(name).cast(dtype) for name, dtype in ITEM_SCHEMA.items()
    )


def chance_rows(rows: pl.DataFrame, share: float | pl.Expr) -> pl.DataFrame:
    """What an evaluation adds to these rows where a guess gets this share of each program."""
    return of_measure(rows.filter(item=0), "chance", share).with_columns(correct=pl.lit(False))


def of_measure(rows: pl.DataFrame, measure: str, score: float | pl.Expr) -> pl.DataFrame:
    """The same rows under another measure."""
    value = score if isinstance(score, pl.Expr) else pl.lit(score)
    return rows.with_columns(measure=pl.lit(measure), score=value.cast(pl.Float32))


def skewed(rows: pl.DataFrame, skew: float, world: World, seed: int) -> pl.DataFrame:
    """The demonstrations of another world, of this skew; its arms without them are left out."""
    told = json.dumps(json.loads(rows["factors"][0]) | {"skew": skew}, separators=(",", ":"))
    return (
        item_rows(world, seed, factors=told)
        .filter(pl.col("demonstrations") > 0)
        .with_columns(run=pl.col("run") + f"-{skew}")
    )


def _arm_rows(
    arm: str, n: int, response_format: str, grid: NDArray[np.int64], correct: NDArray[np.bool_]
) -> pl.DataFrame:
    seeds, programs, items = grid
    varying = pl.DataFrame(
        {"seed": seeds, "program": programs, "item": items, "correct": correct}
    ).with_columns(stage1_seed=pl.col("seed"))
    constant = {
        "study": "synthetic",
        "cell": f"{arm}-{n}",
        "model": "nano-s",
        "n_params": 370_000,
        "curriculum": "proactive",
        "arm": arm,
        "instructions": int(arm in ("instruction", "both", "placebo")),
        "demonstrations": n,
        "demonstration_format": "trace" if n else None,
        "response_format": response_format,
        "representation": "code",
        "domain": "arithmetic",
        "lora_rank": 8,
        "acquisition": 200,
        "templates": 20,
        "paths": 2,
        "split": "target",
        "measure": "execution",
        "stage": 2,
        "step": 200,
        "prompt": "return zibble ( 5 ) :",
        "expected": "6",
        "factors": "{}",
    }
    return varying.with_columns(
        **{name: pl.lit(value, ITEM_SCHEMA[name]) for name, value in constant.items()},
        run=pl.format(f"{arm}-{n}-{{}}", "seed"),
        score=pl.col("correct").cast(pl.Float32),
        output=pl.when("correct")
        .then(pl.lit("5 + 1 = 6 -> 6"))
        .otherwise(pl.lit("5 + 2 = 7 -> 7")),
    ).with_columns(program=pl.format("p{}", "program"))


def write_items(rows: pl.DataFrame, file: Path) -> Path:
    """A Parquet file of item rows as a study writes them."""
    file.parent.mkdir(parents=True, exist_ok=True)
    rows.write_parquet(file, metadata={SCHEMA_KEY: str(SCHEMA_VERSION)})
    return file


def write_study(rows: pl.DataFrame, folder: Path, *, question: str = "What is one worth?") -> Path:
    """A study folder: item rows by run, the study file, a manifest, trials of which one failed."""
    for index, run in enumerate(rows.partition_by("run", maintain_order=True)):
        write_items(run, folder / "items" / f"{index:04}.parquet")
    headline = {"instruction": "recite", "demonstrations": "cot", "demonstration_format": "trace"}
    (folder / "study.yaml").write_text(json.dumps({"question": question, "headline": headline}))
    manifest = {
        "git": {"commit": "0123abcd", "dirty": False},
        "packages": {"torch": "2.13.0", "ray": "2.60.0"},
        "devices": ["cpu"],
    }
    (folder / "manifest.json").write_text(json.dumps(manifest))
    runs = rows["run"].n_unique()
    trials = {
        "status": ["ok"] * runs + ["diverged"],
        "reason": [None] * runs + ["the loss was not finite at step 12"],
    }
    pl.DataFrame(trials, schema={"status": pl.String, "reason": pl.String}).write_parquet(
        folder / "trials.parquet"
    )
    return folder

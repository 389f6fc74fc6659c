"""A study whose exchange rate is known: crossed program, run and item noise on the logit scale.

The demonstrations arm stands at `intercept + slope * log n`, the instruction arm at the same height
for n = rate; noise has one distribution in both, so the population curves meet exactly at `rate`.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import polars as pl
from numpy.typing import NDArray

from analysis.comparison import DEFAULT_HEADLINE, Contest
from analysis.curves import Level, Series
from pbb.records import ITEM_SCHEMA, SCHEMA_KEY, SCHEMA_VERSION

Array = NDArray[np.float64]


@dataclass(frozen=True)
class World:
    """Sizes, the true curve, and standard deviations of the noise [logits].

    program: what makes a program easy, in every arm. stage1: a stage 1's luck, in every arm built
    on it. run: a single run's luck. instruction_stage1: a stage 1's luck with instructions alone.
    """

    rate: float = 5.0
    intercept: float = -1.5
    slope: float = 1.0
    none: float = -3.5
    placebo: float = -3.5
    in_context: float = 2.5
    ns: tuple[int, ...] = (1, 2, 4, 8, 16)
    programs: int = 24
    items: int = 8
    seeds: int = 3
    program: float = 0.8
    stage1: float = 0.3
    run: float = 0.3
    instruction_stage1: float = 0.0

    def arms(self) -> list[tuple[Series, int, float]]:
        """Series, n and mean logit of everything that is run."""
        shown: list[tuple[Series, int, float]] = [
            ("demonstrations", n, self.intercept + self.slope * float(np.log(n))) for n in self.ns
        ]
        instructed = self.intercept + self.slope * float(np.log(self.rate))
        return [
            ("instruction", 0, instructed),
            ("none", 0, self.none),
            ("placebo", 0, self.placebo),
            ("in_context", 0, self.in_context),
            *shown,
        ]


def chances(world: World, rng: np.random.Generator) -> list[Array]:
    """P(correct) of every arm, shape (seeds, programs) each, in the order of `World.arms`."""
    easy = world.program * rng.standard_normal(world.programs)
    stage1 = world.stage1 * rng.standard_normal((world.seeds, 1))
    reading = world.instruction_stage1 * rng.standard_normal((world.seeds, 1))
    found = []
    for series, _, logit in world.arms():
        run = world.run * rng.standard_normal((world.seeds, 1))
        own = reading if series == "instruction" else 0.0
        found.append(np.asarray(1 / (1 + np.exp(-(logit + easy + stage1 + run + own)))))
    return found


def contest(world: World, seed: int) -> Contest:
    """One simulated comparison, without the detour over item rows."""
    rng = np.random.default_rng(seed)
    levels = [
        Level(
            series,
            n,
            "recite" if series == "instruction" else "cot",
            tuple(range(world.seeds)),
            frozenset(range(world.seeds)),
            tuple(f"p{index}" for index in range(world.programs)),
            rng.binomial(world.items, chance) / world.items,
            np.full(chance.shape, float(world.items)),
        )
        for (series, n, _), chance in zip(world.arms(), chances(world, rng), strict=True)
    ]
    return Contest({"model": "synthetic"}, DEFAULT_HEADLINE, tuple(levels), "")


def item_rows(world: World, seed: int = 0, **columns: object) -> pl.DataFrame:
    """Item rows of one comparison in ITEM_SCHEMA; `columns` replace constant columns.

    Every arm is asked in cot; arms that saw an instruction also in recite.
    """
    rng = np.random.default_rng(seed)
    rows = []
    for (series, n, _), chance in zip(world.arms(), chances(world, rng), strict=True):
        recites = series in ("instruction", "placebo", "in_context")
        for response_format in ("cot", "recite") if recites else ("cot",):
            grid = np.indices((world.seeds, world.programs, world.items)).reshape(3, -1)
            correct = rng.random(grid.shape[1]) < chance[grid[0], grid[1]]
            rows.append(_arm_rows(series, n, response_format, grid, correct))
    frame = pl.concat(rows)
    replaced = {name: pl.lit(value) for name, value in columns.items()}
    return frame.with_columns(**replaced).select(
        pl.col(name).cast(dtype) for name, dtype in ITEM_SCHEMA.items()
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
        "instructions": int(arm in ("instruction", "placebo")),
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


def without_noise(world: World) -> World:
    """The same world where every program and run is alike."""
    return replace(world, program=0.0, stage1=0.0, run=0.0, instruction_stage1=0.0)

"""Counts of simulated comparisons, as `load.Evidence.counts` has them of item rows."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import polars as pl

from analysis.comparison import Contest
from analysis.curves import Level
from analysis.simulate import World
from analysis.simulate import family as simulated_family

FACTORS: dict[str, Any] = {
    "study": "simulated",
    "model": "nano-s",
    "n_params": 400_000,
    "curriculum": "proactive",
    "lora_rank": 16,
    "representation": "code",
    "domain": "arithmetic",
    "acquisition": 200,
    "templates": 20,
    "factors": '{"domain_paths":1,"replay":0.3}',
}


def counts_of(contest: Contest, **factors: Any) -> pl.DataFrame:
    """Every level of a comparison, its factors replaced by `factors`."""
    return pl.concat(_rows(level, FACTORS | factors) for level in contest.levels)


def _rows(level: Level, factors: dict[str, Any]) -> pl.DataFrame:
    clusters, programs = np.indices(level.accuracy.shape).reshape(2, -1)
    correct = np.rint(level.accuracy * level.n_items).astype(int).ravel()
    shown = level.series in ("demonstrations", "both")
    seeds = [level.clusters[cluster] for cluster in clusters]
    own = f"{factors['model']}-{factors['curriculum']}-{level.series}-{level.n}"
    frame = pl.DataFrame(
        {
            "run": [f"{own}-{seed}" for seed in seeds],
            "seed": seeds,
            "stage1_seed": seeds,
            "program": [level.programs[program] for program in programs],
            "n_correct": correct.tolist(),
            "n_items": level.n_items.astype(int).ravel().tolist(),
        }
    )
    constant = factors | {
        "arm": level.series,
        "demonstrations": level.n,
        "demonstration_format": "trace" if shown else None,
        "response_format": level.response_format,
        "split": "target",
        "measure": "execution",
    }
    types = {"demonstration_format": pl.String, "response_format": pl.String}
    return frame.with_columns(
        **{name: pl.lit(value, types.get(name)) for name, value in constant.items()}
    ).select(sorted([*frame.columns, *constant]))


def family(worlds: Sequence[World], seed: int, **varied: Sequence[Any]) -> list[Contest]:
    """`simulate.family`, a factor's value in each comparison, the others alike."""
    factors = [
        FACTORS | {name: values[index] for name, values in varied.items()}
        for index in range(len(worlds))
    ]
    return simulated_family(worlds, seed, factors)

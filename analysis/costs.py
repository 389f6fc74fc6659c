"""What a study cost: device time by phase, stages run and stages found, tokens."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Final

import polars as pl

from analysis.errors import BadInput, reading

PHASES: Final[dict[str, str]] = {
    "train": "train_device_s",
    "evaluate": "evaluate_device_s",
    "start-up": "startup_device_s",
    "idle": "idle_device_s",
}
"""Phase -> column of the trial rows; device seconds."""


@dataclass(frozen=True, eq=False)
class Costs:
    """by_model: model and a column of device seconds per phase. stages: kind, n_run and n_cached,
    distinct stages (one that several trials share counts once). tokens: trained by the stages that
    this study used, as its trials count them. wall_s: from launch to the end of the last trial.
    """

    by_model: pl.DataFrame
    stages: pl.DataFrame
    tokens: int
    wall_s: float

    @property
    def device_s(self) -> float:
        """All phases of all models."""
        return float(sum(self.by_model[phase].sum() for phase in PHASES))

    @property
    def busy_s(self) -> float:
        """Device seconds in which a stage ran."""
        return self.phase_s("train") + self.phase_s("evaluate")

    def phase_s(self, phase: str) -> float:
        """One phase of all models."""
        return float(self.by_model[phase].sum())


def read_costs(source: Path) -> Costs | None:
    """Costs of a study folder; null where its trials do not record them.

    Raises BadInput where the file cannot be read.
    """
    file = source / "trials.parquet"
    if not source.is_dir() or not file.exists():
        return None
    with reading(file):
        needed = ["model", *PHASES.values(), "tokens", "wall_s", "stages"]
        if not set(needed) <= set(pl.read_parquet_schema(file)):
            return None
        trials = pl.read_parquet(file, columns=needed)
        by_model = (
            trials.group_by("model")
            .agg(**{phase: pl.col(column).sum() for phase, column in PHASES.items()})
            .sort("model")
        )
        seconds = trials.select(pl.col("wall_s", *PHASES.values()).cast(pl.Float64))
        bad = seconds.select(((~pl.all().is_finite()) | (pl.all() < 0)).any())
        if any(bad.row(0)):
            raise BadInput(f"{file}: device or wall time is negative or no number; launch again")
        tokens, wall = trials["tokens"].cast(pl.Int64).sum(), seconds["wall_s"].max()
        return Costs(by_model, _stages(trials), int(tokens or 0), float(wall or 0.0))  # type: ignore[arg-type]


def _stages(trials: pl.DataFrame) -> pl.DataFrame:
    """A stage counts as run where any trial of this study ran it."""
    uses = trials.select(pl.col("stages").explode()).unnest("stages").drop_nulls("fingerprint")
    distinct = uses.group_by("kind", "fingerprint").agg(pl.col("cached").all())
    return (
        distinct.group_by("kind")
        .agg(n_run=(~pl.col("cached")).sum(), n_cached=pl.col("cached").sum())
        .sort(pl.col("kind") == "evaluate", "kind")
    )

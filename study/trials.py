"""`trials.parquet`: one row a trial, with what it cost."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import polars as pl

from pbb.config import EvaluateStage
from pbb.records import SCHEMA_KEY, SCHEMA_VERSION, Status
from search_spaces.factors import ENUMERATION_ORDER
from study.backends.work import TrialEnd
from study.files import read_rows, write_parquet
from study.identity import canonical_json
from study.plan import Trial
from study.pool import StageEnd
from study.store import FINGERPRINT

_TEXT_FACTORS: Final = frozenset(
    {"model", "curriculum", "representation", "domain", "arm", "demonstration_format"}
    | {"replay_source"}
)


def _type(factor: str) -> pl.DataType:
    if factor in ("skew", "replay"):
        return pl.Float64()
    return pl.String() if factor in _TEXT_FACTORS else pl.Int64()


_USE: Final = pl.Struct({"fingerprint": pl.String, "kind": pl.String, "cached": pl.Boolean})
TRIAL_SCHEMA: Final[dict[str, pl.DataType]] = {
    "trial": pl.String(),
    "run": pl.String(),
    "status": pl.String(),
    "reason": pl.String(),
    **{name: _type(name) for name in ENUMERATION_ORDER},
    "nuisances": pl.String(),
    "accuracy": pl.Float64(),
    "wall_s": pl.Float64(),
    "startup_device_s": pl.Float64(),
    "train_device_s": pl.Float64(),
    "evaluate_device_s": pl.Float64(),
    "idle_device_s": pl.Float64(),
    "tokens": pl.Int64(),
    "stages": pl.List(_USE),
}
"""accuracy: share right on the split that plays the targets. wall_s: from launch to the trial's
end. Device seconds are those of the launch that ran the trial; a stage that several trials use is
charged to the first of them. startup: of workers, and loading bases; idle: held by workers without
running a stage; both in equal shares for the trials that ran one. tokens: trained, of all stages of
the chain. stages: kind is a train stage's role, or `evaluate`; cached: not run by this launch."""

Row = Mapping[str, Any]


@dataclass(frozen=True)
class Cost:
    """Device seconds that a trial is charged with."""

    startup_s: float = 0.0
    train_s: float = 0.0
    evaluate_s: float = 0.0


def charged(stages: Iterable[tuple[str, StageEnd]], devices: float) -> Cost:
    """What stages cost, given as (kind, end); `devices` are held while one runs."""
    startup = train = evaluate = 0.0
    for kind, end in stages:
        if end.outcome is None or end.cached:
            continue
        startup += end.outcome.load_s * devices
        if kind == "evaluate":
            evaluate += end.outcome.wall_s * devices
        else:
            train += end.outcome.wall_s * devices
    return Cost(startup, train, evaluate)


def ended_row(end: TrialEnd, accuracy: float | None, cost: Cost, wall_s: float) -> dict[str, Any]:
    """The row of a trial that came to an end."""
    kinds = kind_of(end.trial)
    outcomes = [stage.outcome for stage in end.stages if stage.outcome is not None]
    return _row(end.trial, end.status, end.reason) | {
        "accuracy": accuracy,
        "wall_s": wall_s,
        "startup_device_s": cost.startup_s,
        "train_device_s": cost.train_s,
        "evaluate_device_s": cost.evaluate_s,
        "idle_device_s": 0.0,
        "tokens": sum(outcome.summary.tokens for outcome in outcomes if outcome.summary),
        "stages": [
            {"fingerprint": s.fingerprint, "kind": kinds[s.fingerprint], "cached": s.cached}
            for s in end.stages
        ],
    }


def cancelled_row(trial: Trial) -> dict[str, Any]:
    """The row of a trial that was interrupted, or never begun."""
    return _row(trial, Status.CANCELLED, "the launch was interrupted; launch again to go on")


def kind_of(trial: Trial) -> dict[str, str]:
    """Fingerprint -> role of a training stage, or `evaluate`."""
    return {
        planned.fingerprint: planned.stage.kind
        if isinstance(planned.stage, EvaluateStage)
        else planned.stage.role
        for planned in trial.chain
    }


def read_trials(path: Path) -> list[dict[str, Any]]:
    """Rows of an earlier launch; none where there was none or the file cannot be read.

    A trial's name names files that a launch replaces and removes, so rows whose name is no
    fingerprint are left out, whoever wrote them.
    """
    known = read_rows(path, TRIAL_SCHEMA)
    rows = [row for row in known if FINGERPRINT.fullmatch(row["trial"] or "")]
    for row in rows:
        row["stages"] = [use for use in row["stages"] or () if use and use["fingerprint"]] or None
    return rows


def write_trials(path: Path, rows: Iterable[Row]) -> None:
    """Replace the table."""
    frame = pl.DataFrame([dict(row) for row in rows], schema=TRIAL_SCHEMA)
    write_parquet(path, frame, {SCHEMA_KEY: str(SCHEMA_VERSION)})


def _row(trial: Trial, status: Status, reason: str | None) -> dict[str, Any]:
    return {
        "trial": trial.id,
        "run": trial.run,
        "status": status.value,
        "reason": reason,
        **trial.factors,
        "nuisances": canonical_json({**trial.tuned, **trial.nuisances}),
    }

"""What `tests.bench.answered` shows: seconds of a sample become those of arms and of a rate."""

from __future__ import annotations

import math
import statistics
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from study.plan import Plan, Trial
from tests.bench.answered_sample import (
    charged,
    distinct,
    of_rate,
    stage_seconds,
    trial_seconds,
    users_of,
)


@dataclass(frozen=True)
class Measured:
    """Of one contender.

    seconds: of each trial, or of each distinct stage. accuracy: by trial. start_up_s: before its
    first trial or stage; beside_s: beside them after that; of the clock, or device seconds of a
    finished run. details: what each round told.
    """

    seconds: Mapping[str, float]
    accuracy: Mapping[str, float]
    start_up_s: float
    beside_s: float
    details: Sequence[Any]


def told(plan: Plan, chosen: Sequence[Trial], theirs: Measured, ours: Measured) -> dict[str, Any]:
    """Rows of the table, and what they were made of. chosen: trials that were measured."""
    whole = trial_seconds(plan.trials, theirs.seconds)
    stages = stage_seconds(plan.trials, ours.seconds)
    shares = charged(plan.trials, stages)
    rows = [
        _row(name, own, chosen, whole, sum(shares[trial.id] for trial in own))
        for name, own in _arms(plan.trials).items()
    ]
    rows.append(_row("all", plan.trials, chosen, whole, distinct(plan.trials, stages)))
    if rate := of_rate(plan.study, plan.trials):
        rows.append(_row("the primary rate", rate, chosen, whole, distinct(rate, stages)))
    return {
        "rows": rows,
        "trials": len(plan.trials),
        "measured_trials": len(chosen),
        "stages": len(stages),
        "measured_stages": len(ours.seconds),
        "accuracy": [statistics.fmean(each.accuracy.values()) for each in (theirs, ours)],
        "start_up_s": [theirs.start_up_s, ours.start_up_s],
        "beside_s": [theirs.beside_s, ours.beside_s],
        "measured": _details(chosen, theirs, ours),
        "details": [list(theirs.details), list(ours.details)],
    }


def _arms(trials: Sequence[Trial]) -> dict[str, list[Trial]]:
    """The trials of each arm; of a curriculum too, where it is not the commonest."""
    curricula = [trial.config.curriculum for trial in trials]
    common, arms = statistics.mode(curricula), defaultdict(list)
    for trial in trials:
        own = trial.config.curriculum
        beside = "" if own == common else f" (curriculum {own})"
        arms[f"{trial.config.arm}{beside}"].append(trial)
    return arms


def _row(
    name: str,
    trials: Sequence[Trial],
    chosen: Sequence[Trial],
    whole: Mapping[str, float],
    ours_s: float,
) -> dict[str, Any]:
    names = {trial.id for trial in trials}
    return {
        "of": name,
        "trials": len(trials),
        "measured": sum(trial.id in names for trial in chosen),
        "stages": len(users_of(trials)),
        "theirs_s": math.fsum(whole[name] for name in names),
        "ours_s": ours_s,
    }


def _details(chosen: Sequence[Trial], theirs: Measured, ours: Measured) -> list[dict[str, Any]]:
    """Which trials were measured, and how both did."""
    return [
        {
            "trial": trial.id,
            "factors": dict(trial.factors),
            "theirs_s": theirs.seconds[trial.id],
            "accuracy": [theirs.accuracy[trial.id], ours.accuracy[trial.id]],
        }
        for trial in chosen
    ]


def table(found: Mapping[str, Any]) -> str:
    """As Markdown; seconds are of a device."""
    lines = [
        "| device seconds of | measured | one at a time | ours | times cheaper |",
        "|---|---|---|---|---|",
    ]
    for row in found["rows"]:
        theirs, ours = row["theirs_s"], row["ours_s"]
        lines.append(
            f"| {row['of']} | {row['measured']} of {row['trials']} trials "
            f"| {theirs:,.1f} | {ours:,.1f} | {theirs / ours:.2f} |"
        )
    beside = {"start-up": "start_up_s", "beside trials or stages": "beside_s"}
    for name, key in beside.items():
        theirs, ours = found[key]
        lines.append(f"| {name}, as measured | | {theirs:.1f} | {ours:.1f} | |")
    return "\n".join([*lines, "", _note(found)])


def _note(found: Mapping[str, Any]) -> str:
    """What the seconds are scaled from, and whether both did the same work."""
    theirs, ours = found["accuracy"]
    return (
        f"Measured {found['measured_trials']} of {found['trials']} trials, and of ours "
        f"{found['measured_stages']} of {found['stages']} distinct stages; all others take the "
        "mean of their cell. In an arm a shared stage is charged in equal parts to its trials; in "
        f"a rate it counts once, whole. Right answers of the measured: {theirs:.1%}, ours "
        f"{ours:.1%}."
    )

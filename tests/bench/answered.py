"""Device seconds an arm, and an answered rate, of a whole study: `python -m tests.bench.answered`.

Ours, where a stage that several trials need is run once, against one trial at a time: Ray Tune,
transformers' Trainer and peft, then generate, nothing shared (`tests.bench.one_at_a_time`). Both
run the same sample of trials, in turn, each in a process that begins cold; the study's seconds are
the sample's means (`tests.bench.answered_sample`), medians over the rounds. Seconds as in
`tests.bench.training`. With `--store`, ours are instead what a finished run of the study recorded,
of all its stages, and all seconds are of the clock; they compare where that run had its cores to
itself.

What neither spends on a trial or a stage, starting Ray Tune and its processes above all, is told
apart, in seconds of the clock.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from importlib.metadata import version
from pathlib import Path
from typing import Any

from analysis.costs import read_costs
from study.plan import Plan, Trial
from study.store import Store
from study.trials import read_trials
from tests.bench.answered_sample import Asked, planned, sample
from tests.bench.answered_table import Measured, table, told

THEIRS, OURS = "tests.bench.ray_one_at_a_time", "tests.bench.engine_stages"


def in_a_process(module: str, asked: Asked) -> dict[str, Any]:
    """What a contender prints, and `spawned_s` and `gone_s`, by the clock."""
    spawned_s = time.time()
    done = subprocess.run(
        [sys.executable, "-m", module, *asked.words()],
        env={**os.environ, "OMP_NUM_THREADS": "1"},
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode:
        raise SystemExit(f"{module} failed:\n{done.stderr}")
    found: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return {"found": found, "spawned_s": spawned_s, "gone_s": time.time()}


def one_at_a_time(rounds: Sequence[Mapping[str, Any]], by_clock: bool) -> Measured:
    """Of the trials that Tune ran: seconds of each, and the clock's beside them."""
    found = [r["found"] for r in rounds]
    spent = [
        {
            trial: each["ended_s"] - each["began_s"] if by_clock else sum(each["parts"].values())
            for trial, each in r.items()
        }
        for r in found
    ]
    outside = [
        _outside(r, [(each["began_s"], each["ended_s"]) for each in r["found"].values()])
        for r in rounds
    ]
    return Measured(
        seconds=_medians(spent),
        accuracy={trial: each["accuracy"] for trial, each in found[-1].items()},
        start_up_s=statistics.median(start for start, _ in outside),
        beside_s=statistics.median(rest for _, rest in outside),
        details=[{trial: each["parts"] for trial, each in r.items()} for r in found],
    )


def by_engine(rounds: Sequence[Mapping[str, Any]]) -> Measured:
    """Of the distinct stages that the engine ran, likewise."""
    found = [r["found"] for r in rounds]
    outside = [_outside(r, r["found"]["spans"]) for r in rounds]
    return Measured(
        seconds=_medians([each["stages"] for each in found]),
        accuracy=found[-1]["accuracy"],
        start_up_s=statistics.median(start for start, _ in outside),
        beside_s=statistics.median(rest for _, rest in outside),
        details=[each["stages"] for each in found],
    )


def recorded(plan: Plan, chosen: Sequence[Trial], root: Path) -> Measured:
    """Of every distinct stage of a finished run. Exits where one is missing."""
    store, resources = Store(root), plan.study.resources
    devices = resources.gpus_per_worker or float(resources.cpus_per_worker)
    outcomes = {name: store.outcome(name) for name in plan.stages()}
    missing = [name for name, outcome in outcomes.items() if outcome is None]
    costs = read_costs(root / plan.study.name)
    rows = {row["trial"]: row for row in read_trials(root / plan.study.name / "trials.parquet")}
    if missing or costs is None or not all(trial.id in rows for trial in chosen):
        raise SystemExit(
            f"{root}: {len(missing)} stages of {plan.study.name} are not there; launch it first"
        )
    return Measured(
        seconds={
            name: devices * (outcome.wall_s + outcome.load_s)
            for name, outcome in outcomes.items()
            if outcome is not None
        },
        accuracy={trial.id: rows[trial.id]["accuracy"] for trial in chosen},
        start_up_s=costs.phase_s("start-up"),
        beside_s=costs.phase_s("idle"),
        details=[],
    )


def _outside(
    process: Mapping[str, Any], blocks: Sequence[tuple[float, float]]
) -> tuple[float, float]:
    """Seconds before the first block of work, and all others beside the blocks."""
    start = min(began for began, _ in blocks) - process["spawned_s"]
    held = process["gone_s"] - process["spawned_s"]
    return start, held - start - sum(ended - began for began, ended in blocks)


def _medians(rounds: Sequence[Mapping[str, float]]) -> dict[str, float]:
    return {name: statistics.median(each[name] for each in rounds) for name in rounds[0]}


def rounds_of(
    asked: Asked, rounds: int, ours_too: bool
) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
    """Of theirs and of ours, taking turns."""
    theirs: list[dict[str, Any]] = []
    ours: list[dict[str, Any]] = []
    for turn in range(rounds):
        theirs.append(in_a_process(THEIRS, asked))
        print(f"{turn} one at a time: {theirs[-1]['gone_s'] - theirs[-1]['spawned_s']:.0f} s")
        if ours_too:
            ours.append(in_a_process(OURS, asked))
            print(f"{turn} ours: {ours[-1]['gone_s'] - ours[-1]['spawned_s']:.0f} s", flush=True)
    return theirs, ours


def main() -> None:
    """Measure, print the table, write the JSON."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--study", default="quickstart")
    parser.add_argument("--smoke", action="store_true", help="the study's smoke section")
    parser.add_argument("--trials", type=int, default=10, help="so many are measured")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--device", choices=("cpu", "cuda"), default="cpu")
    parser.add_argument("--store", type=Path, help="root of a finished run: ours is what it tells")
    parser.add_argument("--json", type=Path, default=Path("answered.json"))
    args = parser.parse_args()
    asked = Asked(args.study, args.trials, args.device, args.smoke)
    plan = planned(asked.study, asked.smoke)
    chosen = sample(plan.trials, asked.trials)
    past = recorded(plan, chosen, args.store) if args.store else None
    theirs, ours = rounds_of(asked, args.rounds, past is None)
    rows = told(plan, chosen, one_at_a_time(theirs, past is not None), past or by_engine(ours))
    about = {
        "study": plan.study.name,
        "device": args.device,
        "rounds": args.rounds,
        "ours": "recorded" if past else "measured",
        "seconds": "of the clock" if past or args.device == "cuda" else "of the processor",
        **{name: version(name) for name in ("torch", "transformers", "peft", "ray")},
    }
    args.json.write_text(json.dumps({**about, **rows}, indent=1) + "\n")
    print(f"{about}\n{table(rows)}")


if __name__ == "__main__":
    main()

"""How soon a launch trains: `python -m tests.bench.launch_speed`.

Seconds of the clock from starting `pbb-study launch STUDY --smoke` in an empty root to the begin of
the first training stage, to the end of its first optimizer step, and to the end of the command, on
each backend (Ray, the default, and local), on CPU. Backends take turns; shown are medians over the
rounds. The engine is the real one; that it tells the time (`tests.bench.timed_engine`) costs a line
in a file.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Final

from study.cli import Backend
from tests.bench.timed_engine import MOMENTS, STAGE, STEP, moments

END: Final = "launch ends"
CLUSTER: Final = frozenset({"RAY_ADDRESS"})
"""A launch that joins a cluster starts none."""


def launch_once(study: str, backend: str) -> dict[str, float]:
    """Seconds from the start to each moment."""
    with tempfile.TemporaryDirectory() as root:
        told = Path(root, "moments")
        own = {name: value for name, value in os.environ.items() if name not in CLUSTER}
        words = ["launch", study, "--smoke", "--quiet", "--backend", backend]
        began_s = time.time()
        done = subprocess.run(
            [sys.executable, "-m", "tests.bench.launched", *words, "--root", f"{root}/runs"],
            env={**own, MOMENTS: str(told), "CUDA_VISIBLE_DEVICES": ""},
            capture_output=True,
            text=True,
            check=False,
        )
        if done.returncode:
            raise SystemExit(f"the launch on {backend} failed:\n{done.stderr}")
        return seconds_since(began_s, {**moments(told), END: time.time()})


def seconds_since(began_s: float, found: Mapping[str, float]) -> dict[str, float]:
    """Exits where a moment was not told."""
    if missing := [moment for moment in (STAGE, STEP, END) if moment not in found]:
        raise SystemExit(f"nothing told that {missing[0]}; does the study train on one device?")
    return {moment: found[moment] - began_s for moment in (STAGE, STEP, END)}


def medians(rounds: Sequence[Mapping[str, float]]) -> dict[str, float]:
    """Of each moment."""
    return {m: statistics.median(each[m] for each in rounds) for m in (STAGE, STEP, END)}


def table(found: Mapping[str, Sequence[Mapping[str, float]]]) -> str:
    """As Markdown; found: rounds by backend."""
    lines = [f"| backend | {STAGE}, s | {STEP}, s | {END}, s |", "|---|---|---|---|"]
    for backend, rounds in found.items():
        shown = " | ".join(f"{seconds:.1f}" for seconds in medians(rounds).values())
        lines.append(f"| {backend} | {shown} |")
    return "\n".join(lines)


def main() -> None:
    """Measure, print the table, write the JSON."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--study", default="quickstart")
    parser.add_argument("--backends", nargs="+", choices=list(Backend), default=list(Backend))
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--json", type=Path, default=Path("launch_speed.json"))
    args = parser.parse_args()
    found: dict[str, list[dict[str, float]]] = {str(each): [] for each in args.backends}
    for turn in range(args.rounds):
        for backend, rounds in found.items():
            rounds.append(launch_once(args.study, backend))
            print(turn, backend, {m: round(s, 1) for m, s in rounds[-1].items()}, flush=True)
    about = {"study": f"{args.study} --smoke", "cores": os.cpu_count()}
    args.json.write_text(json.dumps({**about, "seconds": found}, indent=1) + "\n")
    print(f"{about}\n{table(found)}")


if __name__ == "__main__":
    main()

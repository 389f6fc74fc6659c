"""How what is not training scales: `python -m tests.rehearsal.scale`; 8 minutes on 2 cores.

Stages take no time, or simulated time, and leave files like those of small real ones. 10,000 stages
go through the pool and a real store for 200 simulated workers; the study that they make is
collected, compacted and read; and 1,000 trials go through Ray Tune and OptunaSearch with the
project's own backend. Processor seconds are what other users of the machine disturb least.
"""

from __future__ import annotations

import argparse
import json
import tempfile
from concurrent.futures import ProcessPoolExecutor
from datetime import UTC, datetime
from multiprocessing import get_context
from pathlib import Path
from typing import Any

from tests.rehearsal.parts import PARTS, Figures, machine

Line = tuple[str, str, str]
"""What, how much, and the target where there is one."""


def alone(part: str, folder: Path, **arguments: Any) -> Figures:
    """A part's figures, in a process of its own, which has a peak of memory of its own."""
    with ProcessPoolExecutor(1, mp_context=get_context("spawn")) as process:
        return machine() | process.submit(PARTS[part], folder, **arguments).result()


def rehearse(options: argparse.Namespace, folder: Path) -> dict[str, Figures]:
    """All parts, one after the other."""
    stages, workers = options.stages, options.workers
    instant, slow = folder / "instant", folder / "slow"
    return {
        "instant": alone("pool_and_store", instant, stages=stages, workers=workers, stage_s=0.0),
        "slow": alone(
            "pool_and_store", slow, stages=stages, workers=workers, stage_s=options.stage_s
        ),
        "collecting": alone("collecting", instant, stages=stages),
        "start": alone("on_ray", folder / "start", trials=options.trials // 20),
        "ray": alone("on_ray", folder / "ray", trials=options.trials),
    }


def lines(found: dict[str, Figures], options: argparse.Namespace) -> list[Line]:
    """The table's lines."""
    return [
        *_passing(found["instant"], options.workers),
        *_slow(found["slow"], options),
        *_collecting(found["collecting"]),
        *_on_ray(found["ray"], found["start"]),
    ]


def _passing(found: Figures, workers: int) -> list[Line]:
    stages = found["stages"]
    return [
        (f"{stages:,} instant stages, {workers} workers: time a stage", _ms(found, "wall_s"), "10"),
        ("  processor, all", _ms(found, "cpu_s"), "10"),
        ("  processor, pool", _ms(found, "pool_cpu_s"), ""),
        ("  processor, store (and simulated runner)", _ms(found, "store_cpu_s"), ""),
        ("  peak memory", f"{found['peak_gib']:.2f} GiB", "4 GiB"),
        ("  files in the store", f"{found['files']:,}", ""),
    ]


def _slow(found: Figures, options: argparse.Namespace) -> list[Line]:
    """Over what the stages would take if nothing else took time, the workers being enough."""
    busy = found["stages"] * options.stage_s / options.workers
    return [
        (f"the same, {options.stage_s:g} s a stage: time of all", f"{found['wall_s']:.0f} s", ""),
        ("  of which workers were busy", f"{busy / found['wall_s']:.0%}", ""),
    ]


def _collecting(found: Figures) -> list[Line]:
    trials = found["trials"]

    def each(what: str) -> str:
        return f"{1e3 * found[f'{what}_cpu_s'] / trials:.2f} ms"

    def reading(what: str) -> str:
        return f"{found[f'{what}_s']:.2f} s, processor {found[f'{what}_cpu_s']:.2f} s"

    return [
        (
            f"{trials:,} trials, stages in the store: planned and collected, each",
            each("collect"),
            "",
        ),
        ("  compaction, each", each("compact"), ""),
        ("  launched again with nothing to do, each", each("relaunch"), ""),
        ("  item files before", f"{found['files']:,}", ""),
        ("  item files after", f"{found['files_compacted']:,}", ""),
        ("  read, checked and counted before", reading("read"), ""),
        ("  read, checked and counted after", reading("read_compacted"), ""),
        ("  peak memory", f"{found['peak_gib']:.2f} GiB", "4 GiB"),
    ]


def _on_ray(found: Figures, start: Figures) -> list[Line]:
    trials = found["trials"]
    more = trials - start["trials"]
    each = (found["cpu_s"] - start["cpu_s"]) / more
    kinds = [
        (
            f"  {kind} ({used['processes']})",
            f"{used['cpu_s']:.1f} s, {used['peak_mib']:.0f} MiB",
            "",
        )
        for kind, used in found["processes"].items()
    ]
    return [
        (
            f"{trials:,} trials of Ray Tune, instant stages: processor a trial, start-up and all",
            f"{found['cpu_s'] / trials:.3f} s",
            "0.2 s",
        ),
        (f"  each beyond the first {start['trials']}", f"{each:.3f} s", ""),
        ("  time of all", f"{found['wall_s']:.0f} s", ""),
        ("  from launch to the first stage", f"{found['first_stage_s']:.1f} s", ""),
        ("  peak memory, all processes at once", f"{found['peak_gib']:.2f} GiB", "4 GiB"),
        *kinds,
    ]


def _ms(found: Figures, what: str) -> str:
    return f"{1e3 * found[what] / found['stages']:.2f} ms"


def main() -> None:
    """Parses the options, rehearses, prints one table and writes the figures."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--stages", type=int, default=10_000)
    parser.add_argument("--workers", type=int, default=200)
    parser.add_argument("--stage-s", type=float, default=1.0, help="simulated time of a stage")
    parser.add_argument("--trials", type=int, default=1000, help="through Ray Tune")
    parser.add_argument("--out", type=Path, default=Path("runs/scale.json"))
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        found = rehearse(options, Path(name))
    told = [("", "measured", "at most"), *lines(found, options)]
    print("\n".join(f"{what:72}{much:>26}{target:>10}" for what, much, target in told))
    figures = {"date": datetime.now(UTC).date().isoformat(), **found}
    options.out.parent.mkdir(parents=True, exist_ok=True)
    options.out.write_text(json.dumps(figures, indent=2) + "\n")
    print(f"\nwritten to {options.out}")


if __name__ == "__main__":
    main()

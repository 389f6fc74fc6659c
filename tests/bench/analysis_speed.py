"""How fast item rows become rates, and in how much memory: `python -m tests.bench.analysis_speed`.

Two folders of simulated item rows are written: one of many rows, a comparison a file, and one of
many small files, a run a file. On each the pass that loads, checks and counts (`analysis.load`) is
timed beside a bare Polars streaming group-by, once of the same keys and once of the fewest keys
that tell the groups apart, which can check nothing. Then the rates and intervals of every
comparison of the first folder are computed from its counts. Each measurement runs in a process of
its own, in turn with the others; shown are medians and the greatest peak of resident memory. Where
others use the machine too, processor seconds say more than seconds.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

import numpy as np
import polars as pl

from analysis.comparison import DEFAULT_HEADLINE, contests
from analysis.counts import KEYS
from analysis.curves import target_cells
from analysis.load import load_counts
from analysis.results import rates_frame, whole_result
from tests.analysis.synthetic import World, item_rows, write_items

WORLD: Final = World(programs=50, items=50, slope=0.6, ns=(1, 4, 16, 64, 256, 1024))
"""A comparison of 10 arms and n, 3 seeds; 97,500 rows."""

SMALL_WORLD: Final = World(programs=32, items=8, slope=0.6, ns=(1, 4, 16, 64, 256, 1024))
"""A comparison of the quickstart's size; 9,984 rows in 30 files."""

FEWEST: Final = ("run", "response_format", "split", "measure", "step", "program")

BYTES_PER_ROW: Final = 20
"""On disk, generously."""


# --- data


def comparison(world: World, index: int) -> pl.DataFrame:
    """Item rows of the comparison of this number; its rate lies between 2 and 500."""
    rng = np.random.default_rng(index)
    rate = float(np.exp(rng.uniform(np.log(2), np.log(500))))
    rows = item_rows(World(**vars(world) | {"rate": rate}), seed=index, acquisition=100 + index)
    a, b = (pl.lit(pl.Series(rng.integers(1000, size=rows.height))) for _ in range(2))
    return rows.with_columns(
        run=pl.concat_str(pl.lit(f"{index:016x}"), "run"),
        program=pl.concat_str(pl.lit("zibble"), "program"),
        prompt=pl.format("compute {}({})\ntrace:", "program", a),
        output=pl.format("{} * {} = {} \n answer : {}", a, b, a * b, "expected"),
    )


def write_large(folder: Path, n_rows: int) -> None:
    """At least so many rows, a comparison a file."""
    written, index = 0, 0
    while written < n_rows:
        rows = comparison(WORLD, index)
        write_items(rows, folder / "items" / f"{index:06}.parquet")
        written, index = written + rows.height, index + 1


def write_many(folder: Path, n_files: int) -> None:
    """So many files, a run each."""
    written, index = 0, 0
    while written < n_files:
        for run in comparison(SMALL_WORLD, index).partition_by("run")[: n_files - written]:
            write_items(run, folder / "items" / f"{written:06}.parquet")
            written += 1
        index += 1


# --- what is measured


def bare(folder: Path, keys: tuple[str, ...]) -> pl.DataFrame:
    """The group-by alone."""
    return (
        pl.scan_parquet(folder / "items" / "*.parquet")
        .group_by(keys)
        .agg(n_correct=pl.col("correct").sum(), n_items=pl.len())
        .collect(engine="streaming")
    )


def all_rates(folder: Path, draws: int) -> pl.DataFrame:
    """Rates and intervals under the headline pair, from the counts that our pass left."""
    found = contests(target_cells(pl.read_parquet(folder / COUNTS)), DEFAULT_HEADLINE)
    headline = [each for each in found if each.pair == DEFAULT_HEADLINE]
    return rates_frame([whole_result(each, DEFAULT_HEADLINE, draws=draws) for each in headline])


COUNTS: Final = "counts.parquet"
OURS: Final = "load, check and count"
RATES: Final = "rates from the counts"
PASSES: Final[dict[str, Callable[[Path], pl.DataFrame]]] = {
    "bare group-by, same keys": lambda folder: bare(folder, KEYS),
    "bare group-by, fewest keys": lambda folder: bare(folder, FEWEST),
    OURS: load_counts,
}


def measured(task: str, folder: Path, draws: int) -> dict[str, Any]:
    """One measurement, in this process: seconds, peak resident memory, and what came out."""
    began, worked = time.perf_counter(), time.process_time()
    found = all_rates(folder, draws) if task == RATES else PASSES[task](folder)
    cost = {"wall_s": time.perf_counter() - began, "cpu_s": time.process_time() - worked}
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
    if task == OURS:
        found.write_parquet(folder / COUNTS)
    totals = found.select(pl.col("^n_correct|n_items$").sum()).to_dicts() or [{}]
    return cost | {"peak_gib": peak / 2**30, "rows": found.height} | totals[0]


# --- measuring


def in_turn(tasks: list[str], folder: Path, repeats: int, draws: int) -> dict[str, Any]:
    """Medians over repeats, the tasks taking turns, each in a process of its own."""
    found: dict[str, list[dict[str, Any]]] = {task: [] for task in tasks}
    for _ in range(repeats):
        for task in tasks:
            words = [sys.executable, "-m", __spec__.name, "--task", task, "--folder", str(folder)]
            done = subprocess.run(
                [*words, "--draws", str(draws)], capture_output=True, text=True, check=False
            )
            if done.returncode:
                raise SystemExit(f"{task} failed:\n{done.stderr}")
            found[task].append(json.loads(done.stdout))
    return {
        task: runs[0]
        | {
            "wall_s": statistics.median(each["wall_s"] for each in runs),
            "cpu_s": statistics.median(each["cpu_s"] for each in runs),
            "peak_gib": max(each["peak_gib"] for each in runs),
        }
        for task, runs in found.items()
    }


def table(title: str, found: dict[str, Any]) -> str:
    """One line a task; ratios are to the first."""
    first = next(iter(found.values()))
    heads = (("seconds", 9), ("ratio", 7), ("CPU s", 9), ("ratio", 7), ("peak GiB", 10))
    lines = ["", title, " " * 28 + "".join(f"{head:>{width}}" for head, width in heads)]
    for task, each in found.items():
        ratio = {key: each[key] / first[key] for key in ("wall_s", "cpu_s")}
        wall, cpu = (f"{each[key]:9.2f}{by:7.2f}" for key, by in ratio.items())
        lines.append(f"{task:28}{wall}{cpu}{each['peak_gib']:10.2f}")
    return "\n".join(lines)


def run(options: argparse.Namespace, folder: Path) -> dict[str, Any]:
    """All measurements, printed as they come."""
    large, many = folder / "large", folder / "many"
    print(f"writing {options.rows:,} rows to {folder}", flush=True)
    write_large(large, options.rows)
    write_many(many, options.files)
    report: dict[str, Any] = {
        "cores": os.cpu_count(),
        "polars": pl.__version__,
        "repeats": options.repeats,
        "draws": options.draws,
    }
    for name, source in (("large", large), ("many", many)):
        report[name] = in_turn(list(PASSES), source, options.repeats, options.draws)
        ours, files = report[name][OURS], sum(1 for _ in (source / "items").iterdir())
        title = f"{ours['n_items']:,} rows in {files:,} files, {ours['rows']:,} counts"
        print(table(title, report[name]), flush=True)
    report["rates"] = in_turn([RATES], large, 1, options.draws)
    comparisons = report["rates"][RATES]["rows"]
    title = f"{comparisons:,} comparisons, {options.draws:,} bootstrap draws each"
    print(table(title, report["rates"]), flush=True)
    return report


def main() -> None:
    """Parses the options and measures; with --task, makes one measurement and prints it as JSON."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows", type=int, default=100_000_000, help="of the first folder")
    parser.add_argument("--files", type=int, default=10_000, help="of the second folder")
    parser.add_argument("--draws", type=int, default=10_000, help="bootstrap draws")
    parser.add_argument("--repeats", type=int, default=3, help="medians are over so many")
    parser.add_argument("--where", type=Path, help="folder for the data; default: a temporary one")
    parser.add_argument("--out", type=Path, default=Path("runs/analysis_speed.json"))
    parser.add_argument("--task", help=argparse.SUPPRESS)
    parser.add_argument("--folder", type=Path, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.task:
        print(json.dumps(measured(options.task, options.folder, options.draws)))
        return
    with tempfile.TemporaryDirectory(dir=options.where) as name:
        folder = Path(name)
        need = BYTES_PER_ROW * options.rows + 30_000 * options.files
        free = shutil.disk_usage(folder).free
        if free < need:
            raise SystemExit(
                f"{folder} has {free / 1e9:.1f} GB free, but {need / 1e9:.1f} GB are needed; name "
                "another folder by --where, or fewer --rows"
            )
        report = run(options, folder)
    options.out.parent.mkdir(parents=True, exist_ok=True)
    options.out.write_text(json.dumps(report, indent=2) + "\n")
    print(f"\nwritten to {options.out}")


if __name__ == "__main__":
    main()

"""Training speed, side by side: `python -m tests.bench.train_speed`.

Contenders (`tests.bench.training`) take turns, each in a process of its own, as it would be used:
what one sets there, another does not gain or suffer by. Shown are medians over the rounds. MFU is
of the device's dense bfloat16 peak.
"""

from __future__ import annotations

import argparse
import gc
import importlib.util
import json
import multiprocessing
import statistics
from collections.abc import Callable, Sequence
from concurrent.futures import ProcessPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass
from functools import cache, partial
from pathlib import Path
from typing import Any, Final

import torch

from tests.bench.training import SETTINGS, Bench, by_trainer, by_trl, ours_together

PEAK_FLOP_PER_S: Final = {"H100": 989e12, "H200": 989e12, "A100": 312e12}


@dataclass(frozen=True)
class Asked:
    """What a bench is made of; device: a name in SETTINGS."""

    device: str
    rank: int
    steps: int
    adapters: int


@dataclass(frozen=True)
class Contender:
    """run: trains `adapters` of a bench for one round and gives its seconds."""

    name: str
    adapters: int
    run: Callable[[Bench], float]


def contenders(device: str, sizes: Sequence[int]) -> list[Contender]:
    """All that are there, Trainer first; sizes: of our cohorts."""
    found = [Contender("Trainer + peft", 1, by_trainer)]
    if "trl" not in absent():
        found.append(Contender("TRL", 1, by_trl))
        if device == "cuda" and "liger_kernel" not in absent():
            found.append(Contender("TRL, Liger", 1, partial(by_trl, use_liger_kernel=True)))
    for size in sizes:
        name = "ours, one adapter" if size == 1 else f"ours, cohort of {size}"
        found.append(Contender(name, size, partial(ours_together, adapters=size)))
    return found


def measured(asked: Asked, rounds: int, who: Sequence[Contender]) -> list[dict[str, Any]]:
    """A row a contender."""
    spent: dict[str, list[float]] = {each.name: [] for each in who}
    rows: dict[str, dict[str, Any]] = {}
    spawn = multiprocessing.get_context("spawn")
    with ExitStack() as stack:
        places = [stack.enter_context(ProcessPoolExecutor(1, spawn)) for _ in who]
        for turn in range(rounds + 1):  # the first warms up
            for each, place in zip(who, places, strict=True):
                taken = place.submit(round_of, asked, each).result()
                print(f"{turn} {each.name}: {taken['seconds']:.2f} s", flush=True)
                if turn:
                    spent[each.name].append(taken["seconds"])
                    rows[each.name] = row(each, taken, spent[each.name])
    return list(rows.values())


@cache
def _bench(asked: Asked) -> Bench:
    return Bench(
        SETTINGS[asked.device], torch.device(asked.device), asked.rank, asked.steps, asked.adapters
    )


def round_of(asked: Asked, contender: Contender) -> dict[str, Any]:
    """One round in this process, whose bench is kept for the next one."""
    torch.set_num_threads(1)
    bench, cuda = _bench(asked), asked.device == "cuda"
    gc.collect()
    if cuda:
        torch.cuda.reset_peak_memory_stats()
    seconds = contender.run(bench)
    memory = torch.cuda.max_memory_allocated() / 2**20 if cuda else None
    gc.collect()
    if cuda:
        torch.cuda.empty_cache()  # the next one's is another process
    return {
        "seconds": seconds,
        "tokens": bench.tokens(contender.adapters),
        "flop_per_token": bench.flop_per_token(),
        "device": torch.cuda.get_device_name() if cuda else "cpu, one thread",
        "peak_memory_mib": memory,
    }


def row(contender: Contender, taken: dict[str, Any], seconds: Sequence[float]) -> dict[str, Any]:
    """taken: a `round_of` it; seconds: of all its rounds."""
    speed = taken["tokens"] / statistics.median(seconds)
    flop = next((f for card, f in PEAK_FLOP_PER_S.items() if card in taken["device"]), None)
    return {
        "contender": contender.name,
        "adapters": contender.adapters,
        "tokens_per_s": round(speed),
        "seconds": [round(s, 4) for s in seconds],
        "mfu": speed * taken["flop_per_token"] / flop if flop else None,
        "peak_memory_mib": taken["peak_memory_mib"],
        "device": taken["device"],
        "flop_per_token": taken["flop_per_token"],
    }


def profile(asked: Asked, adapters: int) -> str:
    """Where a cohort's time goes, as torch's profiler tells it: milliseconds a step, by kernel."""
    bench = _bench(asked)
    ours_together(bench, adapters)
    with torch.profiler.profile(activities=[torch.profiler.ProfilerActivity.CUDA]) as seen:
        ours_together(bench, adapters)
    each = [
        (kernel.self_device_time_total / 1e3 / bench.steps, kernel.key)
        for kernel in seen.key_averages()
    ]
    lines = [f"{milliseconds:8.3f} {name[:90]}" for milliseconds, name in sorted(each)[::-1][:60]]
    return "\n".join([f"{sum(each_ms for each_ms, _ in each):8.3f} in all", *lines, ""])


def absent() -> list[str]:
    """Contenders that are not there to be measured."""
    return [name for name in ("trl", "liger_kernel") if importlib.util.find_spec(name) is None]


def table(rows: Sequence[dict[str, Any]]) -> str:
    """As Markdown."""
    first = rows[0]["tokens_per_s"]
    lines = ["| contender | tokens/s | times Trainer | MFU | peak MiB |", "|---|---|---|---|---|"]
    for row in rows:
        mfu = "" if row["mfu"] is None else f"{row['mfu']:.1%}"
        memory = "" if row["peak_memory_mib"] is None else f"{row['peak_memory_mib']:,.0f}"
        speed = row["tokens_per_s"]
        lines.append(f"| {row['contender']} | {speed:,} | {speed / first:.2f} | {mfu} | {memory} |")
    return "\n".join([*lines, *(f"| {name} | not installed | | | |" for name in absent())])


def main() -> None:
    """Measure, print the table, write the JSON."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--device", choices=SETTINGS, default="cpu")
    parser.add_argument("--rank", type=int, default=16)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--steps", type=int, default=60)
    parser.add_argument("--cohorts", type=int, nargs="*", default=[1, 2, 4, 8, 16, 32])
    parser.add_argument("--json", type=Path, default=Path("train_speed.json"))
    parser.add_argument("--profile", type=Path, help="on a GPU: a file for the largest's kernels")
    args = parser.parse_args()
    most = max([1, *args.cohorts])
    asked = Asked(args.device, args.rank, args.steps, most)
    rows = measured(asked, args.rounds, contenders(args.device, args.cohorts))
    setting = SETTINGS[args.device]
    about = {
        "model": setting.name,
        "torch": torch.__version__,
        "rank": args.rank,
        "tokens_per_step": setting.tokens_per_step,
        "steps": args.steps,
        "not_installed": absent(),
    }
    if args.profile:
        args.profile.write_text(profile(asked, most))
    args.json.write_text(json.dumps({**about, "rows": rows}, indent=1) + "\n")
    print(f"{about}\n{table(rows)}")


if __name__ == "__main__":
    main()

"""One of two processes that run stages together.

python -m tests.pbb.team_process RANK FOLDER CASE...

A case is STRATEGY-WEIGHTS, STRATEGY-WEIGHTS-items after it, or STRATEGY-FAULT. How each ended here
is written to RANK.json. Weights are those of LoRA, LoRA's in float64, or all.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from pathlib import Path
from typing import Any

import torch
import torch.distributed as dist
from torch import nn

import pbb.parallel.steps
import pbb.parallel.strategies
from pbb.config import EvaluateStage, Lora, Numerics, Recipe, Stage, TrainStage
from pbb.curricula import compile_run
from pbb.jobs import Job
from pbb.models.encoding import Encoder
from pbb.models.registry import resolve
from pbb.parallel.engine import TeamEngine, replicated, sharded
from tests.pbb.doubled import doubled
from tests.pbb.runs import TRAIN, run

SIZE = 2
STEPS = 20
BROKEN_AT = 3
"""Call at which something goes wrong in the second process."""
RANKS = {"lora": 4, "double": 4, "all": 0}
FAULTS: dict[str, float | Exception] = {
    "nan": float("nan"),
    "memory": torch.OutOfMemoryError("no memory here\nand a trace"),
}


def stages(weights: str, most: int) -> tuple[TrainStage, EvaluateStage]:
    """A stage of documents of uneven lengths, in microbatches of `most` tokens; its evaluation."""
    rate = 1e-4 if weights == "all" else 1e-3
    recipe = Recipe(steps=STEPS, tokens_per_step=200, peak_lr=rate, warmup_steps=2)
    train = TRAIN.model_copy(update={"stage1": recipe})
    first, *_, last = compile_run(run(train=train, lora_rank=RANKS[weights]), resolve("nano-xs"))
    assert isinstance(first, TrainStage) and isinstance(last, EvaluateStage)
    shared = {"numerics": Numerics(max_batch_tokens=most)}
    lora = Lora(rank=RANKS[weights])
    own = {"recipe": recipe, "lora": lora, "checkpoints": (5,)}
    return first.model_copy(update={**shared, **own}), last.model_copy(update=shared)


def main(rank: int, folder: Path, cases: list[str]) -> None:
    dist.init_process_group(joined(rank), f"file://{folder}/joined", rank=rank, world_size=SIZE)
    seen: dict[str, Any] = {}
    for case in cases:
        strategy, kind, *asked = case.split("-")
        engine = {"ddp": replicated, "fsdp": sharded}[strategy]()
        if kind in RANKS:
            trained, evaluated = stages(kind, 100)
            parent = folder / f"{strategy}-{kind}" if asked else None
            with in_double(pbb.parallel.strategies) if kind == "double" else nullcontext():
                seen[case] = outcome(engine, evaluated if asked else trained, parent, folder / case)
            continue
        with going_wrong(rank, FAULTS[kind]):
            try:
                seen[case] = outcome(engine, stages("lora", 100)[0], None, folder / case)
            except Exception as error:
                seen[case] = {"raised": type(error).__name__}
    (folder / f"{rank}.json").write_text(json.dumps(seen))


def joined(rank: int) -> str:
    """What joins the processes: each takes a GPU of its own, where there are as many."""
    if torch.cuda.device_count() < SIZE:
        return "gloo"
    torch.cuda.set_device(rank)
    return "nccl"


def outcome(engine: TeamEngine, stage: Stage, parent: Path | None, out: Path) -> dict[str, Any]:
    """How a stage ended in this process."""
    out.mkdir(exist_ok=True)
    found = next(engine.run_cohort([Job(stage, parent, out, out / "scratch")]))
    return found.model_dump(mode="json")


@contextmanager
def in_double(module: Any) -> Iterator[None]:
    """Bases that the module loads are in float64, where another order of sums is not seen."""
    single = module.load_base

    def load_base(*args: Any) -> tuple[nn.Module, Encoder]:
        model, encoder = single(*args)
        return doubled(model), encoder

    module.load_base = load_base
    try:
        yield
    finally:
        module.load_base = single


@contextmanager
def going_wrong(rank: int, how: float | Exception) -> Iterator[None]:
    """In the second process a step's loss is `how`, or raises it."""
    sound, calls = pbb.parallel.steps.accumulate, 0

    def accumulate(*args: Any) -> float:
        nonlocal calls
        calls += 1
        loss = sound(*args)
        if rank == 0 or calls < BROKEN_AT:
            return loss
        if isinstance(how, Exception):
            raise how
        return how

    pbb.parallel.steps.accumulate = accumulate
    try:
        yield
    finally:
        pbb.parallel.steps.accumulate = sound


if __name__ == "__main__":
    main(int(sys.argv[1]), Path(sys.argv[2]), sys.argv[3:])

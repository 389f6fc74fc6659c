"""Laws of a stage that several processes share: it is one process's, well or ill."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import polars as pl
import pytest
import torch
import torch.distributed as dist
from safetensors.torch import load_file
from torch import nn

import pbb.engine
from pbb.documents import Document
from pbb.engine import Engine
from pbb.jobs import Job
from pbb.models.encoding import Encoded
from pbb.models.forward import Learner, Whole
from pbb.parallel.engine import TeamEngine
from pbb.parallel.shares import rectangles, shares
from pbb.parallel.strategies import Replicated
from pbb.parallel.team import Team
from pbb.records import Status
from tests.pbb.team_process import SIZE, STEPS, in_double, stages
from tests.pbb.tiny import CPU

WHOLE_STEP = 16_384
"""Tokens of a microbatch that holds a whole step."""
pytestmark = pytest.mark.timeout(300)  # two processes more, on machines that may be busy
ADAPTER, MODEL = "adapter_model.safetensors", "model.safetensors"


def together(folder: Path, *cases: str) -> list[dict[str, Any]]:
    """What each of two processes saw of the cases."""
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    command = [sys.executable, "-m", "tests.pbb.team_process"]
    processes = [
        subprocess.Popen([*command, str(rank), str(folder), *cases], env=environment)
        for rank in range(SIZE)
    ]
    try:
        assert [process.wait(timeout=280) for process in processes] == [0] * SIZE
    finally:
        for process in processes:
            process.kill()
    return [json.loads((folder / f"{rank}.json").read_text()) for rank in range(SIZE)]


def alone(folder: Path, weights: str) -> Path:
    """The same stage by one process, which takes each step whole."""
    out = folder / f"one-{weights}"
    out.mkdir()
    Engine().run(stages(weights, WHOLE_STEP)[0], None, out)
    return out


def same_to_rounding(one: Path, shared: Path, file: str, close: float = 1e-5) -> None:
    """Losses and gradients of every step, and the weights, relatively."""
    ours, theirs = (pl.read_parquet(each / "steps.parquet") for each in (one, shared))
    assert len(ours) == STEPS
    for column in ours.columns:
        assert theirs[column].to_list() == pytest.approx(ours[column].to_list(), rel=close), column
    for folder in (".", "checkpoint-5"):
        mine, their = (load_file(each / folder / file) for each in (one, shared))
        assert mine.keys() == their.keys()
        whole = torch.cat([mine[name].flatten() for name in mine])
        error = torch.cat([(their[name] - mine[name]).flatten() for name in mine])
        assert float(error.norm() / whole.norm()) < close
    for name in ("lora.json", "adapter_config.json"):
        if (one / name).exists():
            assert (shared / name).read_bytes() == (one / name).read_bytes()


def by_its_own_code(model: nn.Module) -> Learner:
    """As a sharded model is trained."""
    return Learner(Whole(model), [p for p in model.parameters() if p.requires_grad])


@pytest.mark.slow
def test_two_processes_are_one_to_rounding_and_diverge_together(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Twenty steps of LoRA, each process with its share of every step in several microbatches.

    One process takes each step by the same operations, whose roundings are then those of sums
    alone.
    """
    for seen in together(tmp_path, "ddp-lora", "fsdp-lora", "ddp-nan"):
        assert [seen[case]["status"] for case in seen] == ["ok"] * 2 + ["diverged"]
    same_to_rounding(alone(tmp_path, "lora"), tmp_path / "ddp-lora", ADAPTER)
    monkeypatch.setattr("pbb.training.loop.learner_of", by_its_own_code)
    whole = tmp_path / "whole"
    whole.mkdir()
    same_to_rounding(alone(whole, "lora"), tmp_path / "fsdp-lora", ADAPTER)


@pytest.mark.slow
def test_however_they_share_a_model_they_are_one_in_float64(tmp_path: Path) -> None:
    """A sharded one is trained by its own code, by one process in an `AdapterRow`."""
    for seen in together(tmp_path, "ddp-double", "fsdp-double"):
        assert all(each["status"] == "ok" for each in seen.values())
    with in_double(pbb.engine):
        one = alone(tmp_path, "double")
    for strategy in ("ddp", "fsdp"):
        same_to_rounding(one, tmp_path / f"{strategy}-double", ADAPTER, close=1e-9)


@pytest.mark.slow
def test_so_they_are_with_all_weights(tmp_path: Path) -> None:
    for seen in together(tmp_path, "ddp-all", "fsdp-all"):
        assert all(each["status"] == "ok" for each in seen.values())
    one = alone(tmp_path, "all")
    for strategy in ("ddp", "fsdp"):
        same_to_rounding(one, tmp_path / f"{strategy}-all", MODEL)


@pytest.mark.slow
@pytest.mark.parametrize("weights", ["lora", "all"])
def test_items_shared_by_processes_are_answered_as_by_one(tmp_path: Path, weights: str) -> None:
    """A sharded model is called more often in one process than in the other."""
    cases = [f"{strategy}-{weights}" for strategy in ("ddp", "fsdp")]
    both = together(tmp_path, *cases, *[f"{case}-items" for case in cases])
    assert all(each["status"] == "ok" for seen in both for each in seen.values())
    for case in cases:
        items = tmp_path / "one" / case
        items.mkdir(parents=True)
        Engine("cpu").run(stages(weights, WHOLE_STEP)[1], tmp_path / case, items)
        found, wanted = (
            pl.read_parquet(folder / "items.parquet")
            for folder in (tmp_path / f"{case}-items", items)
        )
        assert found.equals(wanted)


@pytest.mark.slow
def test_what_goes_wrong_in_one_process_ends_the_stage_in_all(tmp_path: Path) -> None:
    """A sharded model's processes cannot go on: who lacks memory says so, the others raise."""
    first, second = together(tmp_path, "fsdp-nan", "ddp-memory", "fsdp-memory")
    for seen in (first, second):
        assert seen["fsdp-nan"]["status"] == "diverged"
        assert seen["ddp-memory"]["status"] == "out_of_memory"
        assert seen["ddp-memory"]["reason"] == first["ddp-memory"]["reason"]
    assert second["fsdp-memory"]["status"] == "out_of_memory"
    assert "raised" in first["fsdp-memory"]


def of_lengths(*lengths: int) -> list[Encoded]:
    nothing = Document("", "", "execution", "acquisition", "")
    return [Encoded(tuple(range(n)), n // 2, nothing) for n in lengths]


@pytest.mark.parametrize("size", [1, 2, 3, 8])
def test_shares_part_a_step_evenly(size: int) -> None:
    documents = of_lengths(9, 2, 30, 4, 4, 17, 8)
    found = shares(documents, size)
    assert len(found) == size
    assert sorted(d.ids for share in found for d in share) == sorted(d.ids for d in documents)
    tokens = [sum(len(d.ids) for d in share) for share in found]
    assert max(tokens) - min(tokens) <= 30


@pytest.mark.parametrize("most", [1, 20, 40, 1000])
def test_every_process_calls_a_sharded_model_equally_often(most: int) -> None:
    """Also where it has no document; and no document is lost or repeated."""
    of_all = [*shares(of_lengths(9, 2, 30, 4, 4, 17, 8, 12), 3), []]
    cuts = [
        rectangles(of_all, rank, pad_id=0, max_tokens=most, device=CPU)
        for rank in range(len(of_all))
    ]
    assert len({len(cut) for cut in cuts}) == 1
    for share, cut in zip(of_all, cuts, strict=True):
        assert all(len(microbatch.packed.blocks) == 1 for microbatch in cut)
        wanted = sorted(int(id_) for microbatch in cut for id_ in microbatch.wanted)
        assert wanted == sorted(id_ for d in share for id_ in d.ids[d.n_prompt :])


def test_a_base_that_one_process_cannot_hold_is_the_stages_end(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def narrow(*_: object) -> None:
        raise torch.OutOfMemoryError("too large")

    monkeypatch.setattr("pbb.parallel.strategies.load_base", narrow)
    dist.init_process_group("gloo", store=dist.HashStore(), rank=0, world_size=1)
    try:
        team = Team(CPU)
        job = Job(stages("lora", WHOLE_STEP)[0], None, tmp_path)
        (end,) = TeamEngine(team, Replicated(team)).run_cohort([job])
    finally:
        dist.destroy_process_group()
    assert end.status is Status.OUT_OF_MEMORY and "too large" in (end.reason or "")

"""Stages of one base run together, by the engine: the same folders as each by itself."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import polars as pl
import pytest
import torch
from safetensors.torch import load_file

from pbb import cohort
from pbb.cohort import Trained, fits, train_together
from pbb.config import Stage, TrainStage
from pbb.curricula import compile_run
from pbb.engine import Engine
from pbb.jobs import Job
from pbb.models.adapters import AdapterError
from pbb.models.lean.reading import lean_llama
from pbb.models.loading import load_base
from pbb.models.registry import resolve
from pbb.records import Status
from tests.pbb.runs import run
from tests.pbb.tiny import CPU

FILES = ("adapter_config.json", "lora.json", "adapter_model.safetensors")


def stage1(**changes: Any) -> TrainStage:
    stage = compile_run(run(**changes), resolve("nano-xs"))[0]
    assert isinstance(stage, TrainStage)
    return stage


def changed(stage: TrainStage, **changes: Any) -> TrainStage:
    return TrainStage.model_validate({**stage.model_dump(), **changes})


def jobs(folder: Path, *stages: Stage) -> list[Job]:
    made = [Job(stage, None, folder / str(i), folder / "scratch") for i, stage in enumerate(stages)]
    for job in made:
        job.out.mkdir(parents=True)
    return made


def together(asked: list[Job]) -> list[Trained]:
    stage = asked[0].stage
    base, encoder = load_base(stage.base, stage.numerics.dtype, CPU)
    llama = lean_llama(base)
    assert llama is not None
    return train_together(asked, base, llama, encoder, CPU)


def test_on_cpu_a_cohort_leaves_the_bytes_that_each_stage_leaves_alone(tmp_path: Path) -> None:
    """Whatever the rank, the rate and the documents of its neighbours."""
    stage = stage1()
    wild = changed(stage1(seed=2), recipe={**stage.recipe.model_dump(), "peak_lr": 1e20})
    first = jobs(tmp_path / "a", stage, stage1(seed=3, lora_rank=2))
    second = jobs(tmp_path / "b", wild, stage1(seed=4, lora_rank=0), stage)
    assert [o.status for o in Engine("cpu").run_cohort(first)] == [Status.OK] * 2
    found = list(Engine("cpu").run_cohort(second))
    assert [o.status for o in found] == [Status.DIVERGED, Status.OK, Status.OK]
    for name in (*FILES, "steps.parquet"):
        assert (first[0].out / name).read_bytes() == (second[2].out / name).read_bytes(), name


def test_side_by_side_leaves_the_folders_that_each_stage_leaves_alone(tmp_path: Path) -> None:
    """As on a GPU: the same files and settings, and the same numbers but for rounding."""
    stage = changed(stage1(), checkpoints=(2,))
    parent = tmp_path / "parent"
    parent.mkdir()
    Engine("cpu").run(stage1(seed=9), None, parent)
    asked = jobs(tmp_path / "cohort", stage, stage1(seed=3, lora_rank=2))
    asked.append(Job(stage1(seed=5), parent, tmp_path / "cohort" / "2", tmp_path / "s"))
    asked[2].out.mkdir()
    for job, end in zip(asked, together(asked), strict=True):
        alone = tmp_path / "alone" / job.out.name
        alone.mkdir(parents=True)
        outcome = Engine("cpu").run(job.stage, job.parent, alone)
        assert outcome.summary is not None and end.summary is not None
        settled = {"adapter_shift", "final_loss_nats_per_token", "data_wait_s"}
        assert end.summary.model_dump(exclude=settled) == outcome.summary.model_dump(
            exclude=settled
        )
        assert end.summary.adapter_shift == pytest.approx(outcome.summary.adapter_shift, rel=0.05)
        losses = pl.read_parquet(alone / "steps.parquet")["loss_nats_per_token"].to_list()
        assert [r.loss_nats_per_token for r in end.records] == pytest.approx(losses, rel=1e-4)
        assert {p.name for p in alone.iterdir()} - {"steps.parquet"} == {
            p.name for p in job.out.iterdir()
        }
        assert_like(job.out, alone)
    assert_like(asked[0].out / "checkpoint-2", tmp_path / "alone" / "0" / "checkpoint-2")


def assert_like(found: Path, wanted: Path) -> None:
    """Norms, for AdamW makes a whole step of a gradient that is nothing but rounding."""
    for name in FILES[:2]:
        assert (found / name).read_bytes() == (wanted / name).read_bytes()
    ours, theirs = load_file(found / FILES[2]), load_file(wanted / FILES[2])
    assert ours.keys() == theirs.keys()
    for name, tensor in theirs.items():
        assert (ours[name] - tensor).norm() < 0.01 * tensor.norm(), name


def test_a_cohort_that_exhausts_the_memory_is_halved_and_loses_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    tried: list[int] = []

    def narrow(asked: list[Job], *rest: Any) -> list[Trained]:
        tried.append(len(asked))
        (asked[0].out / "half-written").touch()
        if len(asked) > 2:
            raise torch.OutOfMemoryError("too many")
        (asked[0].out / "half-written").unlink()
        return train_together(asked, *rest)

    monkeypatch.setattr(cohort, "train_together", narrow)
    monkeypatch.setattr(cohort, "most_abreast", lambda *_: 4)
    engine = Engine("cpu")
    monkeypatch.setattr(engine, "_side_by_side", True)
    asked = jobs(tmp_path, *(stage1(seed=seed) for seed in range(4)))
    outcomes = list(engine.run_cohort(asked))
    assert tried == [4, 2, 2]
    assert [outcome.status for outcome in outcomes] == [Status.OK] * 4
    for job in asked:
        assert {p.name for p in job.out.iterdir()} == {*FILES, "steps.parquet"}


@pytest.mark.parametrize("side_by_side", [False, True])
def test_a_base_that_the_memory_does_not_hold_is_a_stages_end_and_no_crash(
    side_by_side: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def narrow(*_: object) -> None:
        raise torch.OutOfMemoryError("too large")

    engine, asked = Engine("cpu"), jobs(tmp_path, stage1(), stage1(seed=2))
    monkeypatch.setattr(engine, "_side_by_side", side_by_side)
    with monkeypatch.context() as there:
        there.setattr("pbb.engine.load_base", narrow)
        ends = list(engine.run_cohort(asked))
    assert [(end.status, end.reason) for end in ends] == [(Status.OUT_OF_MEMORY, "too large")] * 2
    assert engine.run(stage1(), None, asked[0].out).status is Status.OK


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a GPU")
def test_on_a_gpu_a_cohort_learns_what_each_stage_learns_alone(tmp_path: Path) -> None:
    """The engine measures how many train at once; each adapter continues from its parent."""
    engine, parent = Engine("cuda"), tmp_path / "parent"
    parent.mkdir()
    assert engine.run(stage1(seed=9), None, parent).status is Status.OK
    asked = jobs(tmp_path / "cohort", stage1(), stage1(seed=3, lora_rank=2))
    asked.append(Job(stage1(seed=5), parent, tmp_path / "cohort" / "2"))
    asked[2].out.mkdir()
    assert [o.status for o in engine.run_cohort(asked)] == [Status.OK] * 3
    for job in asked:
        alone = tmp_path / "alone" / job.out.name
        alone.mkdir(parents=True)
        assert Engine("cpu").run(job.stage, job.parent, alone).status is Status.OK
        found, wanted = (
            pl.read_parquet(folder / "steps.parquet")["loss_nats_per_token"].to_list()
            for folder in (job.out, alone)
        )
        assert found == pytest.approx(wanted, rel=1e-3)
        assert {p.name for p in job.out.iterdir()} == {p.name for p in alone.iterdir()}


def test_an_adapter_that_learns_nothing_is_refused(tmp_path: Path) -> None:
    still = changed(stage1(), recipe={**stage1().recipe.model_dump(), "peak_lr": 1e-30})
    with pytest.raises(AdapterError, match="unchanged"):
        together(jobs(tmp_path, still, stage1(seed=2)))


def test_what_may_train_side_by_side() -> None:
    stage = stage1()
    longer = changed(stage, recipe={**stage.recipe.model_dump(), "steps": 9})
    chain = compile_run(run(), resolve("nano-xs"))
    assert fits([stage, stage1(seed=2, lora_rank=3), stage1(arm="none")])
    assert not fits([stage, longer])
    assert not fits([stage, stage1(lora_rank=0)])
    assert not fits([stage, chain[-1]])
    assert not fits([stage, changed(stage, numerics={"dtype": "bfloat16"})])

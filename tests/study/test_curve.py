"""A curve's points are the model as it was at their steps: checkpoints of the real engine."""

from __future__ import annotations

import shutil
from pathlib import Path

import polars as pl

from analysis.learning import accuracy_by_step
from analysis.load import load
from pbb.config import EvaluateStage
from pbb.engine import Engine
from pbb.models.registry import resolve
from study.launch import launch
from study.plan import PlannedStage, evaluations, make_plan
from study.store import Store
from tests.study.test_beside import STEPS, study

STEP = 2
WEIGHTS = "adapter_model.safetensors"


def test_a_point_of_a_curve_is_asked_of_the_weights_at_its_step(tmp_path: Path) -> None:
    asked = study(["instruction"], curve=[0, STEP], recall=1)
    result = launch(asked, tmp_path / "runs", "local", quiet=True)
    assert (result.ok, result.failed) == (1, 0)
    points = accuracy_by_step(load(result.folder).history)
    assert sorted(points["step"].unique()) == [0, STEP, STEPS]

    store = Store(tmp_path / "runs")
    (trial,) = make_plan(asked, resolve).trials
    (point,) = (each for each in evaluations(trial.chain) if _checkpoint(each) == STEP)
    assert point.parent is not None
    early, end = store.path(point.parent) / f"checkpoint-{STEP}", store.path(point.parent)
    assert (early / WEIGHTS).read_bytes() != (end / WEIGHTS).read_bytes()
    assert store.read_items(point.fingerprint).equals(_asked_of(early, end, point, tmp_path))


def _checkpoint(planned: PlannedStage) -> int | None:
    assert isinstance(planned.stage, EvaluateStage)
    return planned.stage.checkpoint


def _asked_of(early: Path, end: Path, point: PlannedStage, scratch: Path) -> pl.DataFrame:
    """What a stage that ended with the checkpoint's weights answers."""
    ended, out = scratch / "ended", scratch / "out"
    shutil.copytree(end, ended)
    shutil.copytree(early, ended, dirs_exist_ok=True)
    out.mkdir()
    assert isinstance(point.stage, EvaluateStage)
    plain = EvaluateStage.model_validate({**point.stage.model_dump(), "checkpoint": None})
    Engine("cpu").run(plain, ended, out)
    return pl.read_parquet(out / "items.parquet")

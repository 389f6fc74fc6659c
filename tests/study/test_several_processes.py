"""Trainers of several processes: what a study file may ask, and a study run so."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import polars as pl
import pytest
import torch
from pydantic import ValidationError
from safetensors.torch import load_file

from search_spaces.errors import StudyError
from search_spaces.settings import Resources
from search_spaces.study_file import Study, dump_study, parse_study
from study.launch import launch
from study.plan import make_plan
from tests.study.studies import fake_base, small_study

GRID: dict[str, Any] = {
    "model": "nano-xs",
    "acquisition": 8,
    "arm": "instruction",
    "response_format": "cot",
    "seed": 1,
}
TWO: dict[str, Any] = {"workers": 1, "cpus_per_worker": 2, "processes_per_worker": 2}


def study(**changes: Any) -> Study:
    return small_study("several", factors=[GRID], **changes)


def test_processes_enter_no_fingerprint() -> None:
    one, two = (
        make_plan(study(resources=resources), fake_base)
        for resources in ({}, {**TWO, "strategy": "fsdp"})
    )
    assert one.stages().keys() == two.stages().keys()


@pytest.mark.parametrize(
    ("key", "resources"),
    [
        ("cpus_per_worker", {"processes_per_worker": 2}),
        ("gpus_per_worker", {**TWO, "gpus_per_worker": 1}),
        ("gpus_per_worker", {**TWO, "gpus_per_worker": 0.5}),
        ("gpus_per_worker", {**TWO, "gpus_per_worker": 3}),
        ("strategy", {"strategy": "fsdp"}),
        ("strategy", {**TWO, "strategy": "zero"}),
    ],
)
def test_processes_without_devices_are_refused(key: str, resources: dict[str, Any]) -> None:
    with pytest.raises(ValidationError, match=key):
        Resources.model_validate(resources)


@pytest.mark.parametrize("curriculum", ["retroactive-rl", "own"])
def test_reinforcement_in_several_processes_is_refused(curriculum: str) -> None:
    """When the file is read, so before anything is planned or launched."""
    recipe = {"steps": 30, "tokens_per_step": 64, "peak_lr": 1e-3}
    rl = {"steps": 10, "peak_lr": 1e-3}
    reading = {"documents": [{"kind": "targets", "share": 1.0}], "recipe": recipe}
    changes = {
        "factors": [{**GRID, "curriculum": curriculum}],
        "train": {"stage1": recipe, "stage2": recipe, "rl": rl},
        "curricula": {"own": [reading, {"reinforce": rl}]},
    }
    text = dump_study(small_study("several", **changes))
    assert parse_study(text, "here").resources == Resources()
    shared = "resources: {cpus_per_worker: 2, processes_per_worker: 2}\n"
    with pytest.raises(StudyError, match=curriculum):
        parse_study(text + shared, "here")


@pytest.mark.slow
@pytest.mark.ray
@pytest.mark.timeout(600)
@pytest.mark.usefixtures("ray_cluster")
@pytest.mark.parametrize("strategy", ["ddp", "fsdp"])
def test_a_study_run_by_two_processes_is_one_processs(tmp_path: Path, strategy: str) -> None:
    one = launch(study(), tmp_path / "one", "local", quiet=True)
    resources = {**TWO, "strategy": strategy}
    two = launch(study(resources=resources), tmp_path / "two", "ray", quiet=True)
    assert (two.ok, two.failed, two.stages_run) == (one.ok, one.failed, one.stages_run)
    ours, theirs = (pl.read_parquet(each.folder / "items" / "*.parquet") for each in (one, two))
    assert theirs.drop("output", "correct", "score").equals(ours.drop("output", "correct", "score"))
    assert theirs["correct"].mean() == pytest.approx(ours["correct"].mean(), abs=0.02)
    adapters = sorted((tmp_path / "one" / "stages").glob("*/adapter_model.safetensors"))
    assert len(adapters) == 2
    for file in adapters:
        mine = load_file(file)
        their = load_file(tmp_path / "two" / file.relative_to(tmp_path / "one"))
        whole = torch.cat([mine[name].flatten() for name in mine])
        error = torch.cat([(their[name] - mine[name]).flatten() for name in mine])
        assert float(error.norm() / whole.norm()) < 1e-3

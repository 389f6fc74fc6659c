"""A study file may grow under its name: what was run stays, byte for byte, and the rest is run."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, Final

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from search_spaces.errors import StudyError
from search_spaces.study_file import Study, load_study
from study.extension import refusal
from study.folder import held_folder
from study.launch import LaunchResult, launch
from study.plan import make_plan
from tests.study.studies import RUNNER, fake_base, small_study, tuned_study, tuning_study

GRID: Final[dict[str, Any]] = {
    "model": "tiny",
    "acquisition": 8,
    "arm": ["instruction", "demonstrations"],
    "demonstrations": [2],
    "demonstration_format": "trace",
    "response_format": "cot",
    "seed": [1],
}
UNTRAINED: Final = {"curriculum": "none", "arm": "none"}
TELLS_TIME: Final = ("wall_s", "startup_device_s", "idle_device_s")
COSTS: Final = ("train_device_s", "evaluate_device_s", "stages")
"""A stage that both launches need is charged to the first of its trials in that launch."""

GROWN: Final[dict[str, dict[str, Any]]] = {
    "more seeds": {"seed": [3, 1, 2]},
    "another n": {"demonstrations": [1, 2, 4]},
    "another model": {"model": ["small", "tiny"]},
    "another arm": {"arm": ["none", "instruction", "demonstrations"]},
    "ranks, one of them the default": {"lora_rank": [4, 8]},
    "a control beside": {},
}


def grown(how: str) -> Study:
    grids = [{**GRID, **GROWN[how]}]
    if how == "a control beside":
        grids.append({**GRID, **UNTRAINED})
    return small_study(factors=grids)


def begun() -> Study:
    return small_study(factors=[GRID])


def brought(study: Study, root: Path) -> LaunchResult:
    result = launch(study, root, "local", quiet=True, runner=RUNNER, resolve=fake_base)
    assert result.failed == 0
    return result


def files(root: Path, below: str) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in (root / "small" / below).iterdir()}


@pytest.mark.parametrize("how", GROWN)
def test_only_new_work_is_run_and_the_rows_are_those_of_a_fresh_launch(
    tmp_path: Path, how: str
) -> None:
    first = brought(begun(), tmp_path / "r")
    items = files(tmp_path / "r", "items")
    result = brought(grown(how), tmp_path / "r")
    fresh = brought(grown(how), tmp_path / "fresh")
    assert result.stages_run == fresh.stages_run - first.stages_run
    assert files(tmp_path / "r", "items") == files(tmp_path / "fresh", "items")
    assert items.items() <= files(tmp_path / "r", "items").items()
    tables = [
        pl.read_parquet(root / "small" / "trials.parquet").drop(*TELLS_TIME, *COSTS)
        for root in (tmp_path / "r", tmp_path / "fresh")
    ]
    assert tables[0].equals(tables[1])
    for name in ("study.yaml", "documents.parquet"):
        assert (result.folder / name).read_bytes() == (fresh.folder / name).read_bytes()
    manifest = json.loads((result.folder / "manifest.json").read_text())
    (edit,) = manifest["earlier"][0]["edits"]
    assert list(edit["before"]) == ["factors"]
    assert manifest["bases"].keys() == {name for grid in grown(how).factors for name in grid.model}


def test_an_extension_that_other_studies_ran_is_in_the_manifest(tmp_path: Path) -> None:
    brought(begun(), tmp_path)
    larger = grown("another model").model_dump(exclude_unset=True)
    brought(Study.model_validate({**larger, "name": "other"}), tmp_path)
    result = brought(grown("another model"), tmp_path)
    assert result.stages_run == 0
    manifest = json.loads((result.folder / "manifest.json").read_text())
    assert manifest["bases"].keys() == {"small", "tiny"}


CHANGED: Final[dict[str, tuple[Study, str]]] = {
    "data seed": (small_study(factors=[GRID], data_seed=2), "data_seed: 1 -> 2"),
    "domain": (
        small_study(
            factors=[GRID], domain={"kind": "arithmetic", "steps": 2, "paths": 2, "inputs": 50}
        ),
        "domain.inputs: 40 -> 50",
    ),
    "items": (
        small_study(factors=[GRID], evaluate={"max_new_tokens": 17}),
        "evaluate.max_new_tokens: ",
    ),
    "a value is gone": (
        small_study(factors=[{**GRID, "demonstrations": [4]}]),
        "factors.demonstrations: [2] -> [4]",
    ),
    "a format, which stage 1 trains too": (
        small_study(factors=[{**GRID, "response_format": ["cot", "direct"]}]),
        'factors.response_format: ["cot"] -> ["cot","direct"]',
    ),
    "a default that becomes a factor renames cells": (
        small_study(factors=[{**GRID, "domain": {"steps": [2, 3]}}]),
        "factors.domain",
    ),
    "more seeds cannot make up for a recipe": (
        small_study(
            factors=[{**GRID, "seed": [1, 2]}],
            train={**begun().train.model_dump(exclude_unset=True), "replay": 0.1},
        ),
        "(train.replay: ",
    ),
}


@pytest.mark.parametrize("what", CHANGED)
def test_what_would_change_a_run_is_refused_with_old_and_new(tmp_path: Path, what: str) -> None:
    brought(begun(), tmp_path)
    every = {p: p.read_bytes() for p in tmp_path.rglob("*") if p.is_file() and p.name != ".lock"}
    changed, told = CHANGED[what]
    with pytest.raises(StudyError) as refused:
        brought(changed, tmp_path)
    assert told in str(refused.value) and "rename the study" in str(refused.value)
    assert {path: path.read_bytes() for path in every} == every


def test_what_is_not_to_blame_is_not_shown() -> None:
    changed, _ = CHANGED["more seeds cannot make up for a recipe"]
    told = refusal(begun(), changed, fake_base)
    assert told is not None and "seed" not in told


Values = st.lists(st.integers(1, 5), min_size=1, max_size=3, unique=True)


@settings(max_examples=30)
@given(Values, Values, Values, Values)
def test_an_edit_is_taken_exactly_where_no_run_is_lost(
    n: list[int], seeds: list[int], more_n: list[int], more_seeds: list[int]
) -> None:
    before = small_study(factors=[{**GRID, "demonstrations": n, "seed": seeds}])
    after = small_study(factors=[{**GRID, "demonstrations": more_n, "seed": more_seeds}])
    kept = _runs(before) <= _runs(after)
    assert (refusal(before, after, fake_base) is None) is kept


def _runs(study: Study) -> set[str]:
    return {trial.id for trial in make_plan(study, fake_base).trials}


@pytest.mark.parametrize("design", ["random", "qmc"])
def test_a_larger_sample_extends_a_smaller_one(design: str) -> None:
    def sampled(budget: int) -> Study:
        grid = {**GRID, "demonstrations": [1, 2, 3, 4], "seed": [1, 2, 3]}
        return small_study(factors=[grid], search={"design": design, "budget": budget})

    assert refusal(sampled(3), sampled(7), fake_base) is None
    assert refusal(sampled(7), sampled(3), fake_base) == "search.budget: 7 -> 3"


def test_a_search_is_not_extended() -> None:
    told = refusal(tuning_study(budget=4), tuning_study(budget=8), fake_base)
    assert told == "search.budget: 4 -> 8"


def tuned(**factors: Any) -> Study:
    return tuned_study(factors=[{**GRID, "lora_rank": [4, 8], "seed": [1], **factors}])


def test_what_is_tuned_may_grow_as_long_as_tuning_stays_what_it_was() -> None:
    assert refusal(tuned(), tuned(seed=[1, 2]), fake_base) is None
    assert refusal(tuned(), tuned(model=["tiny", "small"]), fake_base) is None
    assert refusal(tuned(), tuned(lora_rank=[4, 8, 16]), fake_base), "another rank is tuned at"
    told = tuned(arm=["instruction", "none"])
    assert refusal(told, tuned(arm=["instruction", "placebo", "none"]), fake_base) is None
    shown = tuned(arm=["instruction", "none", "demonstrations"])
    assert refusal(told, shown, fake_base), "the control would take the demonstrations' values"


def test_an_edit_that_died_before_it_was_made_is_noted_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = brought(begun(), tmp_path).folder
    with monkeypatch.context() as patch:
        patch.setattr("study.folder.write_text", _dies)
        with pytest.raises(KeyboardInterrupt), held_folder(tmp_path, grown("another n"), fake_base):
            pass
    assert load_study(folder / "study.yaml") == begun()
    with held_folder(tmp_path, grown("another n"), fake_base):
        pass
    assert len(json.loads((folder / "manifest.json").read_text())["edits"]) == 1


def _dies(*_: Any) -> None:
    raise KeyboardInterrupt

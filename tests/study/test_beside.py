"""What is measured beside accuracy, end to end: the real engine, the local backend, the report."""

from __future__ import annotations

from typing import Any

import polars as pl
import pytest

from analysis.learning import accuracy_by_step
from analysis.load import load
from analysis.report import write_report
from analysis.results import analyse
from search_spaces.study_file import Study
from study.launch import LaunchResult, launch
from tests.study.studies import small_study

STEPS = 4
PROGRAMS, ITEMS = 3, 6


def study(arms: list[str], **evaluate: Any) -> Study:
    """Runs of one seed on nano-xs, four steps a stage."""
    recipe = {"steps": STEPS, "tokens_per_step": 256, "peak_lr": 3e-3, "warmup_steps": 1}
    grid = {
        "model": "nano-xs",
        "acquisition": 6,
        "arm": arms,
        "response_format": ["cot", "recite"],
        "seed": 1,
    }
    return small_study(
        "beside",
        domain={"kind": "arithmetic", "steps": 2, "paths": 2, "inputs": 32},
        factors=[grid],
        programs={"targets": PROGRAMS, "validation": 2, "items_per_program": ITEMS},
        train={"stage1": recipe, "stage2": recipe},
        evaluate={"acquisition_programs": 2, "max_new_tokens": 24, "batch_size": 64, **evaluate},
    )


@pytest.fixture(scope="module")
def launched(tmp_path_factory: pytest.TempPathFactory) -> LaunchResult:
    root = tmp_path_factory.mktemp("runs")
    asked = study(["instruction", "none"], forgetting=True, recall=2, curve=[0])
    return launch(asked, root, "local", quiet=True)


@pytest.fixture(scope="module")
def rows(launched: LaunchResult) -> pl.DataFrame:
    return pl.concat(map(pl.read_parquet, sorted((launched.folder / "items").glob("*.parquet"))))


def test_what_arms_share_is_run_once(launched: LaunchResult) -> None:
    """Stage 1, what is asked of base and stage 1; of each arm: curve's start, stage 2, result."""
    assert (launched.ok, launched.failed) == (2, 0)
    assert launched.stages_run == 3 + 2 * 3


def test_every_measure_has_its_rows(rows: pl.DataFrame) -> None:
    result = rows.filter(pl.col("stage") == 2)
    sizes = dict(
        result.filter(arm="instruction")
        .group_by("split", "measure")
        .len()
        .select(pl.concat_str("split", "measure", separator=" "), "len")
        .rows()
    )
    both = 2  # formats
    assert sizes == {
        "target execution": both * PROGRAMS * ITEMS,
        "target chance": both * PROGRAMS,
        "target recitation": PROGRAMS * ITEMS,
        "target recall": PROGRAMS * 2,
        "acquisition execution": both * 2 * ITEMS,
        "acquisition chance": both * 2,
        "acquisition recitation": 2 * ITEMS,
        "acquisition recall": 2 * 2,
        "acquisition in_context": both * 2 * ITEMS,
    }
    none = result.filter(arm="none", split="target", measure="recitation")
    assert none.is_empty(), "an arm that saw no instruction has none to recite"
    assert result.filter(arm="none", split="target", measure="recall").height == PROGRAMS * 2


def test_points_before_the_result_stand_beside_it(rows: pl.DataFrame) -> None:
    for arm in ("instruction", "none"):
        points = rows.filter(arm=arm).group_by("stage", "step").agg(pl.col("split").unique().sort())
        assert sorted(points.rows()) == [
            (0, 0, ["acquisition"]),
            (1, 0, ["acquisition", "target"]),
            (2, STEPS, ["acquisition", "target"]),
        ]
    early = rows.filter(pl.col("stage") < 2, split="acquisition").drop(
        "run", "cell", "arm", "instructions", "curriculum"
    )
    assert early.unique().height == early.height / 2, "both arms have the rows that they share"


def test_recall_is_asked_as_training_declared(rows: pl.DataFrame) -> None:
    recall = rows.filter(measure="recall")
    assert recall["expected"].str.len_chars().min() > 0  # type: ignore[operator]
    assert recall.filter(pl.col("prompt").str.contains(r"\ndef \w+\(x\):$")).height == len(recall)
    assert recall["response_format"].null_count() == len(recall)


def test_the_report_has_its_sections(launched: LaunchResult) -> None:
    found = analyse(launched.folder)
    asked = {(k.factors["arm"], k.factors["response_format"], k.by) for k in found.knowledge}
    assert asked == {
        ("instruction", "recite", "recitation"),
        ("instruction", "cot", "recall"),
        ("none", "cot", "recall"),
    }
    of_stage = {(r.measure, tuple(r.accuracies)) for r in found.retention}
    assert of_stage == {(name, (0, 1, 2)) for name in ("execution", "in_context", "recall")}
    page = write_report(launched.folder).html.read_text("utf-8")
    assert "Known and done" in page and "Forgetting" in page


def test_a_curve_begins_where_stage_1_ended(launched: LaunchResult) -> None:
    points = accuracy_by_step(load(launched.folder).history)
    assert set(points["step"]) == {0, STEPS}


def test_a_second_launch_finds_everything(launched: LaunchResult) -> None:
    asked = study(["instruction", "none"], forgetting=True, recall=2, curve=[0])
    again = launch(asked, launched.folder.parent, "local", quiet=True)
    assert (again.ok, again.stages_run) == (2, 0)

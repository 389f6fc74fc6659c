"""Forgetting by stage, and formats against each other: means of the rows, paired differences."""

from __future__ import annotations

from pathlib import Path

import polars as pl
import pytest

from analysis.curves import target_cells
from analysis.forgetting import Retention, retention, retention_frame
from analysis.formats import format_frame, format_gaps
from analysis.load import load
from tests.analysis.synthetic import World, item_rows, write_items

WORLD = World(programs=6, items=5, seeds=3, ns=(1, 4))
KEY = ("arm", "demonstrations", "response_format")


def at(rows: pl.DataFrame, stage: int, step: int = 0) -> pl.DataFrame:
    typed = (pl.lit(value, pl.Int32) for value in (stage, step))
    return rows.with_columns(
        **dict(zip(("stage", "step"), typed, strict=True)), split=pl.lit("acquisition")
    )


def base_rows(rows: pl.DataFrame) -> pl.DataFrame:
    """Nothing is trained yet, so every seed's rows are the same."""
    first = rows.filter(seed=rows["seed"].min())
    seeds = rows.select("run", "seed", "stage1_seed", *KEY).unique()
    return first.drop("run", "seed", "stage1_seed").join(seeds, on=KEY).select(rows.columns)


@pytest.fixture(scope="module")
def rows() -> pl.DataFrame:
    """Three points on acquisition programs, the last with an earlier step; and the targets."""
    before, first, last = (item_rows(WORLD, seed=seed) for seed in (1, 2, 3))
    acquired = [at(base_rows(before), 0), at(first, 1), at(before, 2, 10), at(last, 2, 20)]
    shown = [each.with_columns(measure=pl.lit("in_context")) for each in acquired[:2]]
    return pl.concat([*acquired, *shown, item_rows(WORLD, seed=4)])


def found_in(rows: pl.DataFrame, folder: Path) -> list[Retention]:
    return retention(load(write_items(rows, folder / "a.parquet")).history)


def test_each_stage_has_the_mean_of_its_last_step(rows: pl.DataFrame, tmp_path: Path) -> None:
    found = found_in(rows, tmp_path)
    executed = [each for each in found if each.measure == "execution"]
    assert {tuple(each.accuracies) for each in executed} == {(0, 1, 2)}
    assert {tuple(e.accuracies) for e in found if e.measure == "in_context"} == {(0, 1)}
    means = (
        rows.filter(split="acquisition")
        .filter(pl.col("step") != 10)
        .group_by(*KEY, "measure", "stage")
        .agg(pl.col("correct").mean())
    )
    expected = {tuple(row[:-1]): row[-1] for row in means.iter_rows()}
    told = {
        (*(each.factors[name] for name in KEY), each.measure, stage): accuracy
        for each in found
        for stage, accuracy in each.accuracies.items()
    }
    assert told == pytest.approx(expected)
    assert retention_frame(found).height == len(expected)
    for each in found:
        *_, before, after = each.accuracies.values()
        assert each.changed.value == pytest.approx(after - before)


def test_what_does_not_change_changes_by_nothing(rows: pl.DataFrame, tmp_path: Path) -> None:
    one = rows.filter(split="acquisition", stage=1, measure="execution")
    for each in found_in(pl.concat([one, at(one, 2, 20)]), tmp_path):
        assert (each.changed.value, each.changed.ci_low, each.changed.ci_high) == (0, 0, 0)


def test_one_stage_shows_no_forgetting(rows: pl.DataFrame, tmp_path: Path) -> None:
    assert found_in(rows.filter(pl.col("stage") == 2), tmp_path) == []


def test_a_gain_of_thought_is_paired(rows: pl.DataFrame, tmp_path: Path) -> None:
    """Half of what was right in cot is right directly, on the same items."""
    cot = rows.filter(split="target", response_format="cot")
    direct = cot.with_columns(
        response_format=pl.lit("direct"), correct=pl.col("correct") & (pl.col("item") % 2 == 0)
    )
    evidence = load(write_items(pl.concat([cot, direct]), tmp_path / "a.parquet"))
    found = format_gaps(target_cells(evidence.counts))
    assert len(found) == cot.select(KEY).unique().height
    for each in found:
        mine = cot.filter(**{name: each.factors[name] for name in KEY[:2]})
        lost = mine.filter(pl.col("item") % 2 == 1)["correct"].sum() / len(mine)
        assert each.gain.value == pytest.approx(lost)
        assert each.accuracies["cot"] - each.accuracies["direct"] == pytest.approx(lost)
        assert each.gain.ci_low is not None and each.gain.ci_low <= each.gain.value
    assert format_frame(found).height == len(found)
    assert format_gaps(target_cells(load(write_items(cot, tmp_path / "b.parquet")).counts)) == []

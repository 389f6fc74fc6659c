"""Item rows that cannot carry a rate end in a stated state, never in a number that looks fine."""

from collections.abc import Callable
from pathlib import Path

import polars as pl
import pytest

from analysis.results import analyse, exchange_rates
from analysis.sentences import headline_sentences
from tests.analysis.synthetic import World, item_rows, write_items

WORLD = World(programs=8, items=4, seeds=3)

INSTRUCTION, SHOWN, NONE = (
    pl.col("arm") == arm for arm in ("instruction", "demonstrations", "none")
)
RIGHT = pl.col("correct")


@pytest.fixture(scope="module")
def rows() -> pl.DataFrame:
    return item_rows(WORLD, seed=2)


def rates(rows: pl.DataFrame, folder: Path) -> pl.DataFrame:
    return exchange_rates(write_items(rows, folder / "a.parquet"))


def elsewhere(who: pl.Expr) -> pl.Expr:
    """These rows are about programs that nobody else was asked about."""
    return pl.when(who).then(pl.lit("q") + pl.col("program")).otherwise("program").alias("program")


NO_RATE: dict[str, Callable[[pl.DataFrame], pl.DataFrame]] = {
    "programs differ between the arms": lambda rows: rows.with_columns(elsewhere(INSTRUCTION)),
    "programs differ in the control": lambda rows: rows.with_columns(elsewhere(NONE)),
    "programs differ between n": lambda rows: rows.with_columns(
        elsewhere(pl.col("demonstrations") == 4)
    ),
    "all right": lambda rows: rows.with_columns(correct=True),
    "all wrong": lambda rows: rows.with_columns(correct=False),
    "the instruction taught nothing": lambda rows: rows.with_columns(correct=RIGHT & ~INSTRUCTION),
    "the instruction arm is at its ceiling": lambda rows: rows.with_columns(
        correct=RIGHT | INSTRUCTION
    ),
}


@pytest.mark.parametrize("case", NO_RATE)
def test_what_cannot_be_compared_says_why(rows: pl.DataFrame, tmp_path: Path, case: str) -> None:
    found = rates(NO_RATE[case](rows), tmp_path)
    assert found["state"].to_list() == ["not_comparable"] * 2
    assert found.select("rate", "bound", "ci_low", "ci_high").null_count().row(0) == (2,) * 4
    assert (found["reason"].str.len_chars() > 0).all()


NO_INTERVAL: dict[str, pl.Expr] = {
    "one seed": pl.col("seed") == 1,
    "one program": pl.col("program") == "p3",
}


@pytest.mark.parametrize("case", NO_INTERVAL)
def test_without_replication_there_is_no_interval(
    rows: pl.DataFrame, tmp_path: Path, case: str
) -> None:
    found = rates(rows.filter(NO_INTERVAL[case]), tmp_path)
    assert found.height == 2
    assert found.select("ci_low", "ci_high").null_count().row(0) == (2, 2)
    assert (found["reason"].str.len_chars() > 0).all()


def test_one_stage_1_is_one_cluster_however_many_runs(rows: pl.DataFrame, tmp_path: Path) -> None:
    found = rates(rows.with_columns(stage1_seed=pl.lit(0, pl.Int64)), tmp_path)
    assert found["n_stage1_seeds"].to_list() == [1, 1]
    assert found.select("ci_low", "ci_high").null_count().row(0) == (2, 2)
    assert (found["reason"].str.len_chars() > 0).all()


@pytest.mark.parametrize("n", WORLD.ns)
def test_one_n_bounds_and_never_estimates(rows: pl.DataFrame, tmp_path: Path, n: int) -> None:
    found = rates(rows.filter(~SHOWN | (pl.col("demonstrations") == n)), tmp_path)
    censored = found.filter(pl.col("state") != "estimated")
    assert set(censored["state"]) <= {"left_censored", "right_censored", "not_comparable"}
    assert censored["rate"].null_count() == censored.height
    exact = found.filter(pl.col("state") == "estimated")  # both arms equally accurate, to the item
    assert exact["rate"].to_list() == pytest.approx([n] * exact.height)


@pytest.mark.parametrize("missing", [INSTRUCTION, SHOWN], ids=["instruction", "demonstrations"])
def test_without_either_arm_there_is_no_row(
    rows: pl.DataFrame, tmp_path: Path, missing: pl.Expr
) -> None:
    assert rates(rows.filter(~missing), tmp_path).is_empty()
    (sentence,) = headline_sentences(analyse(tmp_path / "a.parquet").results)
    assert sentence


def test_a_control_that_was_not_run_is_named(rows: pl.DataFrame, tmp_path: Path) -> None:
    found = rates(rows.filter(~NONE), tmp_path)
    assert found["accuracy_none"].null_count() == 2
    assert all("'none'" in reason for reason in found["reason"])


@pytest.mark.parametrize("column", ["split", "measure"])
def test_only_executions_of_targets_make_a_rate(
    rows: pl.DataFrame, tmp_path: Path, column: str
) -> None:
    other = {"split": "acquisition", "measure": "recitation"}[column]
    assert rates(rows.with_columns(pl.lit(other).alias(column)), tmp_path).is_empty()


def test_hostile_names_change_nothing(rows: pl.DataFrame, tmp_path: Path) -> None:
    hostile = rows.with_columns(program=pl.col("program") + "</script><img src=x onerror=a(1)>\x00")
    assert rates(hostile, tmp_path).equals(rates(rows, tmp_path))

"""Item rows that cannot carry a rate end in a stated state, never in a number that looks fine."""

import json
import tracemalloc
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import polars as pl
import pytest

from analysis.comparison import DEFAULT_HEADLINE
from analysis.errors import BadInput
from analysis.report import write_report
from analysis.results import analyse, exchange_rates, rates_json, result_of
from analysis.sentences import headline_sentences
from analysis.simulate import contest
from tests.analysis.levels import by_hand
from tests.analysis.synthetic import World, item_rows, write_items, write_study

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


STEPS = World(programs=8, items=4, seeds=3, ns=(1, 4, 16))


def headline(rows: pl.DataFrame, folder: Path, name: str) -> dict[str, object]:
    found = exchange_rates(write_items(rows, folder / f"{name}.parquet")).filter("headline")
    return found.row(0, named=True)


def test_a_later_step_of_something_else_hides_nothing(tmp_path: Path) -> None:
    rows = item_rows(STEPS, 1)
    before = headline(rows, tmp_path, "before")
    first = rows.filter((pl.col("arm") == "instruction") & (pl.col("seed") == 0))
    later = pl.lit(300, pl.Int32)
    recited = first.filter(pl.col("response_format") == "cot").with_columns(step=later)
    elsewhere = first.with_columns(split=pl.lit("acquisition"), step=later)
    for name, more in (("recited", recited), ("elsewhere", elsewhere)):
        assert headline(pl.concat([rows, more]), tmp_path, name) == before


def test_a_last_step_with_fewer_programs_is_refused(tmp_path: Path) -> None:
    rows = item_rows(STEPS, 1)
    one = rows.filter(pl.col("program") == "p0").with_columns(step=pl.lit(300, pl.Int32))
    with pytest.raises(BadInput, match="its last"):
        exchange_rates(write_items(pl.concat([rows, one]), tmp_path / "a.parquet"))


@pytest.mark.parametrize(
    ("column", "value", "arm"),
    [
        ("demonstration_format", "trace", "instruction"),
        ("acquisition", -3, "none"),
        ("n_params", 0, "none"),
        ("lora_rank", -1, "none"),
    ],
)
def test_what_cannot_be_is_refused(tmp_path: Path, column: str, value: object, arm: str) -> None:
    where = pl.col("arm") == arm
    odd = item_rows(STEPS, 1).with_columns(
        pl.when(where).then(pl.lit(value)).otherwise(column).alias(column)
    )
    with pytest.raises(BadInput, match=column):
        exchange_rates(write_items(odd, tmp_path / "a.parquet"))


def test_a_flat_curve_tells_no_n_from_another() -> None:
    flat = by_hand(
        [0.5, 0.5, 0.5], {1: [0.5, 0.5, 0.5], 4: [0.5] * 3, 16: [0.5] * 3}, none=[0.0] * 3
    )
    found = result_of(flat, DEFAULT_HEADLINE).rate
    assert (found.state, found.rate) == ("not_comparable", None)
    assert "told from another" in found.reason


def test_a_falling_curve_at_the_instruction_leaves_every_n_possible() -> None:
    falling = by_hand([0.5] * 3, {1: [0.75] * 3, 4: [0.5] * 3, 16: [0.25] * 3}, none=[0.0] * 3)
    found = result_of(falling, DEFAULT_HEADLINE).rate
    assert found.ci_low is found.ci_high is None


@pytest.mark.parametrize("factors", ['{"a": NaN}', "NaN", '{"a": 1e999}', "[" * 3000])
def test_json_is_strict_whatever_the_factors_are(tmp_path: Path, factors: str) -> None:
    file = write_items(item_rows(STEPS, 1, factors=factors), tmp_path / "a.parquet")
    assert json.dumps(rates_json(file), allow_nan=False)


def test_other_items_in_an_arm_are_named(tmp_path: Path) -> None:
    rows = item_rows(STEPS, 1)
    fewer = rows.filter((pl.col("arm") != "instruction") | (pl.col("item") < 2))
    assert "fewer items" in str(headline(fewer, tmp_path, "fewer")["reason"])
    assert not headline(rows, tmp_path, "same")["reason"]


def test_two_hundred_n_fit_into_memory() -> None:
    world = replace(STEPS, ns=tuple(range(1, 201)), programs=4, items=2, seeds=2)
    tracemalloc.start()
    result_of(contest(world, 0), DEFAULT_HEADLINE)
    _, most = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert most < 500e6


@pytest.mark.parametrize(
    ("name", "write"),
    [
        (
            "study.yaml",
            lambda file: file.write_text(
                "headline: {instruction: cot, demonstrations: cot, demonstration_format: odd}"
            ),
        ),
        ("study.yaml", lambda file: file.write_text("primary: &a {x: *a}")),
        ("manifest.json", lambda file: file.write_text("[" * 3000)),
        ("documents.parquet", lambda file: pl.DataFrame({"tokens": ["a"]}).write_parquet(file)),
        (
            "trials.parquet",
            lambda file: pl.DataFrame({"status": [[1]], "reason": [1]}).write_parquet(file),
        ),
    ],
)
def test_odd_files_beside_the_rows_are_named(
    tmp_path: Path, name: str, write: Callable[[Path], object]
) -> None:
    folder = write_study(item_rows(STEPS, 1), tmp_path / "s")
    write(folder / name)
    with pytest.raises(BadInput, match=name):
        write_report(folder)


@pytest.mark.parametrize(
    "claims",
    [
        "[{finding: F1, kind: difference, of: {}, against: {}, margin: 1}]",
        "[{finding: F3, kind: rate, threshold: 1.0e-320, margin: 1}]",
        "[{finding: F3, kind: rate, margin: 1, primary: true}, "
        "{finding: F1, kind: rate, margin: 1, primary: true}]",
    ],
)
def test_claims_about_nothing_are_refused(tmp_path: Path, claims: str) -> None:
    folder = write_study(item_rows(STEPS, 1), tmp_path / "s")
    (folder / "study.yaml").write_text(f"claims: {claims}")
    with pytest.raises(BadInput, match=r"study\.yaml"):
        write_report(folder)

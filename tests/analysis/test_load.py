"""Item rows from anywhere arrive in one schema, or are refused with the reason."""

from pathlib import Path

import polars as pl
import pytest

from analysis.load import BadInput, load_items
from pbb.records import ITEM_SCHEMA, REQUIRED_COLUMNS, SCHEMA_KEY, SCHEMA_VERSION
from tests.analysis.synthetic import World, item_rows, write_items, write_study

SMALL = World(programs=3, items=2, seeds=2, ns=(1, 4))


@pytest.fixture
def rows() -> pl.DataFrame:
    return item_rows(SMALL)


def test_a_study_folder_round_trips(rows: pl.DataFrame, tmp_path: Path) -> None:
    loaded = load_items(write_study(rows, tmp_path)).collect()
    assert dict(loaded.schema) == ITEM_SCHEMA
    assert loaded.sort(pl.all()).equals(rows.sort(pl.all()))


@pytest.mark.parametrize("kind", ["csv", "parquet"])
def test_required_columns_suffice(rows: pl.DataFrame, tmp_path: Path, kind: str) -> None:
    file = tmp_path / f"mine.{kind}"
    bare = rows.filter(pl.col("response_format") == "cot").select(REQUIRED_COLUMNS)
    bare.write_csv(file) if kind == "csv" else bare.write_parquet(file)
    loaded = load_items(file).collect()
    assert dict(loaded.schema) == ITEM_SCHEMA
    assert loaded.select(REQUIRED_COLUMNS).equals(bare)
    shown = loaded["demonstrations"] > 0
    assert (loaded["demonstration_format"].is_not_null() == shown).all()
    assert (loaded["stage1_seed"] == loaded["seed"]).all()
    assert loaded.select(
        "study", "split", "measure", "response_format", "curriculum"
    ).unique().rows() == [("mine", "target", "execution", "cot", "proactive")]
    per_cell = loaded.group_by("cell").agg(pl.struct("arm", "demonstrations").n_unique())
    assert per_cell["arm"].to_list() == [1] * (4 + len(SMALL.ns))


@pytest.mark.parametrize(("yes", "no"), [("true", "false"), ("1", "0"), ("Yes", "NO"), ("T", "f")])
def test_csv_booleans_in_usual_spellings(
    rows: pl.DataFrame, tmp_path: Path, yes: str, no: str
) -> None:
    spelled = pl.when("correct").then(pl.lit(yes)).otherwise(pl.lit(no)).alias("correct")
    rows.with_columns(spelled).write_csv(tmp_path / "a.csv")
    assert load_items(tmp_path / "a.csv").collect()["correct"].equals(rows["correct"])


def test_only_the_last_step_counts(rows: pl.DataFrame, tmp_path: Path) -> None:
    earlier = rows.with_columns(step=pl.col("step") - 100, correct=~pl.col("correct"))
    loaded = load_items(write_items(pl.concat([earlier, rows]), tmp_path / "a.parquet")).collect()
    assert loaded.sort(pl.all()).equals(rows.sort(pl.all()))


def test_runs_of_two_models_may_bear_the_same_name(rows: pl.DataFrame, tmp_path: Path) -> None:
    other = rows.with_columns(model=pl.lit("other"), step=pl.col("step") + 1)
    loaded = load_items(write_items(pl.concat([rows, other]), tmp_path / "a.parquet")).collect()
    assert loaded.group_by("model").len()["len"].to_list() == [len(rows)] * 2


@pytest.mark.parametrize("column", REQUIRED_COLUMNS)
def test_a_missing_column_is_named(rows: pl.DataFrame, tmp_path: Path, column: str) -> None:
    with pytest.raises(BadInput, match=column):
        load_items(write_items(rows.drop(column), tmp_path / "a.parquet"))


@pytest.mark.parametrize(
    ("column", "value"),
    [
        ("seed", pl.lit(0.5)),
        ("correct", pl.lit("true")),
        ("item", pl.lit("one")),
        ("seed", pl.lit(None, pl.Int64)),
        ("item", pl.lit(2**40)),
        ("arm", pl.lit("telepathy")),
        ("response_format", pl.lit("poem")),
        ("demonstrations", pl.lit(3)),
    ],
)
def test_values_are_not_guessed(
    rows: pl.DataFrame, tmp_path: Path, column: str, value: pl.Expr
) -> None:
    with pytest.raises(BadInput, match=column):
        load_items(write_items(rows.with_columns(value.alias(column)), tmp_path / "a.parquet"))


@pytest.mark.parametrize(("column", "value"), [("correct", "maybe"), ("seed", "1.5"), ("item", "")])
def test_csv_values_are_not_guessed(
    rows: pl.DataFrame, tmp_path: Path, column: str, value: str
) -> None:
    rows.with_columns(pl.lit(value).alias(column)).write_csv(tmp_path / "a.csv")
    with pytest.raises(BadInput, match=column):
        load_items(tmp_path / "a.csv")


def test_duplicated_rows_are_refused(rows: pl.DataFrame, tmp_path: Path) -> None:
    twice = pl.concat([rows, rows.head(1)])
    with pytest.raises(BadInput, match="repeats"):
        load_items(write_items(twice, tmp_path / "a.parquet"))


def test_a_newer_schema_is_refused(rows: pl.DataFrame, tmp_path: Path) -> None:
    rows.write_parquet(tmp_path / "a.parquet", metadata={SCHEMA_KEY: str(SCHEMA_VERSION + 1)})
    with pytest.raises(BadInput, match="newer"):
        load_items(tmp_path / "a.parquet")


@pytest.mark.parametrize("name", ["a.parquet", "a.csv", "a.txt", "items/a.parquet"])
@pytest.mark.parametrize("content", [b"", b"\x00\xff\xfe not a table"])
def test_unreadable_sources_are_refused(tmp_path: Path, name: str, content: bytes) -> None:
    file = tmp_path / name
    file.parent.mkdir(exist_ok=True)
    file.write_bytes(content)
    with pytest.raises(BadInput):
        load_items(tmp_path if "/" in name else file)


def test_empty_and_absent_sources_are_refused(rows: pl.DataFrame, tmp_path: Path) -> None:
    for source in (tmp_path, tmp_path / "absent", tmp_path / "absent.csv"):
        with pytest.raises(BadInput):
            load_items(source)
    with pytest.raises(BadInput, match="no item rows"):
        load_items(write_items(rows.clear(), tmp_path / "a.parquet"))

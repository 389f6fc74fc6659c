"""Item rows from anywhere arrive in one schema, or are refused with the reason."""

from pathlib import Path

import polars as pl
import pytest

from analysis.load import BadInput, load_counts, load_items
from pbb.records import ITEM_SCHEMA, REQUIRED_COLUMNS, SCHEMA_KEY, SCHEMA_VERSION
from tests.analysis.synthetic import World, item_rows, write_items, write_study

SMALL = World(programs=3, items=2, seeds=2, ns=(1, 4))

HOSTILE = ("</script><img src=x onerror=alert(1)>", "a,b\n\"c'", "../../x", "\x1f\x00é\u202e", "")


@pytest.fixture
def rows() -> pl.DataFrame:
    return item_rows(SMALL)


def refuse(rows: pl.DataFrame, folder: Path, match: str) -> None:
    """The rows are refused, as a file and as a study folder, by a message that holds `match`."""
    file = write_items(rows, folder / "a.parquet")
    for cut in (slice(0, 50), slice(50, None)):
        write_items(rows[cut], folder / "study" / "items" / f"{cut.start}.parquet")
    for source in (file, folder / "study"):
        with pytest.raises(BadInput, match=match):
            load_counts(source)


# --- what is read


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


def test_a_later_stage_is_later_than_any_step(rows: pl.DataFrame, tmp_path: Path) -> None:
    """Also where the rows of another arm were asked at an earlier stage last."""
    shown = rows.with_columns(stage=pl.when(pl.col("arm") == "in_context").then(1).otherwise(2))
    typed = shown.with_columns(pl.col("stage").cast(pl.Int32))
    earlier = typed.with_columns(
        pl.col("stage") - 1, step=pl.col("step") + 100, correct=~pl.col("correct")
    )
    loaded = load_items(write_items(pl.concat([typed, earlier]), tmp_path / "a.parquet")).collect()
    assert loaded.sort(pl.all()).equals(typed.sort(pl.all()))


@pytest.mark.parametrize("kind", ["csv", "parquet"])
def test_recall_is_asked_in_no_format(rows: pl.DataFrame, tmp_path: Path, kind: str) -> None:
    asked = rows.filter(response_format="cot")
    recall = asked.with_columns(measure=pl.lit("recall"), response_format=pl.lit(None, pl.String))
    both, file = pl.concat([asked, recall]), tmp_path / f"a.{kind}"
    both.write_csv(file) if kind == "csv" else both.write_parquet(file)
    counts = load_counts(file)
    formats = counts.select("measure", "response_format").unique().sort("measure")
    assert formats.rows() == [("execution", "cot"), ("recall", None)]
    unsaid = asked.with_columns(response_format=pl.lit(None, pl.String))
    counts = load_counts(write_items(unsaid, tmp_path / "b.parquet"))
    assert counts["response_format"].unique().to_list() == ["cot"]


def test_runs_of_two_models_may_bear_the_same_name(rows: pl.DataFrame, tmp_path: Path) -> None:
    other = rows.with_columns(model=pl.lit("other"), step=pl.col("step") + 1)
    loaded = load_items(write_items(pl.concat([rows, other]), tmp_path / "a.parquet")).collect()
    assert loaded.group_by("model").len()["len"].to_list() == [len(rows)] * 2


def test_files_of_one_folder_may_have_different_columns(rows: pl.DataFrame, tmp_path: Path) -> None:
    """Older rows lack a column, another writer chose wider numbers and categories."""
    first, second, third = (rows.filter(pl.col("run") == run) for run in rows["run"].unique()[:3])
    write_items(first, tmp_path / "items" / "a.parquet")
    older = second.drop("score", "factors", "measure", "cell")
    write_items(older, tmp_path / "items" / "b.parquet")
    wide = third.with_columns(
        pl.col(pl.Int32).cast(pl.Int64), pl.col("arm", "split").cast(pl.Categorical)
    ).with_columns(score=pl.col("score").cast(pl.Float64), extra=pl.lit(1))
    write_items(wide.select(sorted(wide.columns)), tmp_path / "items" / "c.parquet")
    loaded = load_items(tmp_path).drop("cell").collect()
    expected = pl.concat([first, second, third]).drop("cell")
    assert loaded.sort(pl.all()).equals(expected.sort(pl.all()))


@pytest.mark.parametrize("name", ["a[b]*?", "model=evil", "ünï cödé"])
def test_a_folders_name_is_only_a_name(rows: pl.DataFrame, tmp_path: Path, name: str) -> None:
    loaded = load_items(write_study(rows, tmp_path / name)).collect()
    assert loaded.sort(pl.all()).equals(rows.sort(pl.all()))


@pytest.mark.parametrize("kind", ["csv", "parquet"])
def test_hostile_names_pass_through_intact(rows: pl.DataFrame, tmp_path: Path, kind: str) -> None:
    names = HOSTILE[:3] if kind == "csv" else HOSTILE
    programs = dict(zip(rows["program"].unique().sort(), names, strict=False))
    hostile = rows.with_columns(pl.col("program").replace(programs))
    file = tmp_path / f"a.{kind}"
    hostile.write_csv(file) if kind == "csv" else hostile.write_parquet(file)
    assert set(load_counts(file)["program"]) == set(hostile["program"])


# --- what is refused


@pytest.mark.parametrize("column", REQUIRED_COLUMNS)
def test_a_missing_column_is_named(rows: pl.DataFrame, tmp_path: Path, column: str) -> None:
    refuse(rows.drop(column), tmp_path, column)


@pytest.mark.parametrize("column", REQUIRED_COLUMNS)
def test_a_missing_value_is_named(rows: pl.DataFrame, tmp_path: Path, column: str) -> None:
    gap = pl.when(pl.int_range(pl.len()) != 5).then(pl.col(column)).alias(column)
    refuse(rows.with_columns(gap), tmp_path, column)
    rows.with_columns(gap).write_csv(tmp_path / "a.csv")
    with pytest.raises(BadInput, match=column):
        load_counts(tmp_path / "a.csv")


@pytest.mark.parametrize(
    ("column", "value"),
    [
        ("seed", pl.lit(0.5)),
        ("correct", pl.lit("true")),
        ("correct", pl.lit(1)),
        ("item", pl.lit("one")),
        ("item", pl.lit(2**40)),
        ("paths", pl.lit(2**40)),
        ("run", pl.lit(7)),
        ("score", pl.lit("good")),
        ("arm", pl.lit("telepathy")),
        ("split", pl.lit("train")),
        ("measure", pl.lit("good vibes")),
        ("response_format", pl.lit("poem")),
        ("demonstration_format", pl.lit("")),
        ("demonstrations", pl.lit(3)),
        ("demonstrations", pl.lit(0)),
        ("demonstrations", pl.lit(-1)),
    ],
)
def test_values_are_not_guessed(
    rows: pl.DataFrame, tmp_path: Path, column: str, value: pl.Expr
) -> None:
    refuse(rows.with_columns(value.alias(column)), tmp_path, column)


@pytest.mark.parametrize(("column", "value"), [("correct", "maybe"), ("seed", "1.5"), ("item", "")])
def test_csv_values_are_not_guessed(
    rows: pl.DataFrame, tmp_path: Path, column: str, value: str
) -> None:
    rows.with_columns(pl.lit(value).alias(column)).write_csv(tmp_path / "a.csv")
    with pytest.raises(BadInput, match=column):
        load_items(tmp_path / "a.csv")


@pytest.mark.parametrize("score", [float("nan"), float("inf"), float("-inf"), 1e300])
def test_a_score_is_a_number(rows: pl.DataFrame, tmp_path: Path, score: float) -> None:
    bad = pl.when(pl.int_range(pl.len()) == 7).then(pl.lit(score)).otherwise("score")
    refuse(rows.with_columns(score=bad), tmp_path, "score")
    rows.with_columns(score=bad).write_csv(tmp_path / "a.csv")
    with pytest.raises(BadInput, match="score"):
        load_counts(tmp_path / "a.csv")


def test_a_score_may_be_unknown(rows: pl.DataFrame, tmp_path: Path) -> None:
    unknown = rows.with_columns(score=pl.lit(None, pl.Float32))
    loaded = load_items(write_items(unknown, tmp_path / "a.parquet")).collect()
    assert loaded["score"].to_list() == rows["correct"].cast(pl.Float32).to_list()


@pytest.mark.parametrize(
    ("column", "other"),
    [
        ("study", "another"),
        ("lora_rank", 4),
        ("representation", "prose"),
        ("domain", "ciphers"),
        ("acquisition", None),
        ("templates", 5),
        ("factors", '{"replay":0.5}'),
        ("stage1_seed", 77),
    ],
)
def test_a_run_is_one_training(
    rows: pl.DataFrame, tmp_path: Path, column: str, other: object
) -> None:
    """Half of a run's programs under another value of what a run has one value of."""
    chosen = (pl.col("run") == rows["run"][0]) & (pl.col("program") == "p1")
    changed = pl.when(chosen).then(pl.lit(other, ITEM_SCHEMA[column])).otherwise(column)
    refuse(rows.with_columns(changed.alias(column)), tmp_path, column)


@pytest.mark.parametrize("size", [1, None])
def test_a_model_has_one_size(rows: pl.DataFrame, tmp_path: Path, size: int | None) -> None:
    """Even where no run contradicts itself."""
    other = pl.when(pl.col("arm") == "none").then(pl.lit(size, pl.Int64)).otherwise("n_params")
    refuse(rows.with_columns(n_params=other), tmp_path, "n_params")


def test_duplicated_rows_are_refused(rows: pl.DataFrame, tmp_path: Path) -> None:
    refuse(pl.concat([rows, rows.head(1)]), tmp_path, "repeats")


def test_duplicates_in_two_files_are_refused(rows: pl.DataFrame, tmp_path: Path) -> None:
    write_study(rows, tmp_path)
    write_items(rows.tail(1), tmp_path / "items" / "again.parquet")
    with pytest.raises(BadInput, match="repeats"):
        load_counts(tmp_path)


def test_a_default_that_repeats_a_row_is_refused(rows: pl.DataFrame, tmp_path: Path) -> None:
    unsaid = rows.head(1).with_columns(split=pl.lit(None, pl.String))
    refuse(pl.concat([rows, unsaid]), tmp_path, "repeats")


def test_a_newer_schema_is_refused(rows: pl.DataFrame, tmp_path: Path) -> None:
    folder = write_study(rows, tmp_path / "study")
    metadata = {SCHEMA_KEY: str(SCHEMA_VERSION + 1)}
    for file in (tmp_path / "a.parquet", folder / "items" / "new.parquet"):
        rows.with_columns(run=pl.lit("new")).write_parquet(file, metadata=metadata)
    for source in (tmp_path / "a.parquet", folder):
        with pytest.raises(BadInput, match="newer"):
            load_items(source)


@pytest.mark.parametrize("name", ["a.parquet", "a.csv", "a.txt", "items/a.parquet"])
@pytest.mark.parametrize("content", [b"", b"\x00\xff\xfe not a table"])
def test_unreadable_sources_are_refused(tmp_path: Path, name: str, content: bytes) -> None:
    file = tmp_path / name
    file.parent.mkdir(exist_ok=True)
    file.write_bytes(content)
    with pytest.raises(BadInput):
        load_items(tmp_path if "/" in name else file)


def test_a_truncated_file_is_refused(rows: pl.DataFrame, tmp_path: Path) -> None:
    folder = write_study(rows, tmp_path)
    file = sorted((folder / "items").iterdir())[-1]
    file.write_bytes(file.read_bytes()[:-20])
    with pytest.raises(BadInput, match=file.name):
        load_counts(folder)


def test_empty_and_absent_sources_are_refused(rows: pl.DataFrame, tmp_path: Path) -> None:
    for source in (tmp_path, tmp_path / "absent", tmp_path / "absent.csv"):
        with pytest.raises(BadInput):
            load_items(source)
    with pytest.raises(BadInput, match="no item rows"):
        load_items(write_items(rows.clear(), tmp_path / "a.parquet"))
    rows.clear().write_csv(tmp_path / "a.csv")
    with pytest.raises(BadInput, match="no item rows"):
        load_items(tmp_path / "a.csv")

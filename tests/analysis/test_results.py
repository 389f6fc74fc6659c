"""From files to rates: laws that hold whatever the numbers are."""

import json
from pathlib import Path

import polars as pl
import pytest
from polars.testing import assert_frame_equal

from analysis.load import BadInput
from analysis.results import analyse, contrasts, exchange_rates, rates_json
from analysis.sentences import headline_sentences
from pbb.records import REQUIRED_COLUMNS
from tests.analysis.synthetic import World, item_rows, write_items, write_study

WORLD = World(programs=12, items=4)


@pytest.fixture(scope="module")
def rows() -> pl.DataFrame:
    return item_rows(WORLD, seed=1)


def rates(rows: pl.DataFrame, folder: Path, name: str) -> pl.DataFrame:
    return exchange_rates(write_items(rows, folder / f"{name}.parquet"))


def test_counts_and_pairs_are_exact(rows: pl.DataFrame, tmp_path: Path) -> None:
    found = rates(rows, tmp_path, "a")
    assert found.select("instruction_format", "response_format", "pair", "headline").rows() == [
        ("recite", "cot", "unlike", True),
        ("cot", "cot", "like with like", False),
    ]
    assert found["n_programs"].to_list() == [WORLD.programs] * 2
    assert found["n_runs"].to_list() == [WORLD.seeds] * 2
    accuracy = rows.filter((pl.col("arm") == "instruction") & (pl.col("response_format") == "cot"))
    assert found["accuracy_instruction"][1] == pytest.approx(accuracy["correct"].mean())


def test_neither_order_nor_names_of_programs_matter(rows: pl.DataFrame, tmp_path: Path) -> None:
    before = rates(rows, tmp_path, "a")
    shuffled = rows.sample(fraction=1.0, shuffle=True, seed=7)
    renamed = rows.with_columns(program=pl.col("program").str.reverse() + "'")
    assert_frame_equal(rates(shuffled, tmp_path, "b"), before, check_exact=True)
    assert_frame_equal(rates(renamed, tmp_path, "c"), before, check_exact=True)


def test_every_program_weighs_the_same(rows: pl.DataFrame, tmp_path: Path) -> None:
    first = pl.col("program") == "p0"
    repeated = rows.filter(first).with_columns(item=pl.col("item") + 100)
    before, after = rates(rows, tmp_path, "a"), rates(pl.concat([rows, repeated]), tmp_path, "b")
    told = ["rate", "state", "accuracy_instruction", "accuracy_none"]
    assert_frame_equal(before[told], after[told])


def test_a_bare_csv_gives_a_rate(tmp_path: Path) -> None:
    rows = item_rows(World(seeds=4), seed=1)
    bare = rows.filter(pl.col("response_format") == "cot").select(REQUIRED_COLUMNS)
    bare.write_csv(tmp_path / "mine.csv")
    (found,) = rates_json(tmp_path / "mine.csv")
    assert found["state"] == "estimated"
    assert found["ci_low"] < found["rate"] < found["ci_high"]
    assert json.loads(json.dumps(found, allow_nan=False)) == found


def test_comparisons_are_kept_apart(rows: pl.DataFrame, tmp_path: Path) -> None:
    other = rows.with_columns(model=pl.lit("nano-m"), run=pl.col("run") + "m")
    apart = rows.with_columns(lora_rank=pl.lit(2, pl.Int32), run=pl.col("run") + "r")
    found = rates(pl.concat([rows, other, apart]), tmp_path, "a")
    assert found.select("model", "lora_rank").unique().height == 3
    assert found["rate"].n_unique() == 2  # one per pair of formats: the same rows thrice


def test_an_unfinished_arm_is_no_rate(rows: pl.DataFrame, tmp_path: Path) -> None:
    half = rows.filter(pl.col("arm") != "demonstrations")
    assert rates(half, tmp_path, "a").is_empty()
    analysis = analyse(tmp_path / "a.parquet")
    assert len(headline_sentences(analysis.results)) == 1


def test_programs_missing_in_an_arm_are_left_out_and_named(
    rows: pl.DataFrame, tmp_path: Path
) -> None:
    gap = (pl.col("arm") == "instruction") & (pl.col("program") == "p3") & (pl.col("seed") == 0)
    found = rates(rows.filter(~gap), tmp_path, "a")
    assert found["n_programs"].to_list() == [WORLD.programs - 1] * 2
    assert all("left out" in reason for reason in found["reason"])


def test_contrasts_are_differences_of_accuracies(rows: pl.DataFrame, tmp_path: Path) -> None:
    found = contrasts(write_items(rows, tmp_path / "a.parquet"))
    assert set(found.select("arm", "against").unique().rows()) == {
        ("instruction", "none"),
        ("instruction", "placebo"),
        ("in_context", "instruction"),
    }
    gap = found["accuracy"] - found["against_accuracy"]
    assert found["difference"].to_list() == pytest.approx(gap.to_list())
    assert (found["ci_low"] < found["difference"]).all()
    assert (found["difference"] < found["ci_high"]).all()
    assert (found["ci_low"] > 0).all()


def test_controls_beside_the_comparison_are_found(rows: pl.DataFrame, tmp_path: Path) -> None:
    untuned = rows.filter((pl.col("arm") == "none") & (pl.col("seed") == 0)).with_columns(
        curriculum=pl.lit("none"), run=pl.lit("base"), lora_rank=pl.lit(0, pl.Int32)
    )
    unprepared = rows.filter(pl.col("arm") == "placebo").with_columns(
        curriculum=pl.lit("no-acquisition"),
        arm=pl.lit("instruction"),
        run=pl.col("run") + "-raw",
        acquisition=pl.lit(0, pl.Int32),
    )
    file = write_items(pl.concat([rows, untuned, unprepared]), tmp_path / "a.parquet")
    against = contrasts(file)["against"].to_list()
    assert against.count("untuned") == against.count("no_acquisition") == 2


def test_the_study_names_its_headline(rows: pl.DataFrame, tmp_path: Path) -> None:
    folder = write_study(rows, tmp_path / "s")
    (folder / "study.yaml").write_text(
        "headline: {instruction: cot, demonstrations: cot, demonstration_format: trace}\n"
    )
    found = exchange_rates(folder)
    assert found.filter("headline")["instruction_format"].to_list() == ["cot"]


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("study.yaml", "headline: [recite"),
        ("study.yaml", "headline: {instruction: cot}"),
        ("study.yaml", "- 1"),
        ("study.yaml", "question: !!python/object/apply:os.getcwd []"),
        ("manifest.json", "{"),
        ("trials.parquet", "not parquet"),
    ],
)
def test_a_broken_study_folder_is_refused(
    rows: pl.DataFrame, tmp_path: Path, name: str, text: str
) -> None:
    folder = write_study(rows, tmp_path / "s")
    (folder / name).write_text(text)
    with pytest.raises(BadInput, match=name):
        analyse(folder)

"""Measures beside execution: read in one more pass, shown by arm, never mixed into rates."""

from pathlib import Path

import polars as pl
import pytest
from polars.testing import assert_frame_equal

from analysis.counts import KEYS
from analysis.curves import accuracy_by_split
from analysis.load import Evidence, load
from analysis.page.splits import measure_table, split_table
from analysis.report import write_report
from analysis.results import exchange_rates
from analysis.sentences import percent
from tests.analysis.pages import Page
from tests.analysis.synthetic import (
    World,
    chance_rows,
    item_rows,
    of_measure,
    write_items,
    write_study,
)

WORLD = World(programs=6, items=5, seeds=2, ns=(1, 4))
GRADED = (pl.col("item") + 1) / 8
"""Scores that single precision holds exactly."""


@pytest.fixture(scope="module")
def rows() -> pl.DataFrame:
    return item_rows(WORLD)


def beside(rows: pl.DataFrame) -> list[pl.DataFrame]:
    whole = rows.filter(item=0)
    composed = rows.filter(pl.col("program") < "p3").with_columns(
        split=pl.lit("composed"), program=pl.col("program") + ".p5"
    )
    return [
        of_measure(rows, "membership", pl.col("correct").cast(pl.Float32)),
        of_measure(rows, "diversity", GRADED),
        of_measure(whole, "coverage", 0.25),
        chance_rows(rows, 0.125),
        composed,
    ]


def loaded(frames: list[pl.DataFrame], folder: Path) -> Evidence:
    return load(write_items(pl.concat(frames), folder / "a.parquet"))


def test_scores_are_those_of_a_look_at_every_row(rows: pl.DataFrame, tmp_path: Path) -> None:
    """At each run's last step."""
    earlier = [frame.with_columns(step=pl.lit(1, pl.Int32)) for frame in [rows, *beside(rows)]]
    found = loaded([rows, *beside(rows), *earlier], tmp_path).scores
    asked = pl.concat(beside(rows)).filter(pl.col("measure") != "execution")
    expected = asked.group_by(KEYS).agg(
        pl.len().alias("n_items"), pl.col("score").cast(pl.Float64).mean()
    )
    assert_frame_equal(found, expected.select(found.columns), check_row_order=False)


def test_no_measure_beside_execution_no_scores(rows: pl.DataFrame, tmp_path: Path) -> None:
    found = loaded([rows], tmp_path)
    assert found.scores.is_empty()
    cells = accuracy_by_split(found.counts, found.scores)
    assert measure_table(cells) is None
    assert split_table(cells).guesses == ()


def test_rates_are_made_of_execution_alone(rows: pl.DataFrame, tmp_path: Path) -> None:
    before = exchange_rates(write_items(rows, tmp_path / "one" / "a.parquet"))
    file = write_items(pl.concat([rows, *beside(rows)]), tmp_path / "two" / "a.parquet")
    assert exchange_rates(file).drop("chance").equals(before.drop("chance"))


def test_every_split_and_measure_has_its_mean(rows: pl.DataFrame, tmp_path: Path) -> None:
    found = loaded([rows, *beside(rows)], tmp_path)
    cells = accuracy_by_split(found.counts, found.scores)
    splits, measures = split_table(cells), measure_table(cells)
    assert splits.columns == ("target", "composed")
    assert splits.guesses == (("arithmetic", ("12.5%", "–")),)
    assert measures is not None
    assert measures.columns == ("right", "membership", "diversity", "coverage")
    keys = ["arm", "demonstrations", "response_format"]
    cases = beside(rows)[-1].group_by(keys).agg(pl.col("correct").mean())
    right = rows.group_by(keys).agg(pl.col("correct").mean())
    for table, expected in ((splits, cases), (measures, right)):
        assert len(table.rows) == expected.height
    shown = sorted(row.accuracies for row in splits.rows)
    both = right.join(cases, on=keys, suffix="_composed").drop(keys)
    assert shown == sorted((percent(one), percent(two)) for one, two in both.iter_rows())
    graded = percent(sum(range(1, 6)) / 8 / 5)
    assert {row.accuracies[2:] for row in measures.rows} == {(graded, "25.0%")}
    assert all(row.accuracies[0] == row.accuracies[1] for row in measures.rows)


@pytest.mark.parametrize("name", ["flair", "bleu_4"])
def test_a_domain_may_have_measures_of_its_own(
    rows: pl.DataFrame, tmp_path: Path, name: str
) -> None:
    own = of_measure(rows, name, 0.5)
    found = loaded([rows, own], tmp_path)
    table = measure_table(accuracy_by_split(found.counts, found.scores))
    assert table is not None and table.columns == ("right", name)
    assert {row.accuracies[1] for row in table.rows} == {"50.0%"}


def test_the_page_shows_them(rows: pl.DataFrame, tmp_path: Path) -> None:
    with_them, without = (
        Page(write_report(write_study(frame, tmp_path / name)).html.read_text("utf-8"))
        for name, frame in (("with", pl.concat([rows, *beside(rows)])), ("without", rows))
    )
    for word in ("What else was measured", "(random baseline)", "Composed: pairs"):
        assert word in with_them.text
        assert word not in without.text
    assert "further-measures" in with_them.packed

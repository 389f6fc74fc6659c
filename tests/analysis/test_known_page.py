"""The page's sections on what is known, on formats and on forgetting: there where rows are."""

from pathlib import Path

import polars as pl
import pytest

from analysis.knowledge import Knowledge
from analysis.page.knowledge import knowledge_section
from analysis.page.packs import Packs
from analysis.report import write_report
from analysis.results import analyse
from tests.analysis.pages import PAYLOAD, Page
from tests.analysis.synthetic import World, item_rows, of_measure, write_study

WORLD = World(programs=6, items=5, seeds=2, ns=(1, 4))
SECTIONS = {
    "Known and done": "known-and-done",
    "Direct against chain of thought": "formats",
    "Forgetting": "forgetting",
}


def measured(rows: pl.DataFrame) -> pl.DataFrame:
    """With recitations, recall, direct answers, and acquisition programs after two stages."""
    cot, recite = (rows.filter(response_format=name) for name in ("cot", "recite"))
    told = recite.with_columns(correct=pl.col("item") % 2 == 0)
    asked = cot.filter(item=0).with_columns(response_format=pl.lit(None, pl.String))
    known = asked.with_columns(correct=pl.col("program").str.tail(1).is_in(["0", "2"]))
    acquired = cot.with_columns(split=pl.lit("acquisition"))
    return pl.concat(
        [
            rows,
            of_measure(told, "recitation", pl.col("correct").cast(pl.Float32)),
            of_measure(known, "recall", pl.col("correct").cast(pl.Float32)),
            cot.with_columns(response_format=pl.lit("direct")),
            acquired,
            acquired.with_columns(stage=pl.lit(1, pl.Int32), step=pl.lit(0, pl.Int32)),
        ]
    )


def page_of(rows: pl.DataFrame, folder: Path) -> Page:
    return Page(write_report(write_study(rows, folder)).html.read_text("utf-8"))


def test_sections_stand_where_their_rows_do(tmp_path: Path) -> None:
    rows = item_rows(WORLD)
    whole, bare = page_of(measured(rows), tmp_path / "a"), page_of(rows, tmp_path / "b")
    for title, csv in SECTIONS.items():
        assert title in whole.text and csv in whole.packed
        assert title not in bare.text and csv not in bare.packed
    assert "did not know it" in whole.text


def test_markup_in_names_creates_no_element_there(tmp_path: Path) -> None:
    plain, hostile = (
        page_of(measured(item_rows(WORLD, model=name, study=name)), tmp_path / folder)
        for folder, name in (("a", "m"), ("b", PAYLOAD))
    )
    assert plain.elements == hostile.elements
    assert not [name for name, _ in hostile.attributes if name.startswith("on")]


@pytest.fixture(scope="module")
def knowledge(tmp_path_factory: pytest.TempPathFactory) -> tuple[Knowledge, ...]:
    folder = tmp_path_factory.mktemp("known")
    return analyse(write_study(measured(item_rows(WORLD)), folder)).knowledge


def test_a_row_a_cell_and_a_sentence_for_the_instruction(
    knowledge: tuple[Knowledge, ...],
) -> None:
    section = knowledge_section(knowledge, Packs())
    assert section is not None
    asked = {(each.factors["arm"], each.factors["response_format"]) for each in knowledge}
    assert {("instruction", "recite"), ("none", "cot"), ("none", "direct")} <= asked
    assert len(section["rows"]) == len(knowledge)
    assert len(section["sentences"]) == sum(arm == "instruction" for arm, _ in asked)
    for row, each in zip(section["rows"], knowledge, strict=True):
        assert row.n_known + row.n_unknown == each.n_known + each.n_unknown
    assert knowledge_section((), Packs()) is None

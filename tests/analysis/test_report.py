"""The report: whole, offline, and deaf to what models say."""

import subprocess
import sys
from collections import Counter
from dataclasses import replace
from pathlib import Path

import polars as pl
import pytest

import analysis
from analysis.page.render import Beside, render
from analysis.report import write_report
from analysis.results import RATE_SCHEMA, Analysis, analyse
from tests.analysis.pages import PAYLOAD, Page
from tests.analysis.synthetic import World, item_rows, write_items, write_study

WORLD = World(programs=6, items=2)


@pytest.fixture(scope="module")
def page(tmp_path_factory: pytest.TempPathFactory) -> Page:
    folder = write_study(item_rows(WORLD), tmp_path_factory.mktemp("plain"))
    return Page(write_report(folder).html.read_text(encoding="utf-8"))


def test_markup_in_names_and_outputs_creates_no_element(page: Page, tmp_path: Path) -> None:
    hostile = item_rows(
        WORLD,
        model=PAYLOAD,
        study=PAYLOAD,
        output=PAYLOAD,
        prompt=PAYLOAD,
        expected=PAYLOAD,
        domain=PAYLOAD,
    ).with_columns(program=pl.col("program") + PAYLOAD)
    folder = write_study(hostile, tmp_path / "s", question=PAYLOAD)
    found = Page(write_report(folder).html.read_text(encoding="utf-8"))
    # The gallery may hold other kinds of answers; nothing else may differ.
    said = Counter(article=0, h3=0, h4=0, pre=0, span=0)
    assert {k: n for k, n in found.elements.items() if k not in said} == {
        k: n for k, n in page.elements.items() if k not in said
    }
    assert "{{ 7 * 7 }}" in found.text
    assert not [name for name, _ in found.attributes if name.startswith("on")]
    for (key, mine), theirs in zip(found.packed.items(), page.packed.values(), strict=True):
        if "html" in mine:
            inner = Page(mine["html"])
            assert inner.elements == Page(theirs["html"]).elements, key
            assert not [name for name, _ in inner.attributes if name.startswith("on")]


def test_the_page_is_self_contained(page: Page) -> None:
    policy = next(value for value in page.values("content") if "src" in value)
    assert "default-src 'none'" in policy
    assert "'unsafe-eval'" not in policy
    assert "script-src 'unsafe-inline'" not in policy
    assert not page.values("src")
    assert all(value.startswith("#") for value in page.values("href"))
    data = len(page.packs) + 1
    assert page.elements["script"] == data + 2
    assert policy.count("sha256-") == 2


def test_every_figure_has_words_and_data(page: Page) -> None:
    names = page.values("id")
    assert len(names) == len(set(names))
    figures = page.values("data-figure")
    assert figures
    assert set(page.values("aria-labelledby")) <= set(names)
    assert len(page.values("aria-labelledby")) == len(figures)
    for key in {*figures, *page.values("data-csv")}:
        columns = page.packed[key]["table"]
        assert len({len(column) for column in columns}) == 1, key
        assert len(columns[0]) > 1, key
    assert page.values("aria-controls")
    assert {f"{key}" for key in page.values("aria-controls")} <= {*names, *page.packed}


def test_the_packed_data_are_the_rows_means(tmp_path: Path) -> None:
    rows = item_rows(WORLD, seed=4)
    found = Page(write_report(write_study(rows, tmp_path)).html.read_text(encoding="utf-8"))
    table = {name: values for name, *values in found.packed["dose-response-1"]["table"]}
    shown = pl.DataFrame(table).filter(pl.col("program").is_not_null())
    asked = rows.filter(pl.col("response_format") == "cot", pl.col("arm") == "demonstrations")
    expected = asked.group_by("demonstrations", "program").agg(
        pl.col("correct").mean().alias("expected")
    )
    both = shown.filter(pl.col("series") == "demonstrations").join(
        expected.with_columns(n=pl.col("demonstrations").cast(pl.Int64)), on=["n", "program"]
    )
    assert len(both) == len(expected) == WORLD.programs * len(WORLD.ns)
    assert both["accuracy"].to_list() == pytest.approx(both["expected"].to_list(), abs=1e-6)


def test_failed_trials_are_counted(page: Page) -> None:
    assert "1 trial did not end well" in page.text
    assert "the loss was not finite at step 12" in page.text


def test_what_was_not_recorded_is_said(page: Page) -> None:
    for words in ("every run was evaluated once", "step records do not stand", "what they cost"):
        assert words in page.text


def test_rates_are_written_beside_the_report(tmp_path: Path) -> None:
    folder = write_study(item_rows(WORLD), tmp_path)
    before = {path.name for path in folder.iterdir()}
    paths = write_report(folder)
    parquet, csv = pl.read_parquet(paths.rates_parquet), pl.read_csv(paths.rates_csv)
    assert dict(parquet.schema) == RATE_SCHEMA
    assert csv["rate"].to_list() == pytest.approx(parquet["rate"].to_list())
    after = {path.name for path in folder.iterdir()}
    assert after - before == {"report.html", "exchange_rates.parquet", "exchange_rates.csv"}


def test_the_same_rows_give_the_same_page(tmp_path: Path) -> None:
    file = write_items(item_rows(WORLD), tmp_path / "a.parquet")
    first = write_report(file, tmp_path / "one").html.read_bytes()
    assert write_report(file, tmp_path / "two").html.read_bytes() == first
    assert write_report(file).html.parent == tmp_path / "a-report"


def test_no_rate_still_gives_a_report(tmp_path: Path) -> None:
    rows = item_rows(WORLD).filter(pl.col("arm") != "demonstrations")
    found = Page(write_report(write_study(rows, tmp_path)).html.read_text(encoding="utf-8"))
    assert "No exchange rate" in found.text


def test_the_declared_comparison_leads(tmp_path: Path) -> None:
    rows = pl.concat([item_rows(WORLD, model=name, seed=seed) for seed, name in enumerate("abc")])
    found = analyse(write_items(rows, tmp_path / "rows.parquet"))
    notes = replace(found.notes, primary="model: b", primary_factors={"model": "b"})
    text = Page(_rendered(replace(found, notes=notes))).text
    assert text.index("On b one instruction") < text.index("On a one instruction")
    text = Page(_rendered(found)).text
    assert text.index("On a one instruction") < text.index("On b one instruction")


def _rendered(found: Analysis) -> str:
    return render(found, Beside(None, None), title="t")


def test_analysis_loads_neither_ray_nor_torch() -> None:
    folder = Path(analysis.__file__).parent
    files = [file for file in sorted(folder.rglob("*.py")) if file.stem != "__init__"]
    names = [".".join(file.relative_to(folder.parent).with_suffix("").parts) for file in files]
    code = f"import sys, {', '.join(names)}; print({{'ray', 'torch'}} & set(sys.modules))"
    ran = subprocess.run(
        [sys.executable, "-c", code], cwd=folder.parent, capture_output=True, text=True, check=True
    )
    assert ran.stdout.strip() == "set()"

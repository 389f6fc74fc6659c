"""The report: whole, offline, and deaf to what models say."""

import subprocess
import sys
from collections import Counter
from html.parser import HTMLParser
from pathlib import Path

import polars as pl
import pytest

import analysis
from analysis.figures import accuracy_by_arm, dose_response
from analysis.report import write_report
from analysis.results import RATE_SCHEMA, analyse
from tests.analysis.synthetic import World, item_rows, write_items, write_study

WORLD = World(programs=6, items=2)
PAYLOAD = '</script><script>alert(1)</script><img src=x onerror="alert(2)">"\'&<b>{{ 7 * 7 }}'


class Page(HTMLParser):
    """Elements, attributes and text of a page."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.elements: Counter[str] = Counter()
        self.attributes: list[tuple[str, str | None]] = []
        self.text = ""
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements[tag] += 1
        self.attributes += attrs

    def handle_data(self, data: str) -> None:
        self.text += data


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
    assert found.elements == page.elements
    assert "{{ 7 * 7 }}" in found.text
    handlers = [name for name, _ in found.attributes if name.startswith("on")]
    assert not handlers


def test_the_page_is_self_contained(page: Page) -> None:
    policy = next(
        value for name, value in page.attributes if name == "content" and "src" in (value or "")
    )
    assert policy is not None
    assert "default-src 'none'" in policy
    assert "'unsafe-eval'" not in policy
    assert "script-src 'unsafe-inline'" not in policy
    assert not [value for name, value in page.attributes if name in ("src", "href")]
    assert page.elements["script"] == 3


def test_failed_trials_are_counted(page: Page) -> None:
    assert "1 trial did not end well" in page.text
    assert "the loss was not finite at step 12" in page.text


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


@pytest.mark.parametrize("rate", [0.3, 5.0, 500.0])
@pytest.mark.parametrize("seeds", [1, 3])
def test_every_state_can_be_drawn(tmp_path: Path, rate: float, seeds: int) -> None:
    world = World(programs=6, items=4, rate=rate, seeds=seeds, none=-6.0)
    found = analyse(write_items(item_rows(world, seed=2), tmp_path / "a.parquet"))
    result = found.results[0]
    curve, arms = dose_response(result), accuracy_by_arm(result.levels)
    ticks = ("0", *(str(n) for n in world.ns))
    assert curve.layout.xaxis.ticktext == ticks
    assert len(arms.data) == len(world.ns) + 4


def test_no_rate_still_gives_a_report(tmp_path: Path) -> None:
    rows = item_rows(WORLD).filter(pl.col("arm") != "demonstrations")
    found = Page(write_report(write_study(rows, tmp_path)).html.read_text(encoding="utf-8"))
    assert "No exchange rate" in found.text


def test_analysis_loads_neither_ray_nor_torch() -> None:
    folder = Path(analysis.__file__).parent
    modules = ", ".join(f"analysis.{file.stem}" for file in sorted(folder.glob("[a-z]*.py")))
    code = f"import sys, {modules}; print({{'ray', 'torch'}} & set(sys.modules))"
    ran = subprocess.run(
        [sys.executable, "-c", code], cwd=folder.parent, capture_output=True, text=True, check=True
    )
    assert ran.stdout.strip() == "set()"

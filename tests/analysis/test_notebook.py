"""A study in a notebook: the frames of the analysis, and the example notebook, executed."""

import subprocess
import sys
from dataclasses import fields
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import nbformat
import polars as pl
import pytest
from nbclient import NotebookClient
from polars.testing import assert_frame_equal

import analysis
from analysis.claims import Verdict
from analysis.notebook import VERDICT_SCHEMA, LoadedStudy
from analysis.results import contrasts, exchange_rates
from pbb.records import ITEM_SCHEMA
from tests.analysis.synthetic import World, item_rows, write_items, write_study

NOTEBOOK = Path(__file__).parents[2] / "docs" / "notebook.ipynb"

WORLD = World(programs=8, items=4)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_study(item_rows(WORLD), tmp_path_factory.mktemp("study"))


@pytest.fixture(scope="module")
def study(folder: Path) -> LoadedStudy:
    return analysis.load_study(folder)


def test_frames_are_those_of_the_analysis(study: LoadedStudy, folder: Path) -> None:
    assert_frame_equal(study.rates, exchange_rates(folder))
    assert_frame_equal(study.contrasts, contrasts(folder))
    assert dict(study.items.collect_schema()) == ITEM_SCHEMA
    assert study.items.select(pl.len()).collect().item() == item_rows(WORLD).height
    right = study.items.select(pl.col("correct").sum()).collect().item()
    share = study.accuracy.select((pl.col("accuracy") * pl.col("n_items")).sum()).item()
    assert share == pytest.approx(right)  # every program has as many items
    assert dict(study.verdicts.schema) == VERDICT_SCHEMA


def test_a_verdict_fits_its_frame() -> None:
    assert [field.name for field in fields(Verdict)] == list(VERDICT_SCHEMA)


def test_a_path_may_be_text(study: LoadedStudy, folder: Path) -> None:
    assert_frame_equal(analysis.load_study(str(folder)).rates, study.rates)


@pytest.mark.parametrize("name", ["dose_response", "accuracy_by_arm", "influence", "forest"])
def test_figures_draw_something(study: LoadedStudy, name: Any) -> None:
    assert study.figure(name).data


@pytest.mark.parametrize(
    ("name", "row"), [("pie", 0), ("dose_response", 2), ("scaling", 5), ("learning_curves", 0)]
)
def test_what_cannot_be_drawn_is_refused(study: LoadedStudy, name: Any, row: int) -> None:
    with pytest.raises(ValueError, match=name):
        study.figure(name, row)


class Tags(HTMLParser):
    """The elements of a page."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.seen: set[str] = set()
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.seen.add(tag)


def test_what_is_displayed_is_escaped(study: LoadedStudy, tmp_path: Path) -> None:
    evil = "<script>alert(1)</script><img src=x onerror=alert(1)>"
    file = write_items(item_rows(WORLD, model=evil), tmp_path / "a.parquet")
    shown = Tags(analysis.load_study(file)._repr_html_())
    assert shown.seen == Tags(study._repr_html_()).seen


def test_importing_analysis_loads_nothing_heavy() -> None:
    code = (
        "import sys, analysis\n"
        "heavy = {'polars', 'numpy', 'plotly', 'scipy'} & sys.modules.keys()\n"
        "assert not heavy, heavy\n"
        "assert callable(analysis.load_study)\n"
        "assert not hasattr(analysis, 'load_nothing')\n"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


def cells() -> list[str]:
    notebook = nbformat.read(NOTEBOOK, as_version=4)
    return [cell["source"] for cell in notebook.cells if cell["cell_type"] == "code"]


def test_the_example_notebook_runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("IPYTHONDIR", str(tmp_path / "ipython"))
    notebook = nbformat.read(NOTEBOOK, as_version=4)
    nbformat.validate(notebook)
    NotebookClient(
        notebook, timeout=60, kernel_name="python3", resources={"metadata": {"path": tmp_path}}
    ).execute()
    outputs = [
        output
        for cell in notebook.cells
        if cell["cell_type"] == "code"
        for output in cell["outputs"]
    ]
    assert not [output for output in outputs if output["output_type"] in ("stream", "error")]
    kinds = [set(output["data"]) for output in outputs]
    assert len(kinds) == 5
    assert sum("application/vnd.plotly.v1+json" in kind for kind in kinds) == 1
    assert sum("text/html" in kind for kind in kinds) >= 4


def test_its_cells_run_on_a_study_folder(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("docs", "runs"):
        (tmp_path / name).mkdir()
    monkeypatch.chdir(tmp_path / "docs")
    (tmp_path / "runs" / "quickstart").symlink_to(folder)
    names: dict[str, Any] = {}
    for cell in cells():
        exec(cell, names)
    assert_frame_equal(names["study"].rates, exchange_rates(folder))


def test_the_notebook_is_kept_small_and_without_outputs() -> None:
    assert NOTEBOOK.stat().st_size < 20_000
    notebook = nbformat.read(NOTEBOOK, as_version=4)
    assert not [cell for cell in notebook.cells if cell.get("outputs")]

"""Static images: drawn where kaleido and a browser are, refused with the way out where not."""

import importlib
import importlib.util
from pathlib import Path

import pytest

from analysis.errors import BadInput
from analysis.images import write_images
from tests.analysis.chromium import CHROMIUM
from tests.analysis.synthetic import World, item_rows, write_items

WORLD = World(programs=4, items=2, seeds=2, ns=(1, 4))
KALEIDO = importlib.util.find_spec("kaleido") is not None


def test_without_kaleido_the_message_says_what_to_install(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    drawing = importlib.import_module("plotly.io._kaleido")
    monkeypatch.setattr(drawing, "kaleido_available", lambda: False)
    file = write_items(item_rows(WORLD), tmp_path / "a.parquet")
    with pytest.raises(BadInput, match=r"pbb-study\[static\]"):
        write_images(file, "svg")


@pytest.mark.slow
@pytest.mark.browser
@pytest.mark.skipif(not (KALEIDO and CHROMIUM), reason="needs kaleido and Chromium")
@pytest.mark.parametrize(("kind", "start"), [("svg", b"<svg"), ("png", b"\x89PNG")])
def test_images_are_written_under_the_names_of_the_page(
    tmp_path: Path, kind: str, start: bytes
) -> None:
    file = write_items(item_rows(WORLD), tmp_path / "a.parquet")
    paths = write_images(file, kind)
    assert {path.stem for path in paths} >= {"forest", "dose-response-1", "arms-1"}
    assert all(path.read_bytes().startswith(start) for path in paths)
    assert {path.parent for path in paths} == {tmp_path / "a-report" / "figures"}


def test_nothing_to_draw_is_told(tmp_path: Path) -> None:
    rows = item_rows(WORLD)
    file = write_items(rows.filter(rows["arm"] != "demonstrations"), tmp_path / "a.parquet")
    with pytest.raises(BadInput, match="nothing to draw"):
        write_images(file, "svg")

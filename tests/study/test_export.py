"""An exported study stands alone, and nothing is overwritten to make it."""

from __future__ import annotations

import sys
from pathlib import Path

import polars as pl
import pytest

from study.cli import main
from study.export import CARD, ITEMS_CSV, export
from study.launch import launch
from study.store import Store
from tests.search_spaces.studies import TEXT
from tests.study.studies import RUNNER, fake_base, small_study


def test_an_exported_study_is_whole(tmp_path: Path) -> None:
    study = small_study()
    first = launch(study, tmp_path / "runs", "local", quiet=True, runner=RUNNER, resolve=fake_base)
    copied = export(first.folder, tmp_path / "out")
    again = launch(study, tmp_path / "out", "local", quiet=True, runner=RUNNER, resolve=fake_base)
    assert (first.failed, again.failed, again.stages_run) == (0, 0, 0)
    assert again.folder == copied

    items = pl.read_parquet(first.folder / "items" / "*.parquet")
    written = pl.read_csv(copied / ITEMS_CSV, schema=items.schema)
    assert written.sort(pl.all()).equals(items.sort(pl.all()))

    store = Store(tmp_path / "out")
    stages = [path for path in (store.root / "stages").iterdir() if not path.name.startswith(".")]
    assert len(stages) == first.stages_run
    assert all(store.has(path.name) for path in stages)
    trained = [path for path in stages if (path / "adapter.safetensors").exists()]
    assert trained
    assert sorted(path.parent for path in (tmp_path / "out").rglob(CARD)) == sorted(trained)


def test_a_study_goes_through_every_command(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    done = launch(small_study(), tmp_path, "local", quiet=True, runner=RUNNER, resolve=fake_base)
    for arguments in (
        ["status", str(done.folder)],
        ["report", str(done.folder), "--json"],
        ["report", str(done.folder)],
        ["export", str(done.folder), "--out", str(tmp_path / "out")],
    ):
        monkeypatch.setattr(sys, "argv", ["pbb-study", *arguments])
        with pytest.raises(SystemExit) as left:
            main()
        shown = capsys.readouterr()
        assert left.value.code in (0, None), shown.err
        assert shown.out
    assert (done.folder / "report.html").is_file()
    assert (tmp_path / "out" / "small" / "report.html").is_file()


def test_export_refuses_to_overwrite_or_to_swallow_itself(tmp_path: Path) -> None:
    folder = tmp_path / "runs" / "small"
    folder.mkdir(parents=True)
    (folder / "study.yaml").write_text(TEXT)
    taken = tmp_path / "taken"
    taken.mkdir()
    (taken / "precious").write_text("x")
    for out in (taken, folder / "inside"):
        with pytest.raises(ValueError, match=str(out)):
            export(folder, out)
    assert [path.name for path in taken.iterdir()] == ["precious"]
    assert export(folder, tmp_path / "new") == tmp_path / "new" / "small"
    assert (tmp_path / "new" / "small" / "study.yaml").read_text() == TEXT

"""Damage in a study folder is told by name, at once, by every command; what is whole is kept."""

from __future__ import annotations

import errno
import os
import shutil
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from analysis.damage import blame
from analysis.errors import BadInput
from analysis.item_files import current_files
from analysis.load import checked_counts, load
from analysis.report import write_report
from pbb.records import SCHEMA_KEY
from search_spaces.errors import StudyError
from search_spaces.study_file import Study, load_study
from study import items
from study.disk import DiskFull
from study.export import ExportError, export
from study.items import ItemFiles
from study.launch import LaunchResult, launch
from study.status import status
from tests.study.studies import RUNNER, fake_base, small_study

Damage = Callable[[Path], Path]
"""Does something to a study folder; gives the file that must be named."""


def launched(root: Path, study: Study | None = None) -> LaunchResult:
    return launch(
        study or small_study(), root, "local", quiet=True, runner=RUNNER, resolve=fake_base
    )


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("whole") / "runs"
    write_report(launched(root).folder)
    return root


@pytest.fixture
def folder(whole: Path, tmp_path: Path) -> Path:
    """A study folder of its own, its stages beside it."""
    shutil.copytree(whole, tmp_path / "runs")
    return tmp_path / "runs" / "small"


def rows(folder: Path) -> list[tuple[object, ...]]:
    return sorted(pl.read_parquet(current_files(folder / "items"), glob=False).rows(), key=repr)


def first(folder: Path) -> Path:
    return sorted((folder / "items").glob("*.parquet"))[0]


def spoiled(file: Path) -> Path:
    """Every data page is damaged, and the footer whole."""
    content = bytearray(file.read_bytes())
    footer = len(content) - 8 - int.from_bytes(content[-8:-4], "little")
    content[4:footer] = bytes(byte ^ 0x5A for byte in content[4:footer])
    file.write_bytes(content)
    return file


def spoiled_pages(folder: Path) -> Path:
    return spoiled(first(folder))


def spoiled_text(folder: Path) -> Path:
    """Only the page shows texts; counts can be had."""
    file = first(folder)
    frame = pl.read_parquet(file).with_columns(output=pl.lit("spoil me " * 50) + pl.col("program"))
    frame.write_parquet(file, compression="uncompressed", metadata={SCHEMA_KEY: "2"})
    content = file.read_bytes()
    at = content.index(b"spoil me")
    file.write_bytes(content[: at - 4] + b"\xff" * 40 + content[at + 36 :])
    return file


def lacking_column(folder: Path) -> Path:
    file = first(folder)
    pl.read_parquet(file).drop("program").write_parquet(file, metadata={SCHEMA_KEY: "2"})
    return file


def copied(folder: Path) -> Path:
    return Path(shutil.copy(first(folder), folder / "items" / "copy.parquet"))


def renamed(folder: Path) -> Path:
    return first(folder).rename(folder / "items" / "renamed.parquet")


def foreign(folder: Path) -> Path:
    file = folder / "items" / "notes.parquet"
    file.write_text("not a table")
    return file


def over_another(folder: Path) -> Path:
    one, another = sorted((folder / "items").glob("*.parquet"))[:2]
    return Path(shutil.copy(one, another))


@pytest.mark.parametrize(
    "harm",
    [spoiled_pages, spoiled_text, lacking_column, copied, foreign, over_another],
)
def test_every_command_names_the_file_of_item_rows_and_moving_it_away_heals(
    folder: Path, tmp_path: Path, harm: Damage, whole: Path
) -> None:
    wanted = rows(folder)
    file = harm(folder)
    before = {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()}
    with pytest.raises(BadInput, match=file.name) as refused:
        write_report(folder)
    assert "launch again" in str(refused.value)
    with pytest.raises(ValueError, match=file.name):
        export(folder, tmp_path / "out")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["runs"]
    assert (file.name in status(folder)) == (harm is not spoiled_text)
    assert {path: path.read_bytes() for path in before} == before, "nothing is lost"
    for name in {file.name, *(n.name for n in before if n.name in str(refused.value))}:
        if (folder / "items" / name).is_file():
            (folder / "items" / name).rename(tmp_path / name)
    assert launched(folder.parent).stages_run == 0
    assert rows(folder) == wanted
    write_report(folder)


@pytest.mark.parametrize("harm", [copied, renamed, foreign])
def test_a_launch_refuses_strays_before_it_works(
    folder: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, harm: Damage
) -> None:
    file = harm(folder)
    shutil.rmtree(folder.parent / "stages")
    (folder / "trials.parquet").unlink()
    monkeypatch.setenv("FAKE_ENGINE_LOG", str(tmp_path / "log"))
    with pytest.raises(BadInput, match=file.name):
        launched(folder.parent)
    assert not (tmp_path / "log").exists()
    assert file.exists()


def test_what_is_whole_is_not_read_twice(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("analysis.load.blame", lambda *_: pytest.fail("nothing was wrong"))
    load(folder)
    launched(folder.parent)


def test_an_error_that_no_file_has_alone_stays(folder: Path) -> None:
    error = BadInput("something else")
    assert blame(folder, error, checked_counts) is error


def in_parts(folder: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr(items, "MANY_FILES", 2)
    launched(folder.parent)
    (part,) = (folder / "items").glob("*.parquet")
    return part


def test_a_part_without_a_column_is_collected_anew(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    wanted, part = rows(folder), in_parts(folder, monkeypatch)
    told = pl.read_parquet_metadata(part)
    told.pop("ARROW:schema")
    pl.read_parquet(part).drop("program").write_parquet(part, metadata=told)
    with pytest.raises(BadInput, match=part.name):
        write_report(folder)
    launched(folder.parent)
    assert rows(folder) == wanted
    assert part.with_name(f"{part.name}.damaged").is_file()


def test_a_part_with_damaged_pages_is_told_and_healed(
    folder: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    wanted, part = rows(folder), in_parts(folder, monkeypatch)
    spoiled(part)
    assert launched(folder.parent).stages_run == 0
    for do in (write_report, lambda _: ItemFiles(part.parent).remove([trial(folder)])):
        with pytest.raises(BadInput, match=f"{part.name}.*launch again"):
            do(folder)
    part.rename(tmp_path / "aside")
    launched(folder.parent)
    assert rows(folder) == wanted


def trial(folder: Path) -> str:
    return str(pl.read_parquet(folder / "trials.parquet")["trial"][0])


def test_a_file_that_cannot_be_read_is_not_put_into_a_part(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = spoiled(first(folder))
    monkeypatch.setattr(items, "MANY_FILES", 2)
    launched(folder.parent)
    assert file.is_file() and len(list(file.parent.iterdir())) == 2


# --- the other files


def torn(name: str) -> Damage:
    def harm(folder: Path) -> Path:
        file = folder / name
        file.write_bytes(file.read_bytes()[: file.stat().st_size // 2])
        return file

    return harm


def other_kind(name: str) -> Damage:
    """A folder in a file's place, or the reverse."""

    def harm(folder: Path) -> Path:
        path = folder / name
        if path.is_dir():
            shutil.rmtree(path)
            path.write_text("x")
        else:
            path.unlink(missing_ok=True)
            path.mkdir()
        return path

    return harm


@pytest.mark.parametrize(
    "harm",
    [
        torn("manifest.json"),
        torn("documents.parquet"),
        *map(other_kind, ["manifest.json", "documents.parquet", "trials.parquet", ".lock"]),
        *map(other_kind, ["tuning.parquet", "study.yaml", "items"]),
    ],
)
def test_other_damage_is_told_before_any_work_and_by_status(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, harm: Damage
) -> None:
    path = harm(folder)
    shutil.rmtree(folder.parent / "stages")
    monkeypatch.setenv("FAKE_ENGINE_LOG", str(tmp_path / "log"))
    with pytest.raises(StudyError, match=path.name):
        launched(folder.parent)
    assert not (tmp_path / "log").exists()
    if path.name == "study.yaml":
        return
    assert path.name in status(folder)
    if path.name != ".lock":  # which is no part of what travels
        with pytest.raises(ValueError, match=path.name):
            export(folder, tmp_path / "out")
        assert not (tmp_path / "out").exists()
    path.rename(tmp_path / "aside")
    assert launched(folder.parent).ok == 7


# --- status


def test_status_has_nothing_to_say_of_a_whole_folder(folder: Path) -> None:
    assert "WRONG" not in status(folder)


def test_status_tells_rows_that_are_missing_and_a_study_file_edited_by_hand(folder: Path) -> None:
    first(folder).unlink()
    assert "1 ended trials" in status(folder)
    launched(folder.parent)
    file = folder / "study.yaml"
    text = file.read_text()
    assert load_study(file) == small_study()
    file.write_text(text.replace("machinery", "clockwork"))
    assert str(file) in status(folder)
    launched(folder.parent)
    assert file.read_text() == text and "WRONG" not in status(folder)
    file.write_text(text.replace("data_seed: 1", "data_seed: 2"))
    with pytest.raises(StudyError, match="by hand"):
        launched(folder.parent)


def test_a_study_file_edited_by_hand_stands_for_nothing(folder: Path) -> None:
    """Else the rows of the old study would pass for those of the new one, or be removed."""
    file, rows = folder / "study.yaml", sorted((folder / "items").iterdir())
    text = file.read_text()
    file.write_text(f"# a remark\n{text}")
    assert "WRONG" in status(folder)
    launched(folder.parent, load_study(file))
    assert file.read_text() == text
    file.write_text(text.replace("data_seed: 1", "data_seed: 2"))
    with pytest.raises(StudyError, match="by hand"):
        launched(folder.parent, load_study(file))
    assert sorted((folder / "items").iterdir()) == rows


# --- disks that are full or may not be written


def no_space(*_: object, **__: object) -> None:
    raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


def test_a_full_disk_is_told_by_the_lock_and_by_the_report(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = (folder / "report.html").read_bytes()
    with monkeypatch.context() as patch:
        patch.setattr(os, "write", no_space)
        with pytest.raises(DiskFull, match="make room"):
            launched(folder.parent)
    with monkeypatch.context() as patch:
        patch.setattr(Path, "write_bytes", no_space)
        with pytest.raises(BadInput, match="make room"):
            write_report(folder)
    assert (folder / "report.html").read_bytes() == before
    assert not list(folder.glob(".*report*"))


@pytest.mark.parametrize("full", [True, False])
def test_an_export_that_fails_leaves_nothing(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, full: bool
) -> None:
    why = os.strerror(errno.ENOSPC if full else errno.EACCES)
    real, left = shutil.copytree, [3]

    def fails(source: Path, *rest: Any, **options: Any) -> Any:
        left[0] -= 1
        if not left[0]:
            raise shutil.Error([(str(source), "there", f"[Errno 0] {why}")] * 5)
        return real(source, *rest, **options)

    monkeypatch.setattr(shutil, "copytree", fails)
    with pytest.raises(DiskFull if full else ExportError, match=why) as refused:
        export(folder, tmp_path / "out")
    assert str(refused.value).count(why) == 1
    assert sorted(path.name for path in tmp_path.iterdir()) == ["runs"]


@pytest.fixture
def read_only(folder: Path) -> Iterator[Path]:
    mount = ["mount", "--bind", str(folder), str(folder)]
    if subprocess.run(mount, capture_output=True).returncode:
        pytest.skip("needs the right to mount a file system")
    subprocess.run(["mount", "-o", "remount,ro,bind", str(folder)], check=True)
    yield folder
    subprocess.run(["umount", "--lazy", str(folder)], check=True)


def test_a_folder_that_may_not_be_written_is_read_and_told(read_only: Path, tmp_path: Path) -> None:
    with pytest.raises(StudyError, match=f"{read_only}.*--root"):
        launched(read_only.parent)
    with pytest.raises(BadInput, match="--out"):
        write_report(read_only)
    assert write_report(read_only, tmp_path / "elsewhere").html.is_file()
    assert "7 ok" in status(read_only)
    assert export(read_only, tmp_path / "out").is_dir()

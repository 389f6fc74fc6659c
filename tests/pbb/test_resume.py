"""A state is whole or absent, whoever writes beside, and whatever lies there."""

from __future__ import annotations

import math
import shutil
import threading
from pathlib import Path

import pytest
import torch

from pbb.training import resume
from pbb.training.resume import STATE_FILE, State, keep, kept


def state(value: float) -> State:
    """All its numbers are one, so that a mixture of two states is seen."""
    return State({name: torch.full((2000,), value) for name in "ab"}, {"records": [value]})


def test_what_is_kept_is_found(tmp_path: Path) -> None:
    folder = tmp_path / "not" / "there"
    assert kept(folder) is None
    keep(folder, State({"w": torch.arange(3.0), "n": torch.tensor(7.0)}, {"x": math.nan, "y": 0.1}))
    found = kept(folder)
    assert found is not None
    assert torch.equal(found.tensors["w"], torch.arange(3.0)) and found.tensors["n"] == 7
    assert math.isnan(found.about["x"]) and found.about["y"] == 0.1
    assert [path.name for path in folder.iterdir()] == [STATE_FILE]


def test_writers_side_by_side_never_mix(tmp_path: Path) -> None:
    keep(tmp_path, state(0))
    writers = [
        threading.Thread(target=lambda v=v: [keep(tmp_path, state(v)) for _ in range(30)])
        for v in (1.0, 2.0, 3.0)
    ]
    for writer in writers:
        writer.start()
    found = []
    while any(writer.is_alive() for writer in writers):
        found.append(kept(tmp_path))
    assert len(found) > 10
    for each in found:
        assert each is not None
        (value,) = each.about["records"]
        assert all((tensor == value).all() for tensor in each.tensors.values())
    assert [path.name for path in tmp_path.iterdir()] == [STATE_FILE]


@pytest.mark.parametrize("content", [b"", b"garbage", b"\x08\0\0\0\0\0\0\0{}      "])
def test_what_cannot_be_read_is_as_good_as_none(tmp_path: Path, content: bytes) -> None:
    (tmp_path / STATE_FILE).write_bytes(content)
    assert kept(tmp_path) is None


def test_a_state_of_another_version_is_as_good_as_none(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    keep(tmp_path, state(1))
    monkeypatch.setattr(resume, "STATE_VERSION", resume.STATE_VERSION + 1)
    assert kept(tmp_path) is None


def test_a_folder_taken_away_is_no_error_and_a_full_disk_is(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    save = resume.save_file

    def taken_away(*args: object, **settings: object) -> None:
        shutil.rmtree(tmp_path / "scratch")
        save(*args, **settings)  # type: ignore[arg-type]

    monkeypatch.setattr(resume, "save_file", taken_away)
    keep(tmp_path / "scratch", state(1))
    assert not (tmp_path / "scratch").exists()

    def full(*args: object, **settings: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(resume, "save_file", full)
    with pytest.raises(OSError, match="No space"):
        keep(tmp_path / "scratch", state(1))

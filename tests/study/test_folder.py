"""The study folder: what may change under one name, and how a change is seen."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from search_spaces.errors import StudyError
from search_spaces.study_file import Study, load_study
from study.folder import held_folder
from tests.study.studies import fake_base, small_study

CLAIM = {
    "finding": "F1",
    "kind": "difference",
    "of": {"arm": "instruction"},
    "against": {"arm": "none"},
    "margin": 5,
}
EDITS: dict[str, Any] = {
    "claims": [CLAIM],
    "question": "Why?",
    "primary": {"model": "tiny"},
}


def held(root: Path, study: Study) -> dict[str, Any]:
    """Take the folder and let go of it; its manifest."""
    with held_folder(root, study, fake_base) as folder:
        if not folder.manifest.exists():
            folder.manifest.write_text('{"backend": "local", "earlier": []}')
        manifest: dict[str, Any] = json.loads(folder.manifest.read_text())
    return manifest


@pytest.mark.parametrize("key", ["claims", "question", "primary"])
def test_what_only_the_analysis_reads_may_change_and_the_manifest_says_so(
    tmp_path: Path, key: str
) -> None:
    first = held(tmp_path, small_study())
    changed = small_study(**{key: EDITS[key]})
    manifest = held(tmp_path, changed)
    assert load_study(tmp_path / "small" / "study.yaml") == changed
    (edit,) = manifest.pop("edits")
    assert list(edit["before"]) == [key]
    assert edit["time"]
    assert manifest == first
    assert held(tmp_path, changed)["edits"] == [edit]
    back = held(tmp_path, small_study())
    assert [list(each["before"]) for each in back["edits"]] == [[key], [key]]


def test_an_edit_keeps_the_former_claims(tmp_path: Path) -> None:
    held(tmp_path, small_study(claims=[CLAIM]))
    manifest = held(tmp_path, small_study(claims=[CLAIM | {"margin": 1}]))
    assert manifest["edits"][0]["before"]["claims"][0]["margin"] == 5


def test_resources_change_without_a_word(tmp_path: Path) -> None:
    held(tmp_path, small_study())
    assert "edits" not in held(tmp_path, small_study(resources={"workers": 3}))


@pytest.mark.parametrize("mixed", [{}, {"claims": [CLAIM]}])
def test_what_runs_depend_on_is_refused_whatever_else_changes(
    tmp_path: Path, mixed: dict[str, Any]
) -> None:
    before = held(tmp_path, small_study())
    text = (tmp_path / "small" / "study.yaml").read_text()
    with pytest.raises(StudyError, match=r"\(data_seed: 1 -> 2\)"):
        held(tmp_path, small_study(data_seed=2, **mixed))
    assert (tmp_path / "small" / "study.yaml").read_text() == text
    assert held(tmp_path, small_study()) == before

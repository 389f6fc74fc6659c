"""The study folder `<root>/<name>/`: one study, one launch at a time."""

from __future__ import annotations

import fcntl
import hashlib
import os
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from pbb.models.registry import resolve as resolve_base
from search_spaces.errors import StudyError
from search_spaces.study_file import Study, dump_study, load_study, study_data
from study.damage import damage, read_only
from study.disk import disk_full, is_full
from study.extension import HOW_IT_RUNS, READ_BY_ANALYSIS, changed_keys, refusal
from study.files import remove_leftovers, write_text
from study.plan import Resolve
from study.processes import ProcessName
from study.provenance import note_edit
from study.store import STAGES

STUDY_FILE: Final = "study.yaml"
LOCK_FILE: Final = ".lock"
MARK: Final = "# A launch wrote this; edit your own study file. SHA-256 of the lines above: "
"""Ends the study file of a folder, so that `status` can tell who wrote it."""


class FolderError(StudyError):
    """The folder cannot be used for this study; nothing in it was changed."""


@dataclass(frozen=True)
class StudyFolder:
    """Where each of a study's files is."""

    path: Path

    @property
    def study(self) -> Path:
        return self.path / STUDY_FILE

    @property
    def lock(self) -> Path:
        """Held by the launch at work."""
        return self.path / LOCK_FILE

    @property
    def stages(self) -> Path:
        """Folder of the stages that studies of one root share; beside the studies."""
        return self.path.parent / STAGES

    @property
    def manifest(self) -> Path:
        return self.path / "manifest.json"

    @property
    def trials(self) -> Path:
        return self.path / "trials.parquet"

    @property
    def documents(self) -> Path:
        """How long training documents are."""
        return self.path / "documents.parquet"

    @property
    def tuned(self) -> Path:
        """Every proposal of nuisances, and which were chosen."""
        return self.path / "tuning.parquet"

    @property
    def tuning(self) -> Path:
        """Folder of the studies that tuned, one a group."""
        return self.path / "tuning"

    @property
    def log(self) -> Path:
        return self.path / "ray.log"

    @property
    def items(self) -> Path:
        """Folder of item rows; see `study.items`."""
        return self.path / "items"


@contextmanager
def held_folder(root: Path, study: Study, resolve: Resolve = resolve_base) -> Iterator[StudyFolder]:
    """The study's folder, made or checked, with no other launch in it meanwhile.

    A folder of the same study, or of one that this one extends (`study.extension`), is taken over.
    Raises FolderError where it holds another study, or something else, or is in use.
    """
    folder = StudyFolder(root.absolute() / study.name)
    with ExitStack() as held:
        try:
            folder.path.mkdir(parents=True, exist_ok=True)
            _refuse_foreign(folder)
            if wrong := damage(folder) or read_only(folder):
                raise FolderError(wrong)
            held.enter_context(_lock(folder.lock))
            _take_over(folder, study, resolve)
            _remove_leftovers(folder)
            if not folder.study.exists():
                write_text(folder.study, _as_launched(study))
        except OSError as error:
            if is_full(error):
                raise disk_full(root, error) from error
            raise FolderError(
                f"{error.filename or folder.path}: {error.strerror}; choose another --root"
            ) from error
        yield folder


def _refuse_foreign(folder: StudyFolder) -> None:
    if folder.study.exists():
        return
    strangers = sorted(p.name for p in folder.path.iterdir() if not p.name.startswith("."))
    if strangers:
        raise FolderError(
            f"{folder.path}: holds {strangers[0]!r} but no {STUDY_FILE}, so it is no study folder; "
            "rename the study or choose another --root"
        )


def _take_over(folder: StudyFolder, study: Study, resolve: Resolve) -> None:
    """Let the study stand for the one that the folder was made by, if it may."""
    if not folder.study.exists():
        return
    try:
        before = load_study(folder.study)
    except StudyError as error:
        raise FolderError(
            f"{error}; mend or move that file, rename the study, or choose another --root"
        ) from error
    changed = changed_keys(before, study)
    by_hand = is_edited_by_hand(folder.study)
    if not changed and not by_hand:
        return
    differences = refusal(before, study, resolve) if changed else None
    if differences is not None:
        hint = f". {folder.study} was edited by hand since its launch, which may be the difference"
        raise FolderError(
            f"{folder.path}: was made by another study file, whose runs are not all runs of this "
            f"one ({differences}); undo that, rename the study, or choose another --root. Stages "
            f"that two studies under one root share are not run again{hint if by_hand else ''}"
        )
    known = {_digest(dump_study(each)) for each in (before, study)}
    if by_hand and _marked(folder.study) not in known:
        raise FolderError(  # what is there was made by what that file said before
            f"{folder.study}: was edited by hand since its launch, and the study launched now is "
            "held against it; undo that edit, or choose another --root"
        )
    edited = {key: study_data(before).get(key) for key in changed if key not in HOW_IT_RUNS}
    if edited:  # noted first: a change may be noted and not made, never made and not noted
        note_edit(folder.manifest, edited)
    if edited.keys() - READ_BY_ANALYSIS:
        folder.documents.unlink(missing_ok=True)  # there are more to measure
    write_text(folder.study, _as_launched(study))


def _as_launched(study: Study) -> str:
    return _as_marked(dump_study(study))


def _as_marked(text: str) -> str:
    return f"{text}{MARK}{_digest(text)}\n"


def is_edited_by_hand(file: Path) -> bool:
    """Whether the study file of a folder is no longer what a launch wrote, as far as it says."""
    whole = file.read_text("utf-8", "replace")
    text, mark, _ = whole.partition(MARK)
    return bool(mark) and _as_marked(text) != whole


def _marked(file: Path) -> str:
    """The digest of what a launch wrote."""
    _, _, rest = file.read_text("utf-8", "replace").partition(MARK)
    return rest.split("\n", 1)[0].strip()


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()


def _remove_leftovers(folder: StudyFolder) -> None:
    remove_leftovers(folder.path)
    remove_leftovers(folder.items)


@contextmanager
def _lock(path: Path) -> Iterator[None]:
    """Hold the lock; the system lets go of it when its holder dies, however that happens."""
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT, 0o644)
    try:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            holder = os.read(descriptor, 1000).decode("utf-8", "replace")
            raise FolderError(
                f"{path.parent}: another launch is running there ({holder}); wait, or stop it"
            ) from None
        os.ftruncate(descriptor, 0)
        os.write(descriptor, str(ProcessName.own()).encode())
        yield
    finally:
        os.close(descriptor)

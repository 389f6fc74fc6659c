"""The study folder `<root>/<name>/`: one study, one launch at a time."""

from __future__ import annotations

import fcntl
import os
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from search_spaces.errors import StudyError
from search_spaces.study_file import Study, dump_study, load_study, study_data
from study.files import remove_leftovers, write_text
from study.processes import ProcessName
from study.provenance import note_edit

STUDY_FILE: Final = "study.yaml"
LOCK_FILE: Final = ".lock"
READ_BY_ANALYSIS: Final = frozenset({"question", "headline", "primary", "claims"})
"""Keys that no run depends on. They may change after results are in, and the manifest says so."""
HOW_IT_RUNS: Final = frozenset({"resources"})
"""Keys that are no part of what a study is."""


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
def held_folder(root: Path, study: Study) -> Iterator[StudyFolder]:
    """The study's folder, made or checked, with no other launch in it meanwhile.

    Raises FolderError where the folder holds another study, or something else, or is in use.
    """
    folder = StudyFolder(root.absolute() / study.name)
    with ExitStack() as held:
        try:
            folder.path.mkdir(parents=True, exist_ok=True)
            _refuse_foreign(folder)
            held.enter_context(_lock(folder.path / LOCK_FILE))
            _refuse_other_study(folder, study)
            _remove_leftovers(folder)
            if not folder.study.exists():
                write_text(folder.study, dump_study(study))
        except OSError as error:
            raise FolderError(
                f"{folder.path}: {error.strerror} ({error.filename}); choose another --root"
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


def _refuse_other_study(folder: StudyFolder, study: Study) -> None:
    if not folder.study.exists():
        return
    try:
        before = load_study(folder.study)
    except StudyError as error:
        raise FolderError(
            f"{error}; mend or move that file, rename the study, or choose another --root"
        ) from error
    changed = [key for key in Study.model_fields if getattr(before, key) != getattr(study, key)]
    fixed = [key for key in changed if key not in READ_BY_ANALYSIS | HOW_IT_RUNS]
    if changed and not fixed:
        edited = {key: study_data(before).get(key) for key in changed if key in READ_BY_ANALYSIS}
        if edited:  # noted first: a change may be noted and not made, never made and not noted
            note_edit(folder.manifest, edited)
        write_text(folder.study, dump_study(study))
    if fixed:
        raise FolderError(
            f"{folder.path}: was made by another study file ({', '.join(fixed)} differ); rename "
            "the study or choose another --root. Stages they share are not run again"
        )


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

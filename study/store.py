"""The stage store: what has been computed, by fingerprint, shared by all studies under one root.

`<root>/stages/<fingerprint>/` holds a stage's files, `stage.json` and, written last, the mark
`done`. A folder gets its name in one step when everything in it is on the disk, so any process may
die at any moment, and several may compute one stage: the first to finish wins. Until then
`<root>/stages/.resume/<fingerprint>/` may hold where it stands, for whoever computes it next.
"""

from __future__ import annotations

import contextlib
import json
import re
import shutil
import time
import uuid
from collections.abc import Iterable, Mapping
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path
from typing import Any, Final

import polars as pl

from pbb.config import Stage
from pbb.durable import sync
from pbb.records import StageOutcome, Status
from study.files import write_json
from study.processes import ProcessName

STAGES: Final = "stages"
DONE: Final = "done"
FINGERPRINT: Final = re.compile(r"[0-9a-f]{8,64}")
STAGE_FILE: Final = "stage.json"
ITEMS_FILE: Final = "items.parquet"
ABANDONED_AFTER_S: Final = 7 * 24 * 3600.0
"""A private folder of another machine, or a state to resume from, is abandoned when untouched for
so long."""

REPRODUCIBLE: Final = frozenset({Status.OK, Status.DIVERGED})
"""Endings that the stage alone decides, so worth keeping; memory and crashes depend on the host."""


DAMAGED: Final = (OSError, ValueError, KeyError, TypeError, AttributeError, RecursionError)
"""What reading a stage's JSON may raise where it is no longer what was written."""


class StoreError(ValueError):
    """No stage has this name, so whatever it leads to is not read; or the stage is not there."""


class Store:
    """Committed stages under `root`.

    Cheap to make; holds no state of its own, so processes on machines that share the file system
    may each have one.
    """

    def __init__(self, root: Path) -> None:
        self.root = root.absolute()
        self._stages = self.root / STAGES
        self._private = self._stages / ".tmp"
        self._resume = self._stages / ".resume"

    @property
    def place(self) -> Path | str:
        """What `places.open_store` opens this store by, in any process that may work for it."""
        return self.root

    def path(self, fingerprint: str) -> Path:
        """Where the stage's files are, or would be. Raises StoreError for no fingerprint."""
        if not FINGERPRINT.fullmatch(fingerprint):
            raise StoreError(
                f"{fingerprint!r} is no stage fingerprint; the rows were tampered with"
            )
        return self._stages / fingerprint

    def has(self, fingerprint: str) -> bool:
        """True when the stage is committed and all files that its mark lists are whole."""
        return self.outcome(fingerprint) is not None

    def expect(self, fingerprints: Iterable[str]) -> None:
        """Hear whose outcomes will be asked; a store that is far away asks for all at once."""

    def fetched(self, fingerprint: str) -> Path:
        """The folder of a committed stage, its files in it. Raises StoreError where the stage is
        not committed, or no longer whole."""
        if self._outcome_here(fingerprint) is None and not self._fetch(fingerprint):
            raise StoreError(
                f"stage {fingerprint}: is not whole in {self.place}; launch the study again"
            )
        return self.path(fingerprint)

    def _fetch(self, fingerprint: str) -> bool:
        """Bring a stage from wherever else it lies; False where it is whole nowhere."""
        return False

    def glimpse(self, fingerprints: Iterable[str], name: str) -> None:
        """Bring one file of each committed stage to hand, and none of the rest."""

    def shared(self, study: str) -> AbstractContextManager[None]:
        """The study's folder, kept the same here and wherever else it lies while the block lasts.

        Raises FolderError where another machine is at it.
        """
        return nullcontext()

    def push(self) -> None:
        """Bring what changed in the shared folder to where else it lies."""

    def pull(self, study: str) -> Path:
        """The study's folder, as it stands now wherever it lies."""
        return self.root / study

    def publish(self, files: Iterable[Path]) -> list[str]:
        """Bring those files that belong to a study's folder to where else it lies; gives where."""
        return []

    def begin(self, fingerprint: str) -> Path:
        """A new empty folder, private to the caller, to compute the stage in."""
        name = f"{fingerprint}@{ProcessName.own()}@{uuid.uuid4().hex[:8]}"
        folder = self._private / name
        folder.mkdir(parents=True)
        return folder

    def resume_folder(self, fingerprint: str) -> Path:
        """Where a stage under way may keep its state; outlives its process, but not a commit.

        The folder is not made here. Its files must be replaced in one step: several processes may
        compute one stage.
        """
        return self._resume / self.path(fingerprint).name

    def commit(
        self,
        fingerprint: str,
        folder: Path,
        stage: Stage,
        parent: str | None,
        outcome: StageOutcome,
    ) -> bool:
        """Publish the files in `folder`, which came from `begin`, and give the folder up.

        Returns False where another process was first; its files stay. Raises ValueError for an
        outcome that another attempt may change (out of memory, a crash): those are not results.
        """
        if outcome.status not in REPRODUCIBLE:
            raise ValueError(
                f"stage {fingerprint} ended as {outcome.status.value!r}, which is no result; "
                "discard its folder and run it again"
            )
        _seal(folder, _description(fingerprint, stage, parent, outcome))
        published = self._publish(folder, fingerprint)
        self.discard(folder)
        self.discard(self.resume_folder(fingerprint))
        return published

    def _publish(self, folder: Path, fingerprint: str) -> bool:
        """Give a sealed folder its name; False where a whole one has it."""
        final = self.path(fingerprint)
        while self._outcome_here(fingerprint) is None:
            try:
                folder.replace(final)
            except OSError:
                if not final.exists():
                    raise
                if self._outcome_here(fingerprint) is None:  # else another was first just now
                    self._set_aside(final)
            else:
                sync(self._stages)
                return True
        return False

    def discard(self, folder: Path) -> None:
        """Give up a folder that came from `begin` or `resume_folder`."""
        shutil.rmtree(folder, ignore_errors=True)

    def outcome(self, fingerprint: str) -> StageOutcome | None:
        """How a committed stage ended; null where it is not committed."""
        return self._outcome_here(fingerprint)

    def _outcome_here(self, fingerprint: str) -> StageOutcome | None:
        if not self._is_whole(self.path(fingerprint)):
            return None
        try:
            return told_outcome((self.path(fingerprint) / STAGE_FILE).read_bytes())
        except DAMAGED:  # the stage is made anew
            return None

    def read_items(self, fingerprint: str) -> pl.DataFrame:
        """Neutral item rows of a committed evaluation. Raises StoreError as `fetched` does, and
        FileNotFoundError for a stage that left no rows."""
        return pl.read_parquet(self.fetched(fingerprint) / ITEMS_FILE)

    def sweep(self) -> None:
        """Remove private folders whose processes are dead; those of living ones stay.

        With them goes what is kept for resuming a stage that is committed, or long forgotten.
        """
        for folder in _folders(self._private):
            _, owner, _ = [*folder.name.split("@"), "", "", ""][:3]
            process = ProcessName.parse(owner)
            if (process is not None and process.is_dead()) or _is_ancient(folder):
                self.discard(folder)
        for folder in _folders(self._resume):
            known = FINGERPRINT.fullmatch(folder.name) and self._outcome_here(folder.name)
            if known or _is_ancient(folder):
                self.discard(folder)

    def _set_aside(self, incomplete: Path) -> None:
        """Move away a folder that is not whole, such as one that a copy left unfinished."""
        aside = self.begin(incomplete.name)
        with contextlib.suppress(FileNotFoundError):
            incomplete.replace(aside / "incomplete")
        self.discard(aside)

    @staticmethod
    def _is_whole(folder: Path) -> bool:
        try:
            sizes = told_sizes((folder / DONE).read_bytes())
            return all((folder / name).stat().st_size == size for name, size in sizes.items())
        except DAMAGED:
            return False


def told_outcome(text: bytes) -> StageOutcome:
    """What `stage.json` says of the end. Raises one of DAMAGED."""
    return StageOutcome.model_validate(json.loads(text)["outcome"])


def told_sizes(text: bytes) -> dict[str, int]:
    """Every file of a stage and its size, from the mark. Raises one of DAMAGED."""
    sizes: dict[str, int] = json.loads(text)["bytes"]
    return sizes


def _description(
    fingerprint: str, stage: Stage, parent: str | None, outcome: StageOutcome
) -> dict[str, Any]:
    return {
        "fingerprint": fingerprint,
        "parent": parent,
        "outcome": json.loads(outcome.model_dump_json()),  # a NaN becomes null
        "stage": stage.model_dump(mode="json"),
    }


def _seal(folder: Path, description: Mapping[str, Any]) -> None:
    """Bring everything in `folder` to the disk, the mark `done` last."""
    write_json(folder / STAGE_FILE, description)
    files = sorted(path for path in folder.rglob("*") if path.is_file() and path.name != DONE)
    for path in files:
        sync(path)
    for path in sorted(path for path in folder.rglob("*") if path.is_dir()):
        sync(path)
    sizes = {path.relative_to(folder).as_posix(): path.stat().st_size for path in files}
    write_json(folder / DONE, {"bytes": sizes})


def _folders(parent: Path) -> list[Path]:
    return list(parent.iterdir()) if parent.is_dir() else []


def _is_ancient(folder: Path) -> bool:
    try:
        return time.time() - folder.stat().st_mtime > ABANDONED_AFTER_S
    except FileNotFoundError:
        return False

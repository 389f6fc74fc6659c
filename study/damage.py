"""What stands in a study folder in place of what a launch leaves there; told before any work."""

from __future__ import annotations

import json
import os
from typing import TYPE_CHECKING

from analysis.errors import BadInput, reading
from analysis.tokens import read_lengths

if TYPE_CHECKING:
    from study.folder import StudyFolder


def damage(folder: StudyFolder) -> str | None:
    """The first thing that is wrong, and the way out; null where nothing is.

    Item rows are looked at by those who read them: there may be millions.
    """
    return _other_kind(folder) or _torn(folder)


def _other_kind(folder: StudyFolder) -> str | None:
    """A folder in a file's place, or the reverse."""
    kept = (folder.study, folder.manifest, folder.trials, folder.documents, folder.tuned)
    for file in (*kept, folder.lock):
        if file.exists() and not file.is_file():
            return f"{file}: is not a file, as launches keep there; move it away and launch again"
    for path in (folder.items, folder.tuning):
        if path.exists() and not path.is_dir():
            return f"{path}: is not a folder, as launches keep there; move it away and launch again"
    return None


def read_only(folder: StudyFolder) -> str | None:
    """What a launch could not write, and the way out; null where it can."""
    for path in (folder.path, folder.items, folder.stages):
        if path.exists() and not os.access(path, os.W_OK | os.X_OK):
            return f"{path}: may not be written; allow it or choose another --root"
    return None


def _torn(folder: StudyFolder) -> str | None:
    """A report would refuse these, after all the work."""
    try:
        if folder.manifest.exists():
            with reading(folder.manifest):
                told = json.loads(folder.manifest.read_text("utf-8"), parse_constant=str)
                if not isinstance(told, dict):
                    raise ValueError(f"holds {type(told).__name__} instead of a mapping")
        read_lengths(folder.path)
    except BadInput as error:
        return f"{error}, and launch again: a new one is written"
    return None

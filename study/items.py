"""A study folder's item rows: one file a trial, and of thousands of trials few files.

Every reader opens every file, so thousands of small ones cost ten times what their rows do. A part
holds many trials and is on the disk before the files that it replaces go; a reader that meets both
counts the part (`analysis.item_files`).
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Collection, Iterable, Iterator, Mapping
from pathlib import Path
from typing import Final

import polars as pl

from analysis.damage import WAY_OUT
from analysis.errors import UNREADABLE, BadInput, first_line
from analysis.item_files import PART_NAME, Part, file_name, parts_of, read_part, replaced
from pbb.records import ITEM_SCHEMA, REPLACES_KEY, SCHEMA_KEY, SCHEMA_VERSION, TRIALS_KEY
from study.files import is_parquet, write_parquet
from study.store import FINGERPRINT

MANY_FILES: Final = 256
"""Up to so many trials have a file each."""
PART_BYTES: Final = 8 * 2**20
PART_TRIALS: Final = 4096
"""A part holds no more than this of compressed files, which are a hundred times that in memory."""


class ItemFiles:
    """Item rows in `folder`, by trial. One process at a time may write; see `held_folder`.

    A part that is damaged is set aside, and its trials are missing. Raises BadInput for a file that
    no launch has written, and later for a part whose rows are needed and cannot be read.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._parts: dict[str, Part] = {}
        self._part_of: dict[str, str] = {}
        _refuse_strays(folder)
        for file in parts_of(sorted(folder.glob("*.parquet"))):
            try:
                self._know(file.name, read_part(file))
            except BadInput:  # its trials are collected anew
                file.replace(file.with_name(f"{file.name}.damaged"))
        self._remove_replaced()

    def has(self, trial: str) -> bool:
        """True when the trial's rows are there and can be read."""
        return trial in self._part_of or is_parquet(self._file(trial))

    def write(self, trial: str, rows: pl.DataFrame) -> None:
        """Replace the trial's rows."""
        if trial in self._part_of:
            if self._read(trial).equals(rows):
                return
            self.remove([trial])
        write_parquet(self._file(trial), rows, {SCHEMA_KEY: str(SCHEMA_VERSION)})

    def remove(self, trials: Collection[str]) -> None:
        """Forget these trials' rows, where there are any."""
        for name in {self._part_of[trial] for trial in trials if trial in self._part_of}:
            kept = {t: self._read(t) for t in self._parts[name].trials if t not in trials}
            if kept:
                # And what that one replaced: a copy may yet hold it, and not the one between.
                self._write_part(kept, replaces=sorted({name, *self._parts[name].replaces}))
            self._forget(name)
        for trial in trials:
            self._file(trial).unlink(missing_ok=True)

    def compact(self, trials: Iterable[str]) -> None:
        """Put trials that have a file each into parts, where there are more than MANY_FILES.

        trials: those whose rows are all there. Files of an older schema stay as they are.
        """
        there = {file.name for file in self._folder.glob("*.parquet")}
        single = sorted(t for t in trials if file_name(t) in there and t not in self._part_of)
        if len(single) <= MANY_FILES:
            return
        for group in self._groups(single):
            self._write_part(group, replaces=[])
            self._remove_replaced()

    def _groups(self, trials: Iterable[str]) -> Iterator[dict[str, pl.DataFrame]]:
        group: dict[str, pl.DataFrame] = {}
        held = 0
        for trial in trials:
            file = self._file(trial)
            rows = _rows_of_this_schema(file)
            if rows is None:
                continue
            group[trial] = rows
            held += file.stat().st_size
            if held >= PART_BYTES or len(group) == PART_TRIALS:
                yield group
                group, held = {}, 0
        if group:
            yield group

    def _write_part(self, rows: Mapping[str, pl.DataFrame], replaces: list[str]) -> None:
        """The part's name follows from what it says, so no part replaces one of its own name."""
        part = Part({trial: frame.height for trial, frame in rows.items()}, frozenset(replaces))
        says = {TRIALS_KEY: json.dumps(part.trials), REPLACES_KEY: json.dumps(replaces)}
        digest = hashlib.sha256(json.dumps(says, sort_keys=True).encode()).hexdigest()
        name = f"part-{digest[:16]}.parquet"
        metadata = {SCHEMA_KEY: str(SCHEMA_VERSION), **says}
        write_parquet(self._folder / name, pl.concat(rows.values()), metadata)
        self._know(name, part)

    def _remove_replaced(self) -> None:
        """Names come from the folder itself: whatever a part says, nothing else is touched."""
        gone = replaced(self._parts)
        for file in list(self._folder.glob("*.parquet")):
            if file.name in gone:
                self._forget(file.name)

    def _know(self, name: str, part: Part) -> None:
        self._parts[name] = part
        self._part_of = _owners(self._parts)

    def _forget(self, name: str) -> None:
        (self._folder / name).unlink(missing_ok=True)
        if self._parts.pop(name, None):
            self._part_of = _owners(self._parts)

    def _read(self, trial: str) -> pl.DataFrame:
        """A trial's rows, out of its part."""
        name = self._part_of[trial]
        counts = self._parts[name].trials
        before = list(counts).index(trial)
        first = sum(list(counts.values())[:before])
        file = self._folder / name
        try:
            return pl.scan_parquet(file, glob=False).slice(first, counts[trial]).collect()
        except UNREADABLE as error:
            raise BadInput(
                f"{file}: cannot be read ({first_line(error)}); move it {WAY_OUT}"
            ) from error

    def _file(self, trial: str) -> Path:
        return self._folder / file_name(trial)


def _owners(parts: Mapping[str, Part]) -> dict[str, str]:
    """Trial -> the part that holds its rows."""
    former = replaced(parts)
    return {t: name for name, part in parts.items() if name not in former for t in part.trials}


def _refuse_strays(folder: Path) -> None:
    """A copy or a renamed file would be counted beside the rows that it doubles."""
    for file in sorted(folder.glob("*.parquet")):
        known = PART_NAME.fullmatch(file.name) or FINGERPRINT.fullmatch(file.stem)
        if not known and not file.name.startswith("."):
            raise BadInput(f"{file}: no launch writes a file of this name; move it {WAY_OUT}")


def _rows_of_this_schema(file: Path) -> pl.DataFrame | None:
    """Null for a file of another schema, and for one that cannot be read: both stay."""
    try:
        version = pl.read_parquet_metadata(file).get(SCHEMA_KEY)
        rows = pl.read_parquet(file, glob=False)
    except UNREADABLE:
        return None
    return rows if version == str(SCHEMA_VERSION) and rows.schema == ITEM_SCHEMA else None

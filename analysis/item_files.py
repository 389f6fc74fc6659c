"""Which files of a study folder's `items/` count: one a trial, or parts that hold many trials.

A part names what it took over. As long as both are there, the part counts and the others do not,
so no row is met twice however a compaction ended.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import polars as pl

from analysis.errors import BadInput, reading
from pbb.records import REPLACES_KEY, REQUIRED_COLUMNS, TRIALS_KEY

PART_NAME: Final = re.compile(r"part-[0-9a-f]{16}\.parquet")


@dataclass(frozen=True)
class Part:
    """trials: how many rows each has, in the order in which they stand in the part. replaces: names
    of parts whose rows it took over."""

    trials: Mapping[str, int]
    replaces: frozenset[str]


def read_part(file: Path) -> Part:
    """What a part says of itself; nothing where it says nothing. Raises BadInput."""
    with reading(file):
        metadata = pl.read_parquet_metadata(file)
        trials = _parsed(file, metadata.get(TRIALS_KEY, "{}"))
        replaces = _parsed(file, metadata.get(REPLACES_KEY, "[]"))
        counts = isinstance(trials, dict) and all(type(n) is int for n in trials.values())
        names = isinstance(replaces, list) and all(isinstance(name, str) for name in replaces)
        if not (counts and names):
            raise BadInput(f"{file}: {TRIALS_KEY} or {REPLACES_KEY} is not what a launch writes")
        missing = [name for name in REQUIRED_COLUMNS if name not in pl.read_parquet_schema(file)]
        if missing:
            raise BadInput(f"{file}: lacks the column(s) {', '.join(missing)}")
        rows = pl.scan_parquet(file, glob=False).select(pl.len()).collect().item()
        if trials and (min(trials.values()) <= 0 or sum(trials.values()) != rows):
            raise BadInput(f"{file}: holds {rows} rows, which is not what its {TRIALS_KEY} tells")
    return Part(trials, frozenset(replaces))


def _parsed(file: Path, text: str) -> Any:
    try:
        return json.loads(text)
    except (ValueError, RecursionError) as error:
        raise BadInput(f"{file}: {TRIALS_KEY} or {REPLACES_KEY} is no JSON") from error


def replaced(parts: Mapping[str, Part]) -> set[str]:
    """Names of files that do not count beside these parts. A replaced part speaks of parts only."""
    former = {name for part in parts.values() for name in part.replaces}
    current = (part for name, part in parts.items() if name not in former)
    return former | {file_name(trial) for part in current for trial in part.trials}


def file_name(trial: str) -> str:
    """Of the file that holds one trial's rows."""
    return f"{trial}.parquet"


def current_files(folder: Path) -> list[Path]:
    """The Parquet files of an `items/` folder that count, by name. Raises BadInput.

    A name that begins with a dot is that of a file under way.
    """
    if folder.exists() and not folder.is_dir():
        raise BadInput(f"{folder}: is a file, where item rows have a folder; move it away")
    files = sorted(file for file in folder.glob("*.parquet") if not file.name.startswith("."))
    parts = {file.name: read_part(file) for file in parts_of(files)}
    gone = replaced(parts)
    return [file for file in files if file.name not in gone]


def trials_in(folder: Path) -> set[str]:
    """Trials whose rows an `items/` folder has. Raises BadInput."""
    files = current_files(folder)
    parts = parts_of(files)
    within = {trial for file in parts for trial in read_part(file).trials}
    return within | {file.stem for file in files if file not in parts}


def parts_of(files: Iterable[Path]) -> list[Path]:
    """Those that have a part's name."""
    return [file for file in files if PART_NAME.fullmatch(file.name)]

"""Files that are whole or absent: temporary file, fsync, `os.replace`.

Polars, like most writers, leaves half a file behind when its process dies; these do not.
"""

from __future__ import annotations

import json
import uuid
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Final

import polars as pl

from pbb.durable import parquet_bytes, sync

TEMPORARY: Final = ".tmp-"
"""Prefix of files under way; a reader skips them and a launch removes them."""


def write_atomically(path: Path, write: Callable[[Path], object]) -> None:
    """Let `write` make a file beside `path`, then put it there in one step.

    The folder is made where it is missing. A reader sees the old file or the new one.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f"{TEMPORARY}{uuid.uuid4().hex}-{path.name}")
    try:
        write(temporary)
        sync(temporary)
        temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)
    sync(path.parent)


def write_text(path: Path, text: str) -> None:
    """Text as UTF-8, with line feeds as given."""
    write_atomically(path, lambda file: file.write_bytes(text.encode("utf-8")))


def write_json(path: Path, data: Mapping[str, Any]) -> None:
    """Indented JSON in the mapping's order. Raises ValueError for NaN, which is no JSON."""
    text = json.dumps(data, indent=2, allow_nan=False, ensure_ascii=False)
    write_text(path, text + "\n")


def write_parquet(
    path: Path, frame: pl.DataFrame, metadata: Mapping[str, str] | None = None
) -> None:
    """A frame as zstd Parquet; `metadata` goes into the file's own key-value pairs."""
    write_atomically(path, lambda file: file.write_bytes(parquet_bytes(frame, metadata)))


def remove_leftovers(folder: Path) -> None:
    """Remove files of `folder` whose writers died. Call it only while no one writes there."""
    for path in folder.glob(f"{TEMPORARY}*"):
        if path.is_file():
            path.unlink(missing_ok=True)


def read_rows(path: Path, schema: Mapping[str, pl.DataType]) -> list[dict[str, Any]]:
    """Rows of a table in these columns and types; none where it is absent or not such a table."""
    if not path.is_file():
        return []
    columns = [pl.col(name).cast(dtype) for name, dtype in schema.items()]
    try:
        return pl.read_parquet(path).select(columns).to_dicts()
    except (pl.exceptions.PolarsError, pl.exceptions.PanicException, OSError):
        return []


def is_parquet(path: Path) -> bool:
    """Whether a file is there and its Parquet footer can be read."""
    try:
        pl.read_parquet_schema(path)
    except (pl.exceptions.PolarsError, OSError):
        return False
    return True

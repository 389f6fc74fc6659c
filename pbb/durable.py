"""Bytes that outlive a loss of power."""

from __future__ import annotations

import io
import os
from collections.abc import Mapping
from pathlib import Path

import polars as pl


def sync(path: Path) -> None:
    """Flush a file, or a folder's list of names, to the disk."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def parquet_bytes(frame: pl.DataFrame, metadata: Mapping[str, str] | None = None) -> bytes:
    """A frame as zstd Parquet, with `metadata` in the file's own key-value pairs.

    For a writer of bytes, which says so where no space is left; Polars, writing the file itself,
    may say "transport error".
    """
    buffer = io.BytesIO()
    frame.write_parquet(buffer, metadata=dict(metadata or {}))
    return buffer.getvalue()

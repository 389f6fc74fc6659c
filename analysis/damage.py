"""Which files of a study folder are at fault, once reading all of its item rows has failed.

Looking at every file by itself is slow, and rows that can be read need none of it: so it is done
only when there is something to explain.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Final

import polars as pl

from analysis.counts import KEYS
from analysis.errors import UNREADABLE, BadInput, NewerSchema, first_line
from analysis.item_files import current_files
from analysis.sources import Rows, scan_file

WAY_OUT: Final = "out of items/ and launch again: rows that are then missing are collected anew"

Check = Callable[[Rows], pl.DataFrame]
"""Rows -> their counts, with the columns KEYS; raises BadInput."""


def blame(source: Path, error: BadInput, check: Check) -> BadInput:
    """The same error, or a better one: naming the first file that is refused by itself, else two
    that hold the same items."""
    if not (source / "items").is_dir() or isinstance(error, NewerSchema):
        return error
    try:
        files = current_files(source / "items")
        counts = [keys for file in files if (keys := _counted(file, check)) is not None]
        for file in files:
            _read_whole(scan_file(file))
    except NewerSchema as own:
        return own
    except BadInput as own:
        return BadInput(f"{own}; move it {WAY_OUT}")
    twice = _in_two_files(counts)
    if not twice:
        return error
    return BadInput(f"{error}. They stand in {' and '.join(twice)}: move both {WAY_OUT}")


def _counted(file: Path, check: Check) -> pl.DataFrame | None:
    """KEYS and file of its rows, null where there are none. Raises BadInput where it is refused."""
    rows = scan_file(file)
    if _is_empty(rows):
        return None
    return check(rows).select(KEYS).with_columns(file=pl.lit(file.name))


def _is_empty(rows: Rows) -> bool:
    return int(rows.frame.select(pl.len()).collect().item()) == 0


def _read_whole(rows: Rows) -> None:
    """A column at a time, as texts are large."""
    for name in rows.columns:
        try:
            rows.frame.select(name).collect()
        except UNREADABLE as error:
            raise BadInput(
                f"{rows.source}: column {name!r} cannot be read ({first_line(error)})"
            ) from error


def _in_two_files(counts: list[pl.DataFrame]) -> list[str]:
    """Two files that count the same, by name; none where no two do."""
    if not counts:
        return []
    holders = pl.concat(counts).group_by(KEYS).agg(pl.col("file").unique().sort())
    shared = holders.filter(pl.col("file").list.len() > 1)["file"].sort()
    return shared[0].to_list()[:2] if len(shared) else []

"""Figures and their data, packed: a page with thousands of figures unpacks those that are opened.

A pack is JSON of some figures, deflated, in base64; the browser inflates it by itself.
"""

from __future__ import annotations

import base64
import json
import zlib
from dataclasses import dataclass
from typing import Any, Final

import polars as pl
import polars.selectors as cs

from analysis.figures.drawing import Drawing

DIGITS: Final = 6
"""Decimals in the CSV behind a figure; the files beside the report have them all."""

PACK_SIZE: Final = 24
"""Entries a pack: few enough to unpack at once, enough to share what they have in common."""


@dataclass(frozen=True)
class Plot:
    """Where the page finds a figure, and what stands there in words."""

    key: str
    pack: int
    words: str
    height: int


class Packs:
    """Collects drawings and tables in the order of the page."""

    def __init__(self) -> None:
        self._entries: list[dict[str, Any]] = []

    def add(self, key: str, drawing: Drawing) -> Plot:
        """A figure with its data as CSV. key: unique; also the CSV's file name."""
        entry = {
            "data": drawing.traces,
            "layout": drawing.layout,
            "narrow": drawing.narrow,
            "table": _columns(drawing.table),
        }
        pack = self._append(key, entry)
        return Plot(key, pack, drawing.words, int(drawing.layout["height"]))

    def add_table(self, key: str, table: pl.DataFrame, words: str) -> Plot:
        """The data behind a figure that the page itself draws."""
        return Plot(key, self._append(key, {"table": _columns(table)}), words, 0)

    def add_html(self, key: str, html: str) -> int:
        """A part of the page that is folded away; it comes escaped. Gives its pack."""
        return self._append(key, {"html": html})

    def _append(self, key: str, entry: dict[str, Any]) -> int:
        self._entries.append({"key": key} | entry)
        return (len(self._entries) - 1) // PACK_SIZE

    def encoded(self) -> list[str]:
        """Every pack, in order."""
        return [
            _encoded(self._entries[start : start + PACK_SIZE])
            for start in range(0, len(self._entries), PACK_SIZE)
        ]


def _columns(table: pl.DataFrame) -> list[list[Any]]:
    """Every column as its name and its values: alike values side by side pack small."""
    floats = cs.float()
    finite = table.with_columns(pl.when(floats.is_finite()).then(floats.round(DIGITS)))
    return [[name, *finite[name].to_list()] for name in finite.columns]


def _encoded(entries: list[dict[str, Any]]) -> str:
    figures = {entry["key"]: entry for entry in entries}
    text = json.dumps(figures, allow_nan=False, sort_keys=True, separators=(",", ":"))
    return base64.b64encode(zlib.compress(text.encode(), 9)).decode()

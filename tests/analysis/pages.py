"""Reading a report's page: its elements and text, and what its packs hold."""

from __future__ import annotations

import base64
import json
import zlib
from collections import Counter
from html.parser import HTMLParser
from typing import Any

PAYLOAD = '</script><script>alert(1)</script><img src=x onerror="alert(2)">"\'&<b>{{ 7 * 7 }}'
"""Text that would do something wherever it were taken for markup."""


class Page(HTMLParser):
    """Elements, attributes and text of a page, and the packs in it."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.elements: Counter[str] = Counter()
        self.attributes: list[tuple[str, str | None]] = []
        self.text = ""
        self.packs: list[dict[str, Any]] = []
        self._pack = False
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements[tag] += 1
        self.attributes += attrs
        self._pack = tag == "script" and (dict(attrs).get("id") or "").startswith("pack-")

    def handle_endtag(self, tag: str) -> None:
        self._pack = False

    def handle_data(self, data: str) -> None:
        if self._pack:
            self.packs.append(json.loads(zlib.decompress(base64.b64decode(data))))
        else:
            self.text += data

    def values(self, name: str) -> list[str]:
        """Every value of an attribute."""
        return [value or "" for each, value in self.attributes if each == name]

    @property
    def packed(self) -> dict[str, dict[str, Any]]:
        """Everything in the packs, by key."""
        return {key: entry for pack in self.packs for key, entry in pack.items()}

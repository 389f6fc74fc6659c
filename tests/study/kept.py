"""Notes of a pool that are kept as long as this object."""

from __future__ import annotations


class Kept:
    """See `study.backends.ray_notes.Notes`."""

    def __init__(self) -> None:
        self._texts: dict[str, str] = {}

    def read(self, name: str) -> str | None:
        return self._texts.get(name)

    def write(self, name: str, text: str) -> None:
        self._texts[name] = text

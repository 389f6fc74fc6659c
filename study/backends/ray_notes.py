"""What a pool was told for good, where one that takes its place finds it: with Ray's head."""

from __future__ import annotations

from typing import Protocol, cast

from ray.experimental.internal_kv import _internal_kv_del, _internal_kv_get, _internal_kv_put


class Notes(Protocol):
    """Short texts by name, which outlive the process that wrote them."""

    def read(self, name: str) -> str | None:
        """The text; null where there is none."""

    def write(self, name: str, text: str) -> None:
        """Make or replace it. It is kept when this returns."""


class HeadNotes:
    """Those of one pool. Not on the disk: that it is full may be what is to be noted."""

    def __init__(self, pool: str) -> None:
        self._pool = pool

    def read(self, name: str) -> str | None:
        """See Notes."""
        # Ray's own type leaves out what it gives where there is no such key.
        text = cast("bytes | None", _internal_kv_get(name, namespace=self._pool))
        return None if text is None else text.decode()

    def write(self, name: str, text: str) -> None:
        """See Notes."""
        _internal_kv_put(name, text, namespace=self._pool)

    def clear(self) -> None:
        """Remove all."""
        _internal_kv_del("", del_by_prefix=True, namespace=self._pool)

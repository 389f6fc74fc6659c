"""What a pool was told for good, where one that takes its place finds it: with Ray's head."""

from __future__ import annotations

from typing import Protocol, cast

import ray
from ray._raylet import GcsClient  # type: ignore[attr-defined]
from ray.experimental.internal_kv import (
    _initialize_internal_kv,
    _internal_kv_del,
    _internal_kv_get,
    _internal_kv_initialized,
    _internal_kv_put,
)


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
        _connect()
        # Ray's own type leaves out what it gives where there is no such key.
        text = cast("bytes | None", _internal_kv_get(name, namespace=self._pool))
        return None if text is None else text.decode()

    def write(self, name: str, text: str) -> None:
        """See Notes."""
        _connect()
        _internal_kv_put(name, text, namespace=self._pool)

    def clear(self) -> None:
        """Remove all."""
        _connect()
        _internal_kv_del("", del_by_prefix=True, namespace=self._pool)


def _connect() -> None:
    """Anew, where a `ray.cluster_utils.Cluster` that was shut down in this process ended it."""
    if not _internal_kv_initialized():
        _initialize_internal_kv(GcsClient(address=ray.get_runtime_context().gcs_address))

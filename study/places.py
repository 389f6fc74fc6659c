"""Where results lie: a folder, or a place on an object store with a cache on this machine."""

from __future__ import annotations

import hashlib
import os
import re
from pathlib import Path
from typing import Final

from search_spaces.errors import StudyError
from search_spaces.names import is_study_name
from study.store import Store

Place = Path | str
"""A folder, or a URL such as s3://bucket/folder."""

ONE_SLASH: Final = re.compile(r"([a-z][a-z0-9]+):/+(.+)")
"""A URL that lost a slash would be a folder of this machine."""
ENDPOINTS: Final = ("AWS_ENDPOINT_URL_S3", "AWS_ENDPOINT_URL")


def is_remote(place: Place) -> bool:
    """Whether a place is on an object store. A Path never is: it would lose a slash of a URL."""
    return isinstance(place, str) and "://" in place


def open_store(root: Place) -> Store:
    """The store of a root. Raises RemoteError for one that cannot be used."""
    if not is_remote(root):
        if slip := ONE_SLASH.match(str(root)):
            raise StudyError(f"--root {root}: did you mean {slip[1]}://{slip[2]}?")
        return Store(Path(root))
    from study.mirrored import MirroredStore
    from study.remote import open_remote

    remote = open_remote(str(root))
    return MirroredStore(remote, cache_of(remote.url))


def cache_of(url: str) -> Path:
    """The folder of this machine that keeps what was seen of a remote root."""
    from pbb.models.registry import cache_root

    endpoint = next((os.environ[name] for name in ENDPOINTS if os.environ.get(name)), "")
    told = hashlib.sha256(f"{endpoint} {url}".encode()).hexdigest()
    return cache_root() / "roots" / told[:16]


def inside(root: Place, study: str) -> Place:
    """The study folder below a root."""
    return f"{str(root).rstrip('/')}/{study}" if is_remote(root) else Path(root) / study


def at_hand(folder: Place) -> tuple[Store, Path]:
    """The store that a study folder belongs to, and the folder on this machine, as it stands now.

    Raises StudyError for a URL that names no folder below a root.
    """
    if not is_remote(folder):
        path = Path(folder)
        return Store(path.absolute().parent), path
    root, _, name = str(folder).rstrip("/").rpartition("/")
    if not is_study_name(name):
        raise StudyError(f"{name!r} is no study's name; write s3://bucket/.../name of the study")
    store = open_store(root)
    return store, store.pull(name)

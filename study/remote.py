"""An object store as the few operations that results need, through fsspec.

fsspec and not pyarrow's own S3: the launch lock and "the first to finish wins" need to write an
object only where there is none, which pyarrow 26 cannot ask for. Credentials are the S3 library's
own business: it finds them in the environment, and nothing here reads, keeps or repeats them.
"""

from __future__ import annotations

import errno
import importlib
import re
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Final, Protocol

if TYPE_CHECKING:
    from fsspec import AbstractFileSystem

_PART: Final = r"[A-Za-z0-9_][A-Za-z0-9._+=-]{0,199}"
_NAME: Final = re.compile(rf"{_PART}(?:/{_PART})*")
_URL: Final = re.compile(rf"s3://(?P<base>[a-z0-9][a-z0-9.-]{{1,61}}[a-z0-9](?:/{_PART})*)/?")
_CREDENTIALS: Final = (
    "AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or AWS_PROFILE, or the role of this machine"
)
_LIBRARIES: Final = frozenset({"s3fs", "fsspec", "botocore", "aiobotocore", "aiohttp"})


class RemoteError(ValueError):
    """The store cannot be used as asked: what is wrong, and the way out."""


class RemoteDown(RemoteError):
    """The store cannot be reached just now; asking again may help."""


@dataclass(frozen=True)
class Stored:
    """An object. tag: changes with its content; empty where the store has none. modified_s: when
    it was written, in seconds since 1970 by the store's clock; null where it does not say."""

    size: int
    tag: str
    modified_s: float | None


class Remote(Protocol):
    """Objects by name below one place. A name is `a/b/c`; objects are replaced whole.

    Every operation may raise RemoteError.
    """

    @property
    def url(self) -> str:
        """The place, as a user would write it."""

    def put(self, name: str, file: Path) -> None:
        """Make or replace an object. Raises FileNotFoundError where there is no such file."""

    def write(self, name: str, data: bytes) -> None:
        """Make or replace a small object."""

    def put_new(self, name: str, data: bytes) -> bool:
        """Make a small object where there is none, in one step; False where there is one.

        data: unlike what anyone else would write there, so that an answer that got lost does not
        look like another's success.
        """

    def read(self, name: str) -> bytes | None:
        """A small object; null where there is none."""

    def fetch(self, name: str, file: Path) -> bool:
        """An object into a file; False where there is none."""

    def list(self, folder: str) -> Mapping[str, Stored]:
        """Objects below a folder by their names within it; names that lead elsewhere left out."""

    def delete(self, names: Iterable[str]) -> None:
        """Remove objects; those that are gone already are no mistake."""


def is_name(name: str) -> bool:
    """Whether this is a plain relative name: nothing hidden, nothing that leads out of a folder."""
    return _NAME.fullmatch(name) is not None


def open_remote(url: str) -> Remote:
    """The store that a URL names. Raises RemoteError for no such URL or a missing extra."""
    base = _URL.fullmatch(url)
    if base is None:  # not repeated in full: it may hold a password
        raise RemoteError(
            f"{url.partition('://')[0]}://...: is no place for results; write s3://bucket or "
            "s3://bucket/folder, of letters, digits and ._+=- alone"
        )
    try:
        s3fs = importlib.import_module("s3fs")
    except ImportError as error:
        raise RemoteError(
            f"{url}: results on S3 need the extra 's3' ({error}); "
            "pip install -c constraints.txt -e '.[s3]'"
        ) from error
    # What others have written since must be seen, so no listing is kept.
    files = s3fs.S3FileSystem(use_listings_cache=False, skip_instance_cache=True)
    return FsspecRemote(files, base["base"], url.rstrip("/"))


class FsspecRemote:
    """Objects of an fsspec file system below `base`, a bucket and perhaps folders in it."""

    def __init__(self, files: AbstractFileSystem, base: str, url: str) -> None:
        self._files = files
        self._base: str = files._strip_protocol(base)
        self.url = url

    def put(self, name: str, file: Path) -> None:
        """See Remote."""
        file.stat()  # so that what is missing is not mistaken for a missing bucket
        with self._explained():
            self._files.put_file(str(file), self._path(name))

    def write(self, name: str, data: bytes) -> None:
        """See Remote."""
        with self._explained():
            self._files.pipe_file(self._path(name), data)

    def put_new(self, name: str, data: bytes) -> bool:
        """See Remote."""
        try:
            with self._explained():
                self._create(self._path(name), data)
        except FileExistsError:
            return self.read(name) == data
        return True

    def read(self, name: str) -> bytes | None:
        """See Remote."""
        try:
            with self._explained():
                # In one request: side by side, s3fs would first ask how large the object is.
                data: bytes = self._files.cat_file(self._path(name), max_concurrency=1)
        except FileNotFoundError:
            return None
        return data

    def fetch(self, name: str, file: Path) -> bool:
        """See Remote."""
        try:
            with self._explained():
                self._files.get_file(self._path(name), str(file))
        except FileNotFoundError:
            return False
        return True

    def list(self, folder: str) -> Mapping[str, Stored]:
        """See Remote."""
        top = f"{self._base}/{folder}/"
        with self._explained():
            found = self._files.find(top.rstrip("/"), detail=True)
        names = {path.removeprefix(top): about for path, about in found.items()}
        return {name: _stored(about) for name, about in names.items() if is_name(name)}

    def delete(self, names: Iterable[str]) -> None:
        """See Remote."""
        for name in names:
            try:
                with self._explained():
                    self._files.rm_file(self._path(name))
            except FileNotFoundError:
                continue

    def _path(self, name: str) -> str:
        return f"{self._base}/{name}"

    def _create(self, path: str, data: bytes) -> None:
        try:
            self._files.pipe_file(path, data, mode="create")
        except OSError as error:
            if error.errno == errno.ENOSYS:  # a store without conditional writes: the last wins
                if self._files.exists(path):
                    raise FileExistsError(path) from error
                self._files.pipe_file(path, data)
                return
            raise

    @contextmanager
    def _explained(self) -> Iterator[None]:
        """Errors of the libraries become ours; FileNotFoundError and FileExistsError pass."""
        try:
            yield
        except FileExistsError:
            raise
        except FileNotFoundError as error:
            if _code(error) == "NoSuchBucket":
                raise RemoteError(
                    f"{self.url}: there is no such bucket; make it, or name another"
                ) from error
            raise
        except Exception as error:
            told = _explanation(error)
            if told is None:
                raise
            raise told[0](f"{self.url}: {told[1]}") from error


def _explanation(error: Exception) -> tuple[type[RemoteError], str] | None:
    """For errors of the S3 library, which may not be here to name them; null for all others."""
    kind = type(error).__name__
    if kind in ("NoCredentialsError", "PartialCredentialsError", "ProfileNotFound"):
        return RemoteError, f"there are no credentials for it; set {_CREDENTIALS}"
    if isinstance(error, PermissionError) and _code(error):
        return RemoteError, f"the store refuses: {error}; look at {_CREDENTIALS}"
    if isinstance(error, ValueError) and "endpoint" in str(error).lower():
        return RemoteError, f"{error}; write AWS_ENDPOINT_URL as http://... or https://..."
    of_library = type(error).__module__.partition(".")[0] in _LIBRARIES
    down = isinstance(error, ConnectionError | TimeoutError)
    if of_library or down or _code(error):
        return RemoteDown, (
            f"cannot be reached or used now ({kind}: {str(error)[:200]}); look at the network and "
            "at AWS_ENDPOINT_URL, then run the command again: nothing is lost"
        )
    return None  # of this machine: a full disk, say


def _code(error: BaseException) -> str | None:
    """S3's own name of an error, where it came from S3."""
    response = getattr(error.__cause__, "response", None) or {}
    code: str | None = response.get("Error", {}).get("Code")
    return code


def _stored(about: Mapping[str, object]) -> Stored:
    when = about.get("LastModified") or about.get("created")
    modified_s = when.timestamp() if isinstance(when, datetime) else when
    tag = str(about.get("ETag") or "")
    size = about["size"]
    assert isinstance(size, int)
    return Stored(size, tag, modified_s if isinstance(modified_s, float) else None)

"""Object stores for tests: one in memory, whose steps can be made to fail, and moto's S3."""

from __future__ import annotations

import logging
import os
import signal
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path
from typing import Any

from fsspec.implementations.memory import MemoryFileSystem

from study.remote import FsspecRemote, Remote, Stored

BUCKET = "bucket"
URL = f"s3://{BUCKET}/runs"


class Killed(BaseException):
    """Stands for SIGKILL: nothing that comes after it reaches the store."""


class InMemory(FsspecRemote):
    """Objects in this process, seen by all that share `objects`."""

    def __init__(self, objects: dict[str, Any] | None = None) -> None:
        files = MemoryFileSystem(skip_instance_cache=True)
        files.store = {} if objects is None else objects
        files.pseudo_dirs = [""]
        super().__init__(files, f"{BUCKET}/runs", URL)
        self.objects: dict[str, Any] = files.store

    def name(self, key: str) -> str:
        return key.removeprefix(f"/{BUCKET}/runs/")

    def names(self) -> list[str]:
        return sorted(map(self.name, self.objects))

    def content(self) -> dict[str, bytes]:
        return {self.name(key): file.getvalue() for key, file in self.objects.items()}

    def age(self, part: str, seconds: float) -> None:
        """Let objects whose names hold `part` have been written earlier."""
        for key, file in self.objects.items():
            if part in key:
                file.created -= timedelta(seconds=seconds)

    def truncate(self, name: str) -> None:
        path = f"/{BUCKET}/runs/{name}"
        self._files.pipe_file(path, self._files.cat_file(path)[:-1])


class Mortal:
    """A remote whose process dies before its n-th change of the store; n = 0 never dies.

    by_signal: by SIGKILL. Otherwise this process goes on, and whatever else it asks fails as well.
    """

    def __init__(self, remote: Remote, n: int, *, by_signal: bool = False) -> None:
        self._remote, self._n, self._by_signal = remote, n, by_signal
        self.url = remote.url
        self.steps = 0

    def _step(self) -> None:
        self.steps += 1
        if self._n and self.steps >= self._n:
            if self._by_signal:
                os.kill(os.getpid(), signal.SIGKILL)
            raise Killed

    def put(self, name: str, file: Path) -> None:
        self._step()
        self._remote.put(name, file)

    def write(self, name: str, data: bytes) -> None:
        self._step()
        self._remote.write(name, data)

    def put_new(self, name: str, data: bytes) -> bool:
        self._step()
        return self._remote.put_new(name, data)

    def delete(self, names: Iterable[str]) -> None:
        for name in names:
            self._step()
            self._remote.delete([name])

    def read(self, name: str) -> bytes | None:
        return self._remote.read(name)

    def fetch(self, name: str, file: Path) -> bool:
        return self._remote.fetch(name, file)

    def list(self, folder: str) -> Mapping[str, Stored]:
        return self._remote.list(folder)


def s3_settings(server: str) -> dict[str, str]:
    """Environment variables by which a process finds `s3_server`'s URL, and has credentials."""
    return {
        "AWS_ENDPOINT_URL": server,
        "AWS_ACCESS_KEY_ID": "someone",
        "AWS_SECRET_ACCESS_KEY": "something",
        "AWS_DEFAULT_REGION": "us-east-1",
        "AWS_EC2_METADATA_DISABLED": "true",
    }


@contextmanager
def s3_server() -> Iterator[str]:
    """moto's S3 on a free port of loopback; gives its URL."""
    from moto.server import ThreadedMotoServer

    logging.getLogger("werkzeug").setLevel(logging.ERROR)  # or a line for every request
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    try:
        host, port = server.get_host_and_port()
        yield f"http://{host}:{port}"
    finally:
        server.stop()

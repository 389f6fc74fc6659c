"""Is everything here that a study needs? Checks that a person can act on."""

from __future__ import annotations

import os
import shutil
import sys
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from importlib.util import find_spec
from pathlib import Path
from typing import Final

from pbb.models.registry import available
from study.places import Place, open_store

PACKAGES: Final = ("torch", "transformers", "peft", "ray", "optuna", "polars", "plotly")
LEAST_FREE_BYTES: Final = 1 << 30


@dataclass(frozen=True)
class Check:
    """One finding. needed: whether a study on the shipped bases fails without it."""

    name: str
    ok: bool
    found: str
    needed: bool


def checks(root: Place) -> list[Check]:
    """Environment, Ray, accelerator, disk and bases. Loads torch."""
    return [
        Check("python", sys.version_info >= (3, 11), sys.version.split()[0], needed=True),
        *(_package(name, needed=True) for name in PACKAGES),
        _package("gguf", needed=False),
        _ray_authentication(),
        *_devices(),
        *_results(root),
        *_bases(),
    ]


def _package(name: str, *, needed: bool) -> Check:
    try:
        return Check(name, find_spec(name) is not None, version(name), needed=needed)
    except PackageNotFoundError:
        way_out = "pip install pbb-study" if needed else f"pip install 'pbb-study[{name}]'"
        return Check(name, False, f"missing; {way_out}", needed=needed)


def _ray_authentication() -> Check:
    """Ray's ports run code for whoever reaches them, and take no password by default."""
    from study.backends.ray_environment import prepare  # what `launch` does before it starts Ray

    prepare()
    mode = os.environ.get("RAY_AUTH_MODE", "disabled")
    hint = "" if mode == "token" else "; on a shared network set RAY_AUTH_MODE=token"
    return Check("ray authentication", mode == "token", f"{mode}{hint}", needed=False)


def _devices() -> list[Check]:
    if find_spec("torch") is None:
        return []
    import torch  # seconds: only here, so that every other command stays quick

    gpus = [torch.cuda.get_device_name(i) for i in range(torch.cuda.device_count())]
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    return [
        Check("cpu cores", True, str(cores), needed=True),
        Check("gpu", bool(gpus), ", ".join(gpus) or "none; studies run on the CPU", needed=False),
    ]


def _results(root: Place) -> list[Check]:
    """Where results go: the disk, and the object store whose cache it holds."""
    try:
        store = open_store(root)
        store.expect(["0" * 16])  # any question is answered by a store that can be used
    except ValueError as error:
        return [Check("results", False, str(error), needed=True)]
    return [Check("results", True, str(root), needed=True), _disk(store.root)]


def _disk(root: Path) -> Check:
    place = next(
        folder for folder in (root.absolute(), *root.absolute().parents) if folder.exists()
    )
    free = shutil.disk_usage(place).free
    found = f"{free / 1e9:.1f} GB free under {place}"
    return Check("disk", free >= LEAST_FREE_BYTES, found, needed=True)


def _bases() -> list[Check]:
    return [
        Check(
            f"base {info.name}",
            info.at_hand,
            f"{info.n_params:,} parameters" if info.n_params else f"absent: {info.how_to_get}",
            needed=False,
        )
        for info in available()
    ]

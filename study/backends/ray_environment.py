"""Settings that Ray reads from the environment, some while it is imported. Imports no Ray."""

from __future__ import annotations

import os
import secrets
from collections.abc import Mapping
from pathlib import Path
from typing import Final

ADDRESS: Final = "RAY_ADDRESS"

_ALWAYS: Final[Mapping[str, str]] = {
    "RAY_AUTH_MODE": "token",
    "RAY_CHDIR_TO_TRIAL_DIR": "0",
    "RAY_ENABLE_AUTO_CONNECT": "0",  # a thread that outlives a shutdown must not start Ray anew
    "RAY_TRAIN_ENABLE_PRINT_PATCH": "0",
    "RAY_TRAIN_HEALTH_CHECK_INTERVAL_S": "0.1",  # seconds between a death and its discovery
    "RAY_TRAIN_METRICS_ENABLED": "0",
    "RAY_USAGE_STATS_ENABLED": "0",
    "TUNE_DISABLE_AUTO_CALLBACK_LOGGERS": "1",  # the study folder is the record
    "TUNE_DISABLE_SIGINT_HANDLER": "1",  # Ctrl-C is the launch's to handle
}
_OWN_CLUSTER: Final[Mapping[str, str]] = {
    # Despite its name it holds on Linux too: at 0 the cluster listens on loopback alone.
    "RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER": "0",
    "RAY_TRAIN_ENABLE_PREEMPTION_WATCHER": "0",  # nobody preempts the machine we sit at
}


def name_cluster(address: str) -> None:
    """Join the cluster at this address, whatever RAY_ADDRESS has said. Call it before `prepare`."""
    os.environ[ADDRESS] = address


def prepare() -> None:
    """Set what the user has not set. Call it before Ray is imported."""
    joins = joins_cluster()
    for name, value in (_ALWAYS if joins else {**_ALWAYS, **_OWN_CLUSTER}).items():
        os.environ.setdefault(name, value)
    if not joins and not os.environ.keys() & {"RAY_AUTH_TOKEN", "RAY_AUTH_TOKEN_PATH"}:
        _private_token(Path.home() / ".ray" / "auth_token")


def train_settings() -> dict[str, str]:
    """What Ray Train reads from the environment of the process that starts a trainer: this one's,
    for a process of a cluster that was started without them."""
    return {
        name: value
        for name, value in os.environ.items()
        if name.startswith("RAY_TRAIN_") or name == "RAY_CHDIR_TO_TRIAL_DIR"
    }


def joins_cluster() -> bool:
    """True when RAY_ADDRESS names a running cluster, so that none is started here.

    An empty one names none, as Ray has it.
    """
    return os.environ.get(ADDRESS, "") not in ("", "local")


def _private_token(path: Path) -> None:
    """A token that its owner alone can read; Ray itself would leave it readable to all."""
    path.parent.mkdir(parents=True, exist_ok=True)
    try:
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    except FileExistsError:
        path.chmod(0o600)
        return
    with os.fdopen(descriptor, "w") as file:
        file.write(secrets.token_hex(32))

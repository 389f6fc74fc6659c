"""Where a long stage stands, in one file, so that another process may go on with it.

The file is only a short cut. It is replaced in one step, so it is whole or absent, and several
processes that compute one stage overwrite each other's with one as good; one that cannot be read
is as good as none.
"""

from __future__ import annotations

import json
import uuid
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import torch
from safetensors import SafetensorError
from safetensors.torch import load, save_file
from torch import Tensor

from pbb.durable import sync

EVERY_STEPS: Final = 10
"""A stage keeps its state so often: a killed one loses a few steps, and writing costs little."""
STATE_FILE: Final = "state.safetensors"
STATE_VERSION: Final = 2
"""Raise it when what a state holds changes: older files then count as unreadable."""
_ABOUT: Final = "about"


@dataclass(frozen=True)
class State:
    """tensors: on the CPU when read; about: whatever JSON can hold (NaN included)."""

    tensors: Mapping[str, Tensor]
    about: Mapping[str, Any]


def keep(folder: Path, state: State) -> None:
    """Replace the state in `folder`, which is made where it is missing.

    Does nothing where another process, having finished the stage, takes the folder away meanwhile.
    """
    about = json.dumps({"version": STATE_VERSION, **state.about}).encode()
    tensors = {name: tensor.detach().cpu().contiguous() for name, tensor in state.tensors.items()}
    tensors[_ABOUT] = torch.frombuffer(bytearray(about), dtype=torch.uint8)
    temporary = folder / f".{uuid.uuid4().hex}"
    folder.mkdir(parents=True, exist_ok=True)
    try:
        save_file(tensors, temporary)
        sync(temporary)
        temporary.replace(folder / STATE_FILE)
    except (OSError, SafetensorError):
        if folder.exists():
            raise
    finally:
        temporary.unlink(missing_ok=True)


def kept(folder: Path) -> State | None:
    """The state in `folder`; null where there is none that can be read.

    Read in one piece: safetensors' own readers open a file twice, and would find the head of one
    state and the tensors of another where it is replaced in between.
    """
    try:
        tensors = load((folder / STATE_FILE).read_bytes())
        about = json.loads(tensors.pop(_ABOUT).numpy().tobytes())
        return State(tensors, about) if about["version"] == STATE_VERSION else None
    except (OSError, SafetensorError, ValueError, KeyError, TypeError):
        return None

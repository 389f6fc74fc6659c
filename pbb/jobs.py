"""What an engine is asked to do. Imports no torch."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from pbb.config import Stage


@dataclass(frozen=True)
class Job:
    """A stage to run into the existing empty folder `out`.

    parent: folder of the training stage it continues or evaluates; null = the bare base. scratch:
    folder, perhaps not there yet, for a state to resume from; null = it cannot be resumed.
    """

    stage: Stage
    parent: Path | None
    out: Path
    scratch: Path | None = None

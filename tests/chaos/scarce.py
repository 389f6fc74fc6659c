"""Runners that lack memory. Environment: SCARCE, the training role that there is none for."""

from __future__ import annotations

import os
from pathlib import Path

from pbb.config import EvaluateStage, Stage
from pbb.records import StageOutcome, Status
from tests.study.fake_engine import FakeEngine


def _is_scarce(stage: Stage) -> bool:
    return not isinstance(stage, EvaluateStage) and stage.role == os.environ.get("SCARCE")


class Device(FakeEngine):
    """As the engine tells it when the accelerator's memory is used up."""

    def run(self, stage: Stage, parent: Path | None, out: Path, scratch: Path) -> StageOutcome:
        if _is_scarce(stage):
            return StageOutcome(
                status=Status.OUT_OF_MEMORY, reason="80 GiB asked, 1 free", wall_s=0, load_s=0
            )
        return super().run(stage, parent, out, scratch)


class Host(FakeEngine):
    """As Python tells it when the machine's memory is used up and nothing was killed for it."""

    def run(self, stage: Stage, parent: Path | None, out: Path, scratch: Path) -> StageOutcome:
        if _is_scarce(stage):
            raise MemoryError("80 GiB asked")
        return super().run(stage, parent, out, scratch)

"""What a study leaves on a local root when nothing happens to it."""

from __future__ import annotations

from pathlib import Path

from study.launch import launch
from tests.study.studies import RUNNER, fake_base, small_study


def items_of_small(root: Path) -> dict[str, bytes]:
    """The item files of the small study, by name."""
    launch(small_study(), root, "local", quiet=True, runner=RUNNER, resolve=fake_base)
    files = sorted((root / "small" / "items").iterdir())
    return {path.name: path.read_bytes() for path in files}

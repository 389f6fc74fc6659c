"""What fuzzed commands may not start."""

from __future__ import annotations

from collections.abc import Iterator
from unittest import mock

import pytest


class Idle:
    """A backend that runs nothing: a study that could be launched is interrupted there."""

    def run(self, work: object, listener: object) -> None:
        raise KeyboardInterrupt


@pytest.fixture
def nothing_runs() -> Iterator[None]:
    """Neither stages nor the count of their tokens, which takes seconds."""
    with (
        mock.patch("study.launch._backend", return_value=Idle()),
        mock.patch("study.launch.write_lengths"),
    ):
        yield

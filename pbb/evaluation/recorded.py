"""A step that is run again and again in one shape: as it is, or as a recording of a GPU's work."""

from __future__ import annotations

from collections.abc import Callable, Hashable
from typing import Protocol

import torch
from torch import Tensor


class Steps(Protocol):
    """Runs a step. Steps of one key are the same work on the same memory, and may be repeated."""

    def __call__(self, key: Hashable, step: Callable[[], Tensor]) -> Tensor: ...

    def forget(self) -> None:
        """The memory that steps worked on is no longer theirs."""


class AsTheyAre:
    """Runs each step as it comes."""

    def __call__(self, key: Hashable, step: Callable[[], Tensor]) -> Tensor:
        return step()

    def forget(self) -> None:
        """There is nothing to forget."""


class Recorded:
    """Records each step once as a CUDA graph, and replays it: one launch instead of hundreds.

    What a step returns must lie in memory that it was given, for recordings share what they
    allocate.
    """

    def __init__(self) -> None:
        self.forget()

    def __call__(self, key: Hashable, step: Callable[[], Tensor]) -> Tensor:
        if key not in self._recordings:
            self._recordings[key] = self._record(step)
        recording, result = self._recordings[key]
        recording.replay()
        return result

    def forget(self) -> None:
        """Free all recordings."""
        self._recordings: dict[Hashable, tuple[torch.cuda.CUDAGraph, Tensor]] = {}
        self._pool = torch.cuda.graph_pool_handle()

    def _record(self, step: Callable[[], Tensor]) -> tuple[torch.cuda.CUDAGraph, Tensor]:
        """Once before for real, on a stream of its own: libraries set themselves up at first."""
        aside = torch.cuda.Stream()
        aside.wait_stream(torch.cuda.current_stream())
        with torch.cuda.stream(aside):
            step()
        torch.cuda.current_stream().wait_stream(aside)
        recording = torch.cuda.CUDAGraph()
        with torch.cuda.graph(recording, pool=self._pool):
            result = step()
        return recording, result


def steps_of(device: torch.device) -> Steps:
    """As suits the device."""
    return Recorded() if device.type == "cuda" else AsTheyAre()

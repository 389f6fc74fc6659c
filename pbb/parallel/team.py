"""The processes that share a stage, joined by torch.distributed, and what they tell each other.

Every method is called by all of them, in the same order.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Final, TypeVar

import torch
import torch.distributed as dist
from torch import Tensor

T = TypeVar("T")

BUCKET: Final = 1 << 25
"""Numbers that are added up in one message: few messages, and little memory beside the gradient."""


class PeerFailed(RuntimeError):
    """Another process failed, so that none goes on."""


class Team:
    """The default process group, on `device`. rank 0 leads: it alone writes files."""

    def __init__(self, device: torch.device) -> None:
        self.device = device
        self.rank, self.size = dist.get_rank(), dist.get_world_size()
        self._number = torch.zeros((), dtype=torch.float64, device=device)

    @property
    def leads(self) -> bool:
        """Whether this is the process that writes."""
        return self.rank == 0

    def total(self, value: float) -> float:
        """The sum of every process's value; the same bits in all."""
        dist.all_reduce(self._number.fill_(value))
        return float(self._number)

    @torch.no_grad()
    def add_up(self, tensors: Sequence[Tensor]) -> None:
        """Put the sum over all processes in place of each tensor; the same bits in all."""
        bucket: list[Tensor] = []
        for tensor in tensors:
            if bucket and sum(map(Tensor.numel, bucket)) + tensor.numel() > BUCKET:
                _add_up(bucket)
                bucket = []
            bucket.append(tensor)
        if bucket:
            _add_up(bucket)

    def gathered(self, value: T) -> list[T]:
        """Every process's value, by rank."""
        found: list[Any] = [None] * self.size
        dist.all_gather_object(found, value)
        return found

    def attempt(self, work: Callable[[], T]) -> T:
        """What `work` gives here, if it went well in all processes; else all of them raise.

        `work` is what each does by itself: where it sent messages, one that failed would leave the
        others waiting. Memory that any of them lacks is a torch.OutOfMemoryError in all.
        """
        done: list[T] = []
        failure: Exception | None = None
        lacked: str | None = None
        try:
            done.append(work())
        except torch.OutOfMemoryError as error:  # its traceback would hold on to the memory
            lacked = str(error).partition("\n")[0]
        except Exception as error:
            failure = error
        if not self.total(float(lacked is not None or failure is not None)):
            return done[0]
        told = self.gathered((lacked, None if failure is None else repr(failure)))
        for rank, (of_memory, _) in enumerate(told):
            if of_memory is not None:
                raise torch.OutOfMemoryError(f"process {rank} of {self.size}: {of_memory}")
        if failure is not None:
            raise failure
        rank = next(rank for rank, (_, other) in enumerate(told) if other is not None)
        raise PeerFailed(f"process {rank} of {self.size}: {told[rank][1]}")


def _add_up(bucket: Sequence[Tensor]) -> None:
    flat = torch.cat([tensor.flatten() for tensor in bucket])
    dist.all_reduce(flat)
    parts = flat.split([tensor.numel() for tensor in bucket])
    for tensor, part in zip(bucket, parts, strict=True):
        tensor.copy_(part.view_as(tensor))

"""How processes hold a model together: each a copy of it, or each a part of its weights."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Protocol, TypeVar

import torch
from torch import nn

from pbb.config import Base, Lora
from pbb.models.adapters import Attached, standing
from pbb.models.encoding import Encoded, Encoder
from pbb.models.loading import load_base
from pbb.parallel.sharding import lockstep, shard
from pbb.parallel.shares import rectangles
from pbb.parallel.team import Team
from pbb.training.batching import Microbatch, microbatches

T = TypeVar("T")


class Strategy(Protocol):
    """survives: whether the processes can go on together where one of them lacked memory."""

    survives: bool

    def load(self, base: Base, dtype: str, *, all_weights: bool) -> tuple[nn.Module, Encoder]:
        """The base that `attached` takes; all_weights: for what trains, or has trained, them."""

    def attached(
        self, base: nn.Module, name: str, lora: Lora, seed: int, folder: Path | None
    ) -> AbstractContextManager[Attached]:
        """The base with trainable weights on it: those of the folder, or new ones."""

    def cut(
        self, of_all: Sequence[Sequence[Encoded]], *, pad_id: int, max_tokens: int
    ) -> list[Microbatch]:
        """This process's microbatches of a step; of_all: the documents of every process."""

    def run(self, work: Callable[[], T]) -> T:
        """What `work` gives, which calls the model equally often in every process."""

    def run_apart(self, model: nn.Module, work: Callable[[], T]) -> T:
        """What `work` gives, which may call the model more often in one process than another."""


class Replicated:
    """Every process has the whole model, and they exchange gradients (DDP).

    One sum of the gradients after the backward pass, and not torch's DistributedDataParallel: its
    sum is the same, but it is sent from within the backward pass, where a process that runs out of
    memory would leave the others waiting; and it sees the calls of modules alone, which the lean
    forward does without. A step's gradients are an adapter's, so there is little to overlap.
    """

    survives = True

    def __init__(self, team: Team) -> None:
        self._team = team

    def load(self, base: Base, dtype: str, *, all_weights: bool) -> tuple[nn.Module, Encoder]:
        """See `Strategy`."""
        return self._team.attempt(lambda: load_base(base, dtype, self._team.device))

    def attached(
        self, base: nn.Module, name: str, lora: Lora, seed: int, folder: Path | None
    ) -> AbstractContextManager[Attached]:
        """See `Strategy`."""
        return standing(base, name, lora, seed, folder, self._team.device)

    def cut(
        self, of_all: Sequence[Sequence[Encoded]], *, pad_id: int, max_tokens: int
    ) -> list[Microbatch]:
        """See `Strategy`."""
        own = of_all[self._team.rank]
        return microbatches(own, pad_id=pad_id, max_tokens=max_tokens, device=self._team.device)

    def run(self, work: Callable[[], T]) -> T:
        """Nothing is sent while a copy is at work, so a failure of one ends all."""
        return self._team.attempt(work)

    def run_apart(self, model: nn.Module, work: Callable[[], T]) -> T:
        """See `Strategy`."""
        return self._team.attempt(work)


class Sharded:
    """Every process has its part of the model's weights (FSDP), for a model that fits in none.

    A frozen base stays sharded from stage to stage, and LoRA on it is whole in every process. Where
    all weights are trained, the base stays on the CPU, and each stage shards a copy in float32,
    with its gradients and the optimiser's state. A process that fails while the model is at work
    leaves the others waiting for its part: they cannot go on, and have to be replaced.
    """

    survives = False

    def __init__(self, team: Team) -> None:
        self._team = team

    def load(self, base: Base, dtype: str, *, all_weights: bool) -> tuple[nn.Module, Encoder]:
        """On the CPU first: each process reads the whole base, and keeps its part."""
        cpu = torch.device("cpu")
        model, encoder = self._team.attempt(lambda: load_base(base, dtype, cpu))
        if not all_weights:
            shard(model, self._team.device)
        return model, encoder

    @contextlib.contextmanager
    def attached(
        self, base: nn.Module, name: str, lora: Lora, seed: int, folder: Path | None
    ) -> Iterator[Attached]:
        """See `Strategy`."""
        device = torch.device("cpu") if lora.rank == 0 else self._team.device
        with standing(base, name, lora, seed, folder, device) as found:
            if lora.rank == 0:
                shard(found.model, self._team.device)
            yield found

    def cut(
        self, of_all: Sequence[Sequence[Encoded]], *, pad_id: int, max_tokens: int
    ) -> list[Microbatch]:
        """See `Strategy`."""
        team = self._team
        return rectangles(
            of_all, team.rank, pad_id=pad_id, max_tokens=max_tokens, device=team.device
        )

    def run(self, work: Callable[[], T]) -> T:
        """See `Strategy`."""
        return work()

    def run_apart(self, model: nn.Module, work: Callable[[], T]) -> T:
        """See `Strategy`."""
        with lockstep(model, self._team):
            return work()

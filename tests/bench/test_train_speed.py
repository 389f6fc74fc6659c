"""The benchmark measures what it says."""

from __future__ import annotations

import os
from collections.abc import Iterator
from typing import Any

import pytest
import torch
from torch import nn

from pbb.models.adapters import Attached
from tests.bench import training
from tests.bench.train_speed import Asked, Contender, contenders, measured, round_of, row, table
from tests.bench.training import SETTINGS, Bench


@pytest.fixture
def bench() -> Iterator[Bench]:
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield Bench(SETTINGS["cpu"], torch.device("cpu"), rank=4, steps=2, adapters=2)
    torch.set_num_threads(before)


@pytest.mark.parametrize("device", SETTINGS)
def test_operations_are_counted_by_the_stated_convention(device: str) -> None:
    """4 N + 6 N_adapter, of the layers as they are."""
    with torch.device("meta"):
        bench = Bench(SETTINGS[device], torch.device("meta"), rank=16, steps=0, adapters=1)
        with Attached(bench.base, "b", bench.lora, seed=0) as attached:
            named: Any = attached.model.named_modules()
            layers = [m for name, m in named if isinstance(m, nn.Linear) and "." in name]
    frozen = sum(m.weight.numel() for m in layers if not m.weight.requires_grad)
    trained = sum(m.weight.numel() for m in layers if m.weight.requires_grad)
    assert bench.flop_per_token() == 4 * frozen + 6 * trained


def test_the_trainer_trains_every_token(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    read = 0
    counted = training.padded

    def watched(rows: Any) -> Any:
        nonlocal read
        batch = counted(rows)
        read += int(batch["attention_mask"].sum())
        return batch

    monkeypatch.setattr(training, "padded", watched)
    training.by_trainer(bench)
    assert read == bench.tokens(1)


def test_a_row_tells_the_tokens_of_its_median_round() -> None:
    asked = Asked("cpu", rank=4, steps=2, adapters=2)
    by_us = contenders("cpu", [1, 2])[-1]
    taken = round_of(asked, by_us)
    bench = Bench(SETTINGS["cpu"], torch.device("cpu"), rank=4, steps=2, adapters=2)
    assert taken["tokens"] == bench.tokens(2)
    told = row(by_us, taken, [1.0, taken["seconds"], 1e-9])
    assert told["tokens_per_s"] == round(bench.tokens(2) / taken["seconds"])
    assert by_us.name in table([told])


@pytest.mark.slow
def test_contenders_take_turns_in_processes_of_their_own() -> None:
    """What ours sets in its process is not set in the others'."""
    asked = Asked("cpu", rank=4, steps=1, adapters=1)
    rows = measured(asked, rounds=2, who=[Contender(name, 1, _pid) for name in ("a", "b")])
    kept = {tuple(each["seconds"]) for each in rows}
    assert len(kept) == 2 and all(first == second for first, second in kept)


def _pid(_: Bench) -> float:
    return float(os.getpid())

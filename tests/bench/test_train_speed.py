"""The benchmark measures what it says."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
import torch
from torch import nn

from pbb.models.adapters import Attached
from tests.bench import train_speed
from tests.bench.train_speed import SETTINGS, Bench, measured, table


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


def test_every_contender_trains_every_token(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    read = 0
    counted = train_speed._padded

    def padded(rows: Any) -> Any:
        nonlocal read
        batch = counted(rows)
        read += int(batch["attention_mask"].sum())
        return batch

    monkeypatch.setattr(train_speed, "_padded", padded)
    monkeypatch.setattr(train_speed, "absent", lambda: ["trl"])
    rows = measured(bench, rounds=1, sizes=[1, 2])
    assert read == 2 * bench.tokens(1)  # the warm-up's, and the round's
    assert [row["adapters"] for row in rows] == [1, 1, 2]
    for row in rows:
        assert row["tokens_per_s"] == pytest.approx(
            bench.tokens(row["adapters"]) / row["seconds"][0], rel=0.01
        )
    assert all(row["contender"] in table(rows) for row in rows)

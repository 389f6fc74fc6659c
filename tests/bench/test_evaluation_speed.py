"""The benchmark measures what it says."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
import torch

from tests.bench import evaluation_speed
from tests.bench.evaluation_speed import asked, contenders, measured, table
from tests.bench.training import SETTINGS, Bench


@pytest.fixture
def bench() -> Iterator[Bench]:
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield Bench(SETTINGS["cpu"], torch.device("cpu"), rank=4, steps=0, adapters=1)
    torch.set_num_threads(before)


def test_every_contender_answers_everything(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    """That each answer has its length is asserted where it is measured."""
    monkeypatch.setitem(evaluation_speed.BATCHES, "cpu", (3, 8))
    given = asked(SETTINGS["cpu"], 8)
    found = contenders(bench, given, [2])
    assert [(each.adapters, each.batch) for each in found[:2]] == [(1, 3), (1, 8)]
    rows = measured(bench, given, found, rounds=1)
    assert [row["adapters"] for row in rows] == [1, 1, 2]
    for row in rows:
        answers = row["adapters"] * 8 / row["seconds"][0]
        assert row["answers_per_s"] == pytest.approx(answers, rel=0.05)
        assert row["tokens_per_s"] / answers == pytest.approx(sum(given.lengths) / 8, rel=0.05)
    assert all(row["contender"] in table(rows) for row in rows)

"""A trainer that holds a share of a GPU keeps to it, on each backend."""

from __future__ import annotations

from pathlib import Path

import pytest

from study.backends import ray_team
from study.backends.ray_train import _loaded
from study.launch import launch
from tests.study.studies import RUNNER, fake_base, small_study

pytestmark = pytest.mark.ray
SHARES = pytest.mark.parametrize(("gpus", "kept"), [(0.25, [0.25]), (1, [1.0]), (0, [])])


@pytest.fixture
def told(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    shares: list[float] = []
    monkeypatch.setattr("pbb.memory_share.keep_to", shares.append)
    return shares


@SHARES
def test_locally(gpus: float, kept: list[float], told: list[float], tmp_path: Path) -> None:
    study = small_study(resources={"gpus_per_worker": gpus})
    launch(study, tmp_path, "local", quiet=True, runner=RUNNER, resolve=fake_base)
    assert told == kept


@SHARES
def test_in_a_worker_of_ray(
    gpus: float, kept: list[float], told: list[float], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(ray_team, "several", lambda: False)
    _loaded(RUNNER, gpus)
    assert told == kept

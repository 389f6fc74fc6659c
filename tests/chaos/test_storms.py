"""Killed anywhere, at any time, a study ends with the rows of an undisturbed run."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.chaos import cluster, local


@pytest.mark.slow
@pytest.mark.timeout(3600)
@pytest.mark.parametrize("storm", local.STORMS)
def test_kills_on_the_local_backend(tmp_path: Path, storm: str) -> None:
    assert local.STORMS[storm](tmp_path).kills >= local.AT_LEAST


@pytest.mark.slow
@pytest.mark.ray
@pytest.mark.timeout(3600)
@pytest.mark.parametrize("storm", cluster.STORMS)
def test_kills_on_ray(tmp_path: Path, storm: str) -> None:
    assert cluster.STORMS[storm](tmp_path).kills >= cluster.AT_LEAST

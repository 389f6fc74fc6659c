"""Shared by all tests: Ray's environment, and one small cluster for the tests that need Ray."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from study.backends import ray_environment

ray_environment.prepare()  # before any test imports Ray


@pytest.fixture(scope="session")
def ray_cluster() -> Iterator[None]:
    """A local cluster of four logical CPUs, on loopback. Launches join it."""
    import ray  # noqa: TID251

    ray.init(address="local", num_cpus=4, include_dashboard=False, log_to_driver=True)
    yield
    ray.shutdown()

"""Shared by all tests: Ray's environment, and one small cluster for the tests that need Ray."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from hypothesis import settings

from study.backends import ray_environment

ray_environment.prepare()  # before any test imports Ray

# Machines are shared: how long an example takes says nothing about the code.
settings.register_profile("house", deadline=None)
settings.load_profile("house")


@pytest.fixture(scope="session")
def ray_cluster() -> Iterator[None]:
    """A local cluster of four logical CPUs, on loopback. Launches join it."""
    import ray  # noqa: TID251

    ray.init(address="local", num_cpus=4, include_dashboard=False, log_to_driver=True)
    yield
    ray.shutdown()

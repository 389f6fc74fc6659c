"""Ray for the length of a launch: joined or started, quiet on the terminal, gone afterwards."""

from __future__ import annotations

import logging
import math
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import ray

from search_spaces.errors import StudyError
from search_spaces.settings import Resources
from study.backends.ray_environment import ADDRESS, joins_cluster


@contextmanager
def session(resources: Resources, log: Path) -> Iterator[None]:
    """A connected Ray; everything that it and its workers print goes to `log`.

    Joins the cluster at RAY_ADDRESS, or one that this process is connected to already; starts one
    on this machine otherwise. Raises StudyError where no worker would fit on it.
    """
    connected = ray.is_initialized()
    with _turned_to(log):
        try:
            if not connected:
                _connect(resources)
            yield
        finally:
            if not connected:
                ray.shutdown()


def _connect(resources: Resources) -> None:
    if joins_cluster():
        ray.init(address=os.environ[ADDRESS], logging_level=logging.WARNING)
        return
    wanted = math.ceil(resources.workers * resources.cpus_per_worker)
    ray.init(
        address="local",
        num_cpus=max(os.cpu_count() or 1, wanted),
        include_dashboard=False,
        logging_level=logging.WARNING,
    )
    here = ray.cluster_resources().get("GPU", 0.0)
    if resources.gpus_per_worker > here:
        raise StudyError(
            f"resources.gpus_per_worker = {resources.gpus_per_worker}, but this machine shows Ray "
            f"{here:g} GPUs; lower it, or set RAY_ADDRESS to a cluster that has them"
        )


@contextmanager
def _turned_to(log: Path) -> Iterator[None]:
    """Send standard output and error, of libraries in C too, to the end of a file."""
    _flush()
    kept = [os.dup(number) for number in (1, 2)]
    sink = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o644)
    try:
        for number in (1, 2):
            os.dup2(sink, number)
        yield
    finally:
        _flush()
        for number, original in zip((1, 2), kept, strict=True):
            os.dup2(original, number)
            os.close(original)
        os.close(sink)


def _flush() -> None:
    for stream in (sys.stdout, sys.stderr):
        stream.flush()

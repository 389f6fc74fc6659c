"""Ray for the length of a launch: joined or started, quiet on the terminal, gone afterwards."""

from __future__ import annotations

import logging
import math
import os
import socket
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

import ray
from ray.exceptions import AuthenticationError

from search_spaces.errors import StudyError
from search_spaces.settings import Resources
from study.backends.ray_environment import ADDRESS, joins_cluster
from study.backends.ray_head import head_watch
from study.backends.ray_placement import check_placeable

ANSWERS_IN_S: Final = 10.0


@contextmanager
def session(resources: Resources, log: Path) -> Iterator[None]:
    """A connected Ray; everything that it and its workers print goes to `log`, but for word of the
    loss of its head.

    Joins the cluster at RAY_ADDRESS, or one that this process is connected to already; starts one
    on this machine otherwise. Raises StudyError where there is no such cluster, where it does not
    let us in, and where no worker would ever fit on it.
    """
    connected = ray.is_initialized()
    with _turned_to(log) as tell:
        try:
            if not connected:
                _connect(resources)
            check_placeable(resources, tell)
            with head_watch(ray.get_runtime_context().gcs_address, tell):
                yield
        finally:
            if not connected:
                ray.shutdown()


def _connect(resources: Resources) -> None:
    if joins_cluster():
        _join(os.environ[ADDRESS])
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
            f"{here:g} GPUs; lower it, or name a cluster that has them (--address)"
        )


def _join(address: str) -> None:
    try:
        host, _, port = address.rpartition(":")
        if port.isdecimal():  # Ray itself would try for minutes
            socket.create_connection((host.removeprefix("ray://"), int(port)), ANSWERS_IN_S).close()
        ray.init(address=address, logging_level=logging.WARNING)
    except AuthenticationError as error:
        raise StudyError(
            f"the Ray cluster at {address} refuses this token; ~/.ray/auth_token must hold the "
            "one that the cluster was started with"
        ) from error
    except (OSError, OverflowError, RuntimeError, ValueError) as error:
        raise StudyError(
            f"no Ray cluster answers at {address} ({str(error).strip().splitlines()[0]}); "
            "start one (`ray up`), or leave out --address and RAY_ADDRESS to use this machine"
        ) from error


@contextmanager
def _turned_to(log: Path) -> Iterator[Callable[[str], None]]:
    """Send standard output and error, of libraries in C too, to the end of a file.

    What is given still writes a line to the standard error of before.
    """
    _flush()
    kept = [os.dup(number) for number in (1, 2)]

    def tell(line: str) -> None:
        os.write(kept[1], f"{line}\n".encode())

    sink = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o644)
    try:
        for number in (1, 2):
            os.dup2(sink, number)
        yield tell
    finally:
        _flush()
        for number, original in zip((1, 2), kept, strict=True):
            os.dup2(original, number)
            os.close(original)
        os.close(sink)


def _flush() -> None:
    for stream in (sys.stdout, sys.stderr):
        stream.flush()

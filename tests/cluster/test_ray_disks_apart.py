"""Two nodes that share no disk, on one machine: what they share is a place on an object store."""

from __future__ import annotations

import shlex
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import boto3
import psutil
import pytest

from study.launch import launch
from study.remote import open_remote
from tests.cluster.test_ray_nodes import CPUS, launched, within
from tests.study.object_stores import s3_server, s3_settings
from tests.study.studies import fake_base, small_study
from tests.study.undisturbed import items_of_small

URL = "s3://results/runs"
PRIVATE_MOUNTS = subprocess.run(["unshare", "-m", "true"], capture_output=True, check=False)
pytestmark = [
    pytest.mark.ray,
    pytest.mark.slow,
    pytest.mark.timeout(600),
    pytest.mark.skipif(PRIVATE_MOUNTS.returncode != 0, reason="needs mount namespaces"),
]


@pytest.fixture
def begun(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A bucket, and a log that gets a line for every stage begun; the nodes inherit both."""
    log = tmp_path / "begun.txt"
    with s3_server() as server:
        for name, value in {
            **s3_settings(server),
            "PBB_CACHE": str(tmp_path / "disk" / "cache"),
            "FAKE_ENGINE_LOG": str(log),
            "FAKE_ENGINE_SLEEP_S": "1",
        }.items():
            monkeypatch.setenv(name, value)
        client = boto3.client("s3")
        client.create_bucket(Bucket="results")
        yield log
        client.close()


@pytest.fixture
def apart(begun: Path, tmp_path: Path) -> Iterator[Any]:
    """A head, and a node to which the folder `disk` is another disk; a trainer fits on each."""
    from ray.cluster_utils import Cluster

    disk = tmp_path / "disk"
    disk.mkdir()
    nodes = Cluster(initialize_head=True, head_node_args={"num_cpus": CPUS})
    start = [sys.executable, "-m", "tests.cluster.ray_node", nodes.address, str(CPUS)]
    script = f"mount -t tmpfs tmpfs {shlex.quote(str(disk))} && exec {shlex.join(start)}"
    other = subprocess.Popen(["unshare", "-m", "sh", "-c", script])
    try:
        within(60, lambda: len(nodes.global_state._live_node_ids()) == 2)
        yield nodes, other.pid
    finally:
        started = psutil.Process(other.pid).children(recursive=True)
        for process in [*started, other]:
            process.kill()
        other.wait()
        nodes.shutdown()


def test_workers_without_a_shared_disk_give_the_local_backends_rows(
    apart: Any, begun: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    nodes, other = apart
    run = launched(nodes, URL)

    def at_work() -> bool:
        lines = begun.read_text().splitlines() if begun.exists() else []
        pids = {int(line.split()[0]) for line in lines}
        elsewhere = {each.pid for each in psutil.Process(other).children(recursive=True)}
        return bool(pids & elsewhere) and bool(pids - elsewhere)

    within(200, at_work)
    out, err = run.communicate(timeout=400)
    assert (run.returncode, out.split()[:2]) == (0, ["7", "0"]), err
    monkeypatch.setenv("FAKE_ENGINE_SLEEP_S", "0")
    there = open_remote(URL)
    rows = {name: there.read(f"small/items/{name}") for name in there.list("small/items")}
    assert rows == items_of_small(tmp_path / "alone")
    monkeypatch.setenv("PBB_CACHE", str(tmp_path / "third"))
    again = launch(small_study(), URL, "local", quiet=True, resolve=fake_base)
    assert (again.ok, again.stages_run) == (7, 0)

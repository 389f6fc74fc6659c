"""Several nodes on one machine: rows as without Ray, also where a node is lost; closed doors."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import psutil
import pytest

from study.launch import launch
from tests.study.studies import RUNNER, fake_base, small_study

pytestmark = [pytest.mark.ray, pytest.mark.slow, pytest.mark.timeout(600)]
CPUS = 2


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


@pytest.fixture
def begun(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Gets a line for every stage begun. Set before the nodes start, whose workers inherit it."""
    log = tmp_path / "begun.txt"
    monkeypatch.setenv("FAKE_ENGINE_LOG", str(log))
    monkeypatch.setenv("FAKE_ENGINE_SLEEP_S", "1")
    return log


@pytest.fixture
def dashboard_port() -> int:
    return free_port()


@pytest.fixture
def cluster(begun: Path, dashboard_port: int) -> Iterator[Any]:
    """A head and two more nodes, of two CPUs each: one trainer fits on each."""
    from ray.cluster_utils import Cluster

    head = {
        "num_cpus": CPUS,
        "include_dashboard": True,
        "dashboard_host": "127.0.0.1",
        "dashboard_port": dashboard_port,
    }
    nodes = Cluster(initialize_head=True, head_node_args=head)
    try:
        for _ in range(2):
            nodes.add_node(num_cpus=CPUS)
        nodes.wait_for_nodes()
        yield nodes
    finally:
        nodes.shutdown()


def launched(cluster: Any, root: Path | str, cpus: int = CPUS) -> subprocess.Popen[str]:
    words = [sys.executable, "-m", "tests.cluster.launched", cluster.address, str(root), str(cpus)]
    return subprocess.Popen(
        words, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=os.environ.copy()
    )


def within(seconds: float, seen: Callable[[], bool]) -> None:
    deadline = time.monotonic() + seconds
    while not seen():
        assert time.monotonic() < deadline
        time.sleep(0.2)


def assert_rows_as_without_ray(root: Path, alone: Path) -> None:
    local = launch(small_study(), alone, "local", quiet=True, runner=RUNNER, resolve=fake_base)
    files = sorted((local.folder / "items").glob("*.parquet"))
    assert len(files) == 7
    for file in files:
        assert (root / "small" / "items" / file.name).read_bytes() == file.read_bytes()


def children(node: Any) -> list[psutil.Process]:
    raylet = node.all_processes["raylet"][0].process.pid
    found: list[psutil.Process] = psutil.Process(raylet).children(recursive=True)
    return found


def test_a_study_over_three_nodes_gives_the_local_backends_rows(
    cluster: Any, tmp_path: Path, begun: Path
) -> None:
    run = launched(cluster, tmp_path / "r")
    out, err = run.communicate(timeout=400)
    assert (run.returncode, out.split()) == (0, ["7", "0", "15"]), err
    assert len({line.split()[0] for line in begun.read_text().splitlines()}) >= 2
    assert_rows_as_without_ray(tmp_path / "r", tmp_path / "alone")


def test_a_study_outlives_a_node(cluster: Any, tmp_path: Path, begun: Path) -> None:
    """A node that is training is lost, and the two that stay have no place for its trainer."""
    run = launched(cluster, tmp_path / "r")
    workers = cluster.worker_nodes

    def training() -> Any:
        lines = begun.read_text().splitlines() if begun.exists() else []
        pids = {int(line.split()[0]) for line in lines}
        return next((n for n in workers if pids & {p.pid for p in children(n)}), None)

    within(200, lambda: training() is not None)
    cluster.remove_node(training(), allow_graceful=False)
    out, err = run.communicate(timeout=400)
    assert run.returncode == 0, err
    assert out.split()[:2] == ["7", "0"]
    assert_rows_as_without_ray(tmp_path / "r", tmp_path / "alone")


def test_a_worker_that_fits_on_no_node_is_told_at_once(cluster: Any, tmp_path: Path) -> None:
    """Six CPUs in all, and no node with three."""
    run = launched(cluster, tmp_path / "r", cpus=3)
    _, err = run.communicate(timeout=90)
    assert run.returncode != 0
    assert "StudyError" in err and "cpus_per_worker" in err


def test_a_job_without_the_token_is_refused(
    cluster: Any, tmp_path: Path, dashboard_port: int
) -> None:
    mark = tmp_path / "broken-in"
    job = json.dumps({"entrypoint": f"touch {mark}"}).encode()
    token = (Path.home() / ".ray" / "auth_token").read_text().strip()

    def asked(data: bytes | None, path: str, **headers: str) -> int:
        url = f"http://127.0.0.1:{dashboard_port}{path}"
        request = urllib.request.Request(url, data, {"Content-Type": "application/json", **headers})
        try:
            with urllib.request.urlopen(request, timeout=30) as answer:
                return int(answer.status)
        except urllib.error.HTTPError as refused:
            return refused.code

    assert asked(job, "/api/jobs/") == 401
    assert asked(job, "/api/jobs/", Authorization="Bearer wrong") in (401, 403)
    assert asked(None, "/nodes?view=summary") == 401
    assert asked(None, "/api/version", Authorization=f"Bearer {token}") == 200
    assert not mark.exists()
    pids = {p.pid for each in cluster.list_all_nodes() for p in children(each)}
    pids |= {p.process.pid for ps in cluster.head_node.all_processes.values() for p in ps}
    listening = [
        c.laddr
        for pid in pids
        if psutil.pid_exists(pid)
        for c in psutil.Process(pid).net_connections(kind="inet")
        if c.status == psutil.CONN_LISTEN
    ]
    assert dashboard_port in {address.port for address in listening}
    assert {a.ip for a in listening if a.port == dashboard_port} == {"127.0.0.1"}

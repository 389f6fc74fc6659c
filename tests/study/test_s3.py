"""Results on S3, against moto's server: the commands, the conditions, deaths and messages."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import boto3
import pytest
from typer.testing import CliRunner

from study import cli
from study.export import export
from study.folder import FolderError
from study.launch import LaunchResult, launch
from study.remote import Remote, RemoteDown, RemoteError, open_remote
from study.reporting import reported
from study.status import status
from tests.study.object_stores import s3_server, s3_settings
from tests.study.studies import RUNNER, fake_base, small_study
from tests.study.undisturbed import items_of_small

ROOT = Path(__file__).parents[2]
URL = "s3://results/runs"
pytestmark = [pytest.mark.slow, pytest.mark.timeout(600)]
FAILPOINT = Path(__file__).parent / "remote_failpoint.py"


@pytest.fixture(scope="module")
def server() -> Iterator[str]:
    with s3_server() as url:
        yield url


@pytest.fixture(autouse=True)
def machine(server: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """An empty bucket, credentials, and a cache of this machine's own."""
    for name, value in {
        **s3_settings(server),
        "AWS_CONFIG_FILE": str(tmp_path / "none"),
        "AWS_SHARED_CREDENTIALS_FILE": str(tmp_path / "none"),
        "PBB_CACHE": str(tmp_path / "one"),
    }.items():
        monkeypatch.setenv(name, value)
    client = boto3.client("s3")
    client.create_bucket(Bucket="results")
    yield
    found = client.get_paginator("list_objects_v2").paginate(Bucket="results")
    for page in found:
        for item in page.get("Contents", ()):
            client.delete_object(Bucket="results", Key=item["Key"])
    client.close()


@pytest.fixture
def there() -> Remote:
    return open_remote(URL)


def go_to(machine: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PBB_CACHE", str(machine))


def finish() -> LaunchResult:
    return launch(small_study(), URL, "local", quiet=True, runner=RUNNER, resolve=fake_base)


def items(there: Remote) -> dict[str, bytes | None]:
    names = [name for name in there.list("small") if name.startswith("items/")]
    return {name: there.read(f"small/{name}") for name in names}


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory: pytest.TempPathFactory) -> dict[str, bytes]:
    found = items_of_small(tmp_path_factory.mktemp("undisturbed"))
    return {f"items/{name}": rows for name, rows in found.items()}


def test_an_object_is_made_once(there: Remote, tmp_path: Path) -> None:
    assert there.read("a/b") is None and not there.fetch("a/b", tmp_path / "x")
    assert there.put_new("a/b", b"first")
    assert not there.put_new("a/b", b"second")
    assert there.put_new("a/b", b"first"), "an answer that got lost is asked for again"
    assert there.read("a/b") == b"first"
    (tmp_path / "big").write_bytes(bytes(range(256)) * 1000)
    there.put("a/c/d", tmp_path / "big")
    there.put("a/c/d", tmp_path / "big")
    assert there.fetch("a/c/d", tmp_path / "x")
    assert (tmp_path / "x").read_bytes() == (tmp_path / "big").read_bytes()
    found = there.list("a")
    assert {name: each.size for name, each in found.items()} == {"b": 5, "c/d": 256_000}
    assert all(each.tag and each.modified_s for each in found.values())
    there.delete(["a/b", "a/b"])
    assert there.read("a/b") is None and there.list("nothing") == {}
    with pytest.raises(FileNotFoundError):
        there.put("a/e", tmp_path / "absent")


def test_launched_on_one_machine_read_and_finished_on_another(
    there: Remote,
    undisturbed: dict[str, bytes],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    first = finish()
    assert (first.ok, items(there)) == (7, undisturbed)
    go_to(tmp_path / "two", monkeypatch)
    assert "7 ok" in status(f"{URL}/small", fake_base)
    told = CliRunner().invoke(cli.app, ["report", f"{URL}/small"], catch_exceptions=False)
    assert told.exit_code == 0
    assert (there.read("small/report.html") or b"").startswith(b"<!")
    again = finish()
    assert (again.ok, again.stages_run) == (7, 0)
    go_to(tmp_path / "three", monkeypatch)
    copied = export(f"{URL}/small", tmp_path / "out")
    assert (copied / "report.html").is_file()
    root = copied.parent
    local = launch(small_study(), root, "local", quiet=True, runner=RUNNER, resolve=fake_base)
    assert (local.ok, local.stages_run) == (7, 0)
    _, folder = reported(f"{URL}/small")
    assert (folder / "trials.parquet").is_file()


@pytest.mark.parametrize("n", [1, 2, 4, 6, 13, 20, 33, 40])
def test_killed_at_a_change_of_the_store(
    n: int,
    there: Remote,
    undisturbed: dict[str, bytes],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The next launch is on the same machine, which knows at once that the other is dead."""
    victim = launched(n, "local")
    assert victim.returncode == -signal.SIGKILL, victim.stderr
    result = finish()
    assert (result.ok, items(there)) == (7, undisturbed)
    go_to(tmp_path / "two", monkeypatch)
    assert finish().stages_run == 0


@pytest.mark.ray
def test_workers_of_ray_work_through_the_store(
    there: Remote, undisturbed: dict[str, bytes], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    done = launched(0, "ray")
    assert done.returncode == 0, done.stderr
    assert items(there) == undisturbed
    go_to(tmp_path / "two", monkeypatch)
    assert finish().stages_run == 0


def launched(n: int, backend: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, str(FAILPOINT), str(n), backend, URL],
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        timeout=250,
        check=False,
    )


# --- messages


def told(*words: str) -> str:
    """What a command says, which ends as the user's mistake."""
    with pytest.raises((RemoteError, ValueError)) as caught:
        CliRunner().invoke(cli.app, words, catch_exceptions=False)
    return str(caught.value)


def test_no_such_bucket() -> None:
    assert "no such bucket" in told("status", "s3://elsewhere/runs/small")
    assert "no such bucket" in told("launch", "quickstart", "--root", "s3://elsewhere/runs")


def test_no_credentials(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.delenv(name)
    assert "AWS_ACCESS_KEY_ID" in told("status", f"{URL}/small")


def test_no_network(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:9")
    with pytest.raises(RemoteDown, match="network"):
        status(f"{URL}/small")


def test_no_study(there: Remote) -> None:
    assert "study.yaml" in told("status", f"{URL}/small")
    assert f"{URL}/small: there is no study" in told("report", f"{URL}/small")
    assert "no study's name" in told("status", "s3://results/stages")
    assert "no study's name" in told("export", "s3://results/..", "--out", "x")
    assert there.list("") == {}


def test_doctor_says_whether_the_store_answers(monkeypatch: pytest.MonkeyPatch) -> None:
    runner = CliRunner()
    assert f"ok: {URL}" in runner.invoke(cli.app, ["doctor", "--root", URL]).output
    bad = runner.invoke(cli.app, ["doctor", "--root", "s3://elsewhere/runs"])
    assert bad.exit_code == 1 and "no such bucket" in bad.output


def test_a_launch_elsewhere_is_told(there: Remote) -> None:
    there.put_new("small/.lock/1", json.dumps({"holder": "other~1~1"}).encode())
    with pytest.raises(FolderError, match="another launch"):
        finish()

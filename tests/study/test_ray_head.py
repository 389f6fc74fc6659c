"""The loss of Ray's head is told, and its end at the end of a session is none."""

from __future__ import annotations

import socket
import time
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace

import pytest

from search_spaces.settings import Resources
from study.backends import ray_head, ray_session

pytestmark = pytest.mark.ray
EVERY_S = 0.01
LONG_S = 10 * ray_head.MISSED * EVERY_S


@pytest.fixture
def head(monkeypatch: pytest.MonkeyPatch) -> Iterator[socket.socket]:
    """Stands for Ray's head: `session` finds it connected, and stopping Ray closes it slowly."""
    listening = socket.create_server(("127.0.0.1", 0), backlog=1000)
    address = f"127.0.0.1:{listening.getsockname()[1]}"

    def stop() -> None:
        listening.close()
        time.sleep(LONG_S)

    monkeypatch.setattr(ray_head, "EVERY_S", EVERY_S)
    monkeypatch.setattr(ray_session, "_connect", lambda _: None)
    monkeypatch.setattr(ray_session, "check_placeable", lambda *_: None)
    context = SimpleNamespace(gcs_address=address)
    monkeypatch.setattr("ray.get_runtime_context", lambda: context)
    monkeypatch.setattr("ray.is_initialized", lambda: False)
    monkeypatch.setattr("ray.shutdown", stop)
    yield listening
    listening.close()


@pytest.mark.parametrize("lost", [False, True])
def test_a_head_that_is_lost_is_told_and_one_that_is_stopped_is_not(
    lost: bool, head: socket.socket, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    with ray_session.session(Resources(), tmp_path / "log"):
        if lost:
            head.close()
        time.sleep(LONG_S)
    assert ("127.0.0.1" in capfd.readouterr().err) is lost

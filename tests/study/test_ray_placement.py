"""A worker that can never be placed is told at once; one that has to wait for a machine waits."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from search_spaces.errors import StudyError
from search_spaces.settings import Resources
from study.backends.ray_environment import joins_cluster
from study.launch import launch
from tests.study.studies import RUNNER, fake_base, small_study

pytestmark = pytest.mark.ray
ONE_GPU = Resources(gpus_per_worker=1)


def judged(resources: Resources) -> list[str]:
    from study.backends.ray_placement import check_placeable

    told: list[str] = []
    check_placeable(resources, told.append)
    return told


@pytest.mark.usefixtures("ray_cluster")
@pytest.mark.parametrize("resources", [{"cpus_per_worker": 5}, {"gpus_per_worker": 0.5}], ids=str)
def test_a_study_that_fits_on_no_node_is_refused(resources: dict[str, Any], tmp_path: Path) -> None:
    study = small_study(resources=resources)
    with pytest.raises(StudyError, match=f"{next(iter(resources))}.*launch again"):
        launch(study, tmp_path, "ray", quiet=True, runner=RUNNER, resolve=fake_base)


def test_processes_of_a_worker_are_counted_over_nodes() -> None:
    from study.backends.ray_placement import _fits, share

    wanted = share(Resources(cpus_per_worker=4, gpus_per_worker=4, processes_per_worker=4))
    one, three = {"CPU": 8.0, "GPU": 1.0}, {"CPU": 8.0, "GPU": 3.0}
    assert _fits(wanted, 4, [one, three])
    assert not _fits(wanted, 4, [three])
    assert not _fits(wanted, 4, [one, {"CPU": 0.5, "GPU": 9.0}])


@pytest.mark.usefixtures("ray_cluster")
def test_what_fits_says_nothing() -> None:
    assert judged(Resources(workers=9, cpus_per_worker=4)) == []


@pytest.mark.usefixtures("ray_cluster")
@pytest.mark.parametrize("coming", ["pending_launches", "pending_nodes"])
def test_a_machine_that_is_coming_is_waited_for(
    coming: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As the autoscaler reports it, after it was asked."""
    from study.backends import ray_placement

    report = {"active_nodes": {"head": 1}, coming: {"gpu": 1}}
    monkeypatch.setattr(ray_placement, "_report", lambda: report)
    assert len(judged(ONE_GPU)) == 1


@pytest.mark.usefixtures("ray_cluster")
def test_an_autoscaler_that_starts_nothing_is_not_waited_for(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    from study.backends import ray_placement

    monkeypatch.setattr(ray_placement, "_report", lambda: {"active_nodes": {"head": 1}})
    monkeypatch.setattr(ray_placement, "ANSWER_WITHIN_S", 1.0)
    with pytest.raises(StudyError, match="gpus_per_worker"):
        judged(ONE_GPU)


def test_no_cluster_at_the_address_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from study.backends.ray_session import _join

    with pytest.raises(StudyError, match=r"127\.0\.0\.1:1 .*--address"):
        _join("127.0.0.1:1")


def test_an_address_is_for_ray(tmp_path: Path) -> None:
    with pytest.raises(StudyError, match="--address"):
        launch(small_study(), tmp_path, "local", address="auto", resolve=fake_base)
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("address", ["", " ", "local"])
def test_an_address_of_no_running_cluster_is_refused(address: str, tmp_path: Path) -> None:
    with pytest.raises(StudyError, match="--address"):
        launch(small_study(), tmp_path, "ray", address=address, resolve=fake_base)
    assert not list(tmp_path.iterdir())


def test_a_cluster_is_looked_for_where_something_is_missing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nobody listens there: the first launch fails, the last one tells that it did not look."""
    monkeypatch.setenv("RAY_ADDRESS", "the launch sets it")
    monkeypatch.setattr("ray.is_initialized", lambda: False)
    monkeypatch.setattr("ray.shutdown", lambda: None)  # other tests' cluster may run
    how = {"quiet": True, "runner": RUNNER, "resolve": fake_base}
    with pytest.raises(StudyError, match=r"127\.0\.0\.1:1 .*--address"):
        launch(small_study(), tmp_path, "ray", address="127.0.0.1:1", **how)
    assert launch(small_study(), tmp_path, "local", **how).used_backend
    assert not launch(small_study(), tmp_path, "ray", address="127.0.0.1:1", **how).used_backend


@pytest.mark.parametrize(("address", "joins"), [("", False), ("local", False), ("auto", True)])
def test_an_empty_variable_names_no_cluster(
    address: str, joins: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("RAY_ADDRESS", address)
    assert joins_cluster() is joins

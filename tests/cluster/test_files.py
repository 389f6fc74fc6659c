"""Cluster files: valid for Ray, closed to strangers, and nothing in them is lost to YAML."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.cluster.derive import INSTALLS, ON_PREMISE, derive
from tests.cluster.files import ROOT, cluster_files, faults

LAUNCHERS = [path for path in cluster_files() if path.stem != "kuberay"]


def loaded(path: Path) -> dict[str, Any]:
    cluster: dict[str, Any] = yaml.load(path.read_text(encoding="utf-8"), Loader=yaml.SafeLoader)
    return cluster


@pytest.mark.parametrize("path", cluster_files(), ids=lambda path: path.stem)
def test_a_cluster_that_ships_is_closed(path: Path) -> None:
    assert not faults(path.read_text(encoding="utf-8"))


@pytest.mark.parametrize("path", cluster_files(), ids=lambda path: path.stem)
@pytest.mark.parametrize(
    ("protection", "without"),
    [
        ("RAY_AUTH_MODE=token ", ""),
        ("RAY_AUTH_MODE=token", "RAY_AUTH_MODE=disabled"),
        (" --dashboard-host=127.0.0.1", ""),
        ("--dashboard-host=127.0.0.1", "--dashboard-host=0.0.0.0"),
        ("  ~/.ray/auth_token: ~/.ray/auth_token\n", ""),
        ("chmod 600 ~/.ray/auth_token\n", "echo\n"),
        ("      SecurityGroupIds: [sg-REPLACE]\n", ""),
        ("HttpTokens: required", "HttpTokens: optional"),
        ("  authOptions: {mode: token}\n", ""),
        (", dashboard-host: 127.0.0.1", ""),
        ("serviceType: ClusterIP", "serviceType: LoadBalancer"),
        ("policyTypes: [Ingress]", "policyTypes: [Egress]"),
    ],
)
def test_each_protection_is_missed(path: Path, protection: str, without: str) -> None:
    lines = path.read_text(encoding="utf-8").splitlines(keepends=True)
    text = "".join(line for line in lines if not line.lstrip().startswith("#"))
    if protection in text:
        assert faults(text.replace(protection, without, 1))


@pytest.mark.ray
@pytest.mark.parametrize("path", LAUNCHERS, ids=lambda path: path.stem)
def test_ray_accepts_the_file(path: Path) -> None:
    from ray.autoscaler._private.util import prepare_config, validate_config  # noqa: TID251

    validate_config(prepare_config(loaded(path)))


@pytest.mark.parametrize("path", LAUNCHERS, ids=lambda path: path.stem)
def test_every_command_is_a_whole_one(path: Path) -> None:
    """` #` ends a plain scalar of YAML in the middle of a quotation."""
    commands = [c for key, value in loaded(path).items() if key.endswith("commands") for c in value]
    for command in commands:
        done = subprocess.run(["bash", "-n", "-c", command], capture_output=True, text=True)
        assert done.returncode == 0 and not done.stderr, f"{command}: {done.stderr}"


@pytest.mark.parametrize("path", LAUNCHERS, ids=lambda path: path.stem)
def test_machines_install_the_pinned_project_that_is_here(path: Path) -> None:
    cluster = loaded(path)
    assert INSTALLS in cluster["setup_commands"]
    assert cluster["file_mounts"]["~/pbb-study"] == "."
    target = INSTALLS.split()[-1]
    assert re.search(rf"^{re.escape(target)}:", (ROOT / "Makefile").read_text(), re.MULTILINE)


def test_the_cloud_head_trains_nothing_on_a_gpu_and_the_rest_scales() -> None:
    cluster = loaded(ROOT / "cluster.yaml")
    kinds = dict(cluster["available_node_types"])
    head = kinds.pop(cluster["head_node_type"])
    assert head["node_config"]["InstanceType"].partition(".")[0][0] not in "gp"
    assert all(kind["min_workers"] == 0 < kind["max_workers"] for kind in kinds.values())


def test_what_is_rehearsed_is_the_file_that_ships() -> None:
    """But for addresses, login and installation."""
    written = loaded(ON_PREMISE)
    derived = derive(written, "10.0.0.1", ["10.0.0.2"], Path("/venv"))
    same = written.keys() - {"provider", "auth", "max_workers", "setup_commands"}
    assert {key: derived[key] for key in same} == {key: written[key] for key in same}
    kept = [command for command in written["setup_commands"] if command != INSTALLS]
    assert [command for command in derived["setup_commands"] if command in kept] == kept
    assert not faults(yaml.safe_dump(derived))

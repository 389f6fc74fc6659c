"""What a cluster file must say before anybody starts a cluster with it."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

import yaml

ROOT: Final = Path(__file__).parents[2]
OPEN: Final = ("0.0.0.0", "::/0", "[::]")
TOKEN: Final = "~/.ray/auth_token"


def cluster_files() -> list[Path]:
    """Every cluster file that ships."""
    return [ROOT / "cluster.yaml", *sorted((ROOT / "docs" / "clusters").glob("*.yaml"))]


def faults(text: str) -> list[str]:
    """What in a cluster file leaves a door open; empty where nothing does.

    A file of the launcher (`ray up`), or of KubeRay.
    """
    documents = list(yaml.load_all(text, Loader=yaml.SafeLoader))
    found = [f"opens {address}" for address in OPEN if any(map(_says(address), documents))]
    for document in documents:
        if "provider" in document:
            found += _launchers(document)
        elif document.get("kind") == "RayCluster":
            found += _kuberays(document["spec"], documents)
    return found


def _launchers(cluster: dict[str, Any]) -> Iterator[str]:
    commands = [*_commands(cluster)]
    starts = [command for command in commands if re.search(r"\bray start\b", command)]
    if not any("--head" in start for start in starts):
        yield "no command starts the head"
    for start in starts:
        if not re.search(r"RAY_AUTH_MODE=token \S*ray start\b", start):
            yield f"starts Ray without the token: {start}"
        if "--head" in start and "--dashboard-host=127.0.0.1" not in start:
            yield f"the dashboard is not told to stay on loopback: {start}"
    if TOKEN not in cluster.get("file_mounts", {}):
        yield "the token is not brought to the machines"
    if f"chmod 600 {TOKEN}" not in commands:
        yield "others on the machine may read the token"
    if cluster["provider"]["type"] == "aws":
        for name, kind in cluster["available_node_types"].items():
            if not kind["node_config"].get("SecurityGroupIds"):  # Ray's own opens ssh to all
                yield f"{name} has no security group of its own"
            if kind["node_config"].get("MetadataOptions", {}).get("HttpTokens") != "required":
                yield f"{name} gives its credentials to any request"


def _commands(cluster: dict[str, Any]) -> Iterator[str]:
    for key, value in cluster.items():
        if key.endswith("commands"):
            yield from value


def _kuberays(spec: dict[str, Any], documents: list[dict[str, Any]]) -> Iterator[str]:
    if spec.get("authOptions", {}).get("mode") != "token":
        yield "authOptions.mode is not token"
    head = spec["headGroupSpec"]
    if head["rayStartParams"].get("dashboard-host") != "127.0.0.1":
        yield "the dashboard is not told to stay on loopback"
    if head.get("serviceType") != "ClusterIP":
        yield "the head's service may be reached from outside"
    policies = [each["spec"] for each in documents if each.get("kind") == "NetworkPolicy"]
    if not any("Ingress" in policy["policyTypes"] for policy in policies):
        yield "no network policy closes Ray's ports"


def _says(address: str) -> Any:
    return lambda document: address in yaml.safe_dump(document, width=10_000)

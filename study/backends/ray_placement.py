"""Can a worker ever be placed? Asked of the cluster before any is started.

A node of the cluster that holds a worker's share settles it. Otherwise the autoscaler is asked for
such a node, and what it then says or does decides: one that starts machines is waited for, one
that knows no fitting kind of machine means that waiting would never end.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from enum import Enum, auto
from typing import Any, Final

import ray
from ray._private.ray_constants import DEBUG_AUTOSCALING_STATUS
from ray._raylet import GcsClient  # type: ignore[attr-defined]  # compiled
from ray.autoscaler.v2.utils import is_autoscaler_v2
from ray.core.generated.autoscaler_pb2 import (  # type: ignore[attr-defined]  # generated
    GetClusterStatusReply,
)
from ray.experimental.internal_kv import _internal_kv_get
from ray.util.placement_group import placement_group, remove_placement_group

from search_spaces.errors import StudyError
from search_spaces.settings import Resources

DRIVERS_SHARE: Final = 0.1
"""CPUs that each trainer leaves to trial drivers, or those would wait for trainers to end."""
ANSWER_WITHIN_S: Final = 20.0
"""The autoscaler looks every 5 seconds; asked so long, one that could help has begun to."""
LOOK_EVERY_S: Final = 0.5

Share = Mapping[str, float]


class Answer(Enum):
    """When there will be a node that holds a share."""

    NOW = auto()
    LATER = auto()
    NEVER = auto()


def share(resources: Resources) -> dict[str, float]:
    """What one process of a worker takes of one node, in Ray's words."""
    processes = resources.processes_per_worker
    held = {"CPU": (resources.cpus_per_worker - DRIVERS_SHARE) / processes}
    if resources.gpus_per_worker:
        held["GPU"] = resources.gpus_per_worker / processes
    return held


def check_placeable(resources: Resources, tell: Callable[[str], None]) -> None:
    """Return where a worker fits, or may once machines that are on their way have come.

    tell: gets a sentence in the second case. Raises StudyError where no node of the cluster can
    hold a worker and none that could is to come. Needs a connected Ray.
    """
    wanted, processes = share(resources), resources.processes_per_worker
    nodes = _alive()
    if _fits(wanted, processes, nodes):
        return
    answer = _asked(wanted, processes)
    if answer is Answer.NEVER:
        raise StudyError(_unplaceable(resources, nodes))
    if answer is Answer.LATER:
        tell(
            f"no node holds a worker yet ({_words(resources)}); the autoscaler is starting one, "
            "and the study goes on when it has come"
        )


def _fits(wanted: Share, processes: int, nodes: Iterable[Share]) -> bool:
    """Whether nodes together hold so many shares, each on one of them."""
    held = (min(node.get(name, 0) // n for name, n in wanted.items()) for node in nodes)
    return sum(held) >= processes


def _asked(wanted: Share, processes: int) -> Answer:
    """Ask the autoscaler for nodes that hold the shares. Silence is NEVER: it starts nothing."""
    deadline_s = time.monotonic() + ANSWER_WITHIN_S
    with _wanted(wanted, processes) as group:
        while time.monotonic() < deadline_s:
            if _fits(wanted, processes, _alive()):
                return Answer.NOW
            v2 = is_autoscaler_v2(fetch_from_server=True)
            answer = _v2_says(group) if v2 else _v1_says()
            if answer is not None:
                return answer
            time.sleep(LOOK_EVERY_S)
    return Answer.NEVER


@contextmanager
def _wanted(wanted: Share, processes: int) -> Iterator[str]:
    """A demand that the autoscaler sees; gives its id."""
    group = placement_group([dict(wanted) for _ in range(processes)])
    try:
        yield group.id.hex()
    finally:
        remove_placement_group(group)


def _v2_says(group: str) -> Answer | None:
    reply = GetClusterStatusReply()
    client = GcsClient(ray.get_runtime_context().gcs_address)
    reply.ParseFromString(client.get_cluster_status())
    state = reply.autoscaling_state
    if any(each.details.startswith(group) for each in state.infeasible_gang_resource_requests):
        return Answer.NEVER
    coming = state.pending_instance_requests or state.pending_instances
    return Answer.LATER if coming else None


def _v1_says() -> Answer | None:
    report = _report()
    if report.get("pending_launches") or report.get("pending_nodes"):
        return Answer.LATER
    return Answer.NEVER if report and _nobody_adds_nodes(report) else None


def _nobody_adds_nodes(report: Mapping[str, Any]) -> bool:
    """True where nodes were started by hand: Ray then names a kind of node after each node."""
    own = {f"node_{node['NodeID']}" for node in ray.nodes()}
    return set(report.get("active_nodes") or ()) <= own


def _report() -> Mapping[str, Any]:
    """The older autoscaler's latest report; empty before its first."""
    told = _internal_kv_get(DEBUG_AUTOSCALING_STATUS)
    report: Mapping[str, Any] = (json.loads(told) if told else {}).get("autoscaler_report") or {}
    return report


def _alive() -> list[Share]:
    return [node["Resources"] for node in ray.nodes() if node["Alive"]]


def _words(resources: Resources) -> str:
    gpus = f" and {resources.gpus_per_worker:g} GPUs" if resources.gpus_per_worker else ""
    several = resources.processes_per_worker
    parts = f" in {several} equal processes" if several > 1 else ""
    return f"{resources.cpus_per_worker} CPUs{gpus}{parts}"


def _unplaceable(resources: Resources, nodes: Iterable[Share]) -> str:
    kinds = {(node.get("CPU", 0.0), node.get("GPU", 0.0)) for node in nodes}
    there = "; ".join(f"{cpus:g} CPUs, {gpus:g} GPUs" for cpus, gpus in sorted(kinds))
    return (
        f"resources ask for {_words(resources)} a worker, and no machine of the cluster has that "
        f"or is to come (its nodes: {there}); lower resources.cpus_per_worker or gpus_per_worker, "
        "or add such machines (`ray status` shows whether all have joined) and launch again"
    )

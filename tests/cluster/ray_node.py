"""A further node of a cluster on loopback, until it is killed: `ray_node.py GCS_ADDRESS CPUS`.

`ray start` would join no cluster that listens on loopback alone.
"""

from __future__ import annotations

import signal
import sys

from study.backends.ray_environment import prepare


def main(address: str, cpus: str) -> None:
    """Start it, and wait."""
    prepare()  # before Ray is imported
    from ray._private.node import Node
    from ray._private.parameter import RayParams

    about = RayParams(
        gcs_address=address,
        redis_address=address,
        node_ip_address="127.0.0.1",
        num_cpus=int(cpus),
        num_gpus=0,
        object_store_memory=150 * 1024 * 1024,
        min_worker_port=0,
        max_worker_port=0,
        node_manager_port=0,
        include_log_monitor=False,
    )
    about.dashboard_agent_listen_port = None  # another one than the head's
    Node(about, head=False, shutdown_at_exit=True, spawn_reaper=True)
    signal.pause()


if __name__ == "__main__":
    main(*sys.argv[1:])

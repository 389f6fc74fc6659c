"""Print how many nodes of the running cluster are alive: `python -m tests.cluster.nodes`."""

import ray  # noqa: TID251

from study.backends.ray_environment import prepare

if __name__ == "__main__":
    prepare()
    ray.init(address="auto", logging_level="ERROR", log_to_driver=False)
    print(sum(node["Alive"] for node in ray.nodes()))

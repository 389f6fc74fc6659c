"""A launch in a process of its own, as on a cluster's head: `launched.py ADDRESS ROOT CPUS`."""

from __future__ import annotations

import sys

from study.launch import launch
from tests.study.studies import RUNNER, fake_base, small_study


def main(address: str, root: str, cpus_per_worker: str) -> None:
    """Three workers of so many CPUs; prints trials that ended well, and stages run."""
    resources = {"workers": 3, "cpus_per_worker": int(cpus_per_worker)}
    study = small_study(resources=resources)
    how = {"quiet": True, "address": address, "runner": RUNNER, "resolve": fake_base}
    result = launch(study, root, "ray", **how)
    print(result.ok, result.failed, result.stages_run)


if __name__ == "__main__":
    main(*sys.argv[1:])

"""The on-premise cluster file with the addresses of a rehearsal: `python -m tests.cluster.derive`.

Everything that is not an address, a login or the installation stays as it is written, so that what
is rehearsed is the file that ships.
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any, Final

import yaml

ON_PREMISE: Final = Path(__file__).parents[2] / "docs" / "clusters" / "onpremise.yaml"
INSTALLS: Final = "make -C ~/pbb-study .venv/runtime.stamp"


def derive(written: dict[str, Any], head: str, workers: list[str], venv: Path) -> dict[str, Any]:
    """The cluster of these addresses, on which the environment `venv` stands in for installing.

    Raises ValueError where the file has no command that installs the project.
    """
    setup = list(written["setup_commands"])
    if INSTALLS not in setup:
        raise ValueError(f"no setup command is {INSTALLS!r}: nothing to replace")
    at = setup.index(INSTALLS)
    setup[at : at + 1] = [
        f"ln -sfn {venv} ~/pbb-study/.venv",
        # The environment may hold another copy of the project: what was copied here is what runs.
        "grep -qs PYTHONPATH ~/.bashrc || echo 'export PYTHONPATH=$HOME/pbb-study' >> ~/.bashrc",
    ]
    return {
        **written,
        "provider": {**written["provider"], "head_ip": head, "worker_ips": workers},
        "auth": {**written["auth"], "ssh_user": "root"},
        "max_workers": len(workers),
        "setup_commands": setup,
    }


def main(head: str, workers: str, venv: str) -> None:
    """Print it. workers: addresses with commas between."""
    written = yaml.load(ON_PREMISE.read_text(encoding="utf-8"), Loader=yaml.SafeLoader)
    derived = derive(written, head, workers.split(","), Path(venv))
    yaml.safe_dump(derived, sys.stdout, sort_keys=False, width=200)


if __name__ == "__main__":
    main(*sys.argv[1:])

"""A process that dies by SIGKILL at its n-th durable step: `failpoint.py <n> <what> <root>`.

Durable steps are fsyncs and renames of this process. what: `commit`, one stage of the store; or
a backend, which a small study is launched on; or `branching`, the same runs on the local backend
with evaluations beside their results. n = 0 never dies.
"""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

from study.backends.worker import load_runner, run_cohort
from study.launch import BackendName, launch
from study.plan import make_plan
from study.store import Store
from tests.study.studies import RUNNER, branching, fake_base, small_study

BACKENDS: dict[str, BackendName] = {"local": "local", "ray": "ray", "branching": "local"}


def main(n: int, what: str, root: Path) -> None:
    """Arm the failpoint, then work."""
    steps = iter(range(1, sys.maxsize))

    def armed(do: Callable[..., Any]) -> Callable[..., Any]:
        def step(*args: Any, **kwargs: Any) -> Any:
            if next(steps) == n:
                os.kill(os.getpid(), signal.SIGKILL)
            return do(*args, **kwargs)

        return step

    os.fsync = armed(os.fsync)
    os.replace = armed(os.replace)
    Path.replace = armed(Path.replace)  # type: ignore[method-assign]
    if what == "commit":
        first = make_plan(small_study(), fake_base).trials[0].chain[0]
        list(run_cohort(Store(root), load_runner(RUNNER), [first]))
    else:
        study = branching(small_study()) if what == "branching" else small_study()
        print(
            launch(study, root, BACKENDS[what], quiet=True, runner=RUNNER, resolve=fake_base),
            file=sys.stderr,
        )


if __name__ == "__main__":
    main(int(sys.argv[1]), sys.argv[2], Path(sys.argv[3]))

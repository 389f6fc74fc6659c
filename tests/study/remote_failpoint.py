"""A launch on an object store that dies by SIGKILL: `remote_failpoint.py <n> <backend> <root>`.

It dies before its n-th change of the store; n = 0 never dies.
"""

from __future__ import annotations

import sys
from typing import cast

from study import remote
from study.launch import BackendName, launch
from tests.study.object_stores import Mortal
from tests.study.studies import RUNNER, fake_base, small_study


def main(n: int, backend: BackendName, root: str) -> None:
    """Arm the failpoint, then launch."""
    opened = remote.open_remote
    if n:
        remote.open_remote = lambda url: Mortal(opened(url), n, by_signal=True)
    launch(small_study(), root, backend, quiet=True, runner=RUNNER, resolve=fake_base)


if __name__ == "__main__":
    main(int(sys.argv[1]), cast(BackendName, sys.argv[2]), sys.argv[3])

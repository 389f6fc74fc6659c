"""`pbb-study` with the engine that tells when it trains: `python -m tests.bench.launched ...`."""

from __future__ import annotations

from functools import partial

from study import cli, launch
from tests.bench.timed_engine import RUNNER


def main() -> None:
    """The command line, in all but the runner of stages."""
    launch.launch = partial(launch.launch, runner=RUNNER)
    cli.main()


if __name__ == "__main__":
    main()

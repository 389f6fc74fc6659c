"""The same code in fresh interpreters: what must not depend on the process or its hash seed."""

import os
import subprocess
import sys


def printed_in_every_process(code: str) -> set[str]:
    """What the code prints under different hash seeds; one element where they agree."""
    return {
        subprocess.run(
            [sys.executable, "-c", code],
            env={**os.environ, "PYTHONHASHSEED": seed},
            capture_output=True,
            text=True,
            check=True,
        ).stdout
        for seed in ("0", "1", "random")
    }

"""A study's stages on the code of another commit and on this one, in turn:
`python -m tests.bench.against COMMIT`.

Processor seconds of one thread by kind of stage, summed over the trials that were run; medians over
the rounds. Every process begins cold, so what warming up costs is in.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Final

ROOT: Final = Path(__file__).parents[2]
CHAINS: Final = Path(__file__).with_name("chains.py")


@contextmanager
def checked_out(commit: str) -> Iterator[Path]:
    """The files of a commit, in a folder of their own."""
    with tempfile.TemporaryDirectory() as folder:
        tree = Path(folder, "tree")
        git = ["git", "-C", str(ROOT), "worktree"]
        subprocess.run([*git, "add", "--quiet", "--detach", str(tree), commit], check=True)
        try:
            yield tree
        finally:
            subprocess.run([*git, "remove", "--force", str(tree)], check=True)


def seconds_of(tree: Path, study: str, trials: int) -> dict[str, float]:
    """By kind of stage, and in all."""
    environment = {**os.environ, "PYTHONPATH": str(tree), "OMP_NUM_THREADS": "1"}
    command = [sys.executable, str(CHAINS), study, str(trials)]
    out = subprocess.run(
        command, cwd=tree, env=environment, check=True, capture_output=True, text=True
    ).stdout
    each = {kind: sum(spent) for kind, spent in json.loads(out.splitlines()[-1]).items()}
    return {**each, "all": sum(each.values())}


def table(theirs: Sequence[dict[str, float]], ours: Sequence[dict[str, float]]) -> str:
    """As Markdown; each of a round."""
    lines = ["| stages | before, s | now, s | times cheaper |", "|---|---|---|---|"]
    for kind in ours[0]:
        before, now = (statistics.median(r[kind] for r in rounds) for rounds in (theirs, ours))
        lines.append(f"| {kind} | {before:.2f} | {now:.2f} | {before / now:.2f} |")
    return "\n".join(lines)


def main() -> None:
    """Measure and print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("commit")
    parser.add_argument("--study", default="quickstart")
    parser.add_argument("--trials", type=int, default=6)
    parser.add_argument("--rounds", type=int, default=3)
    args = parser.parse_args()
    theirs, ours = [], []
    with checked_out(args.commit) as tree:
        for _ in range(args.rounds):
            theirs.append(seconds_of(tree, args.study, args.trials))
            ours.append(seconds_of(ROOT, args.study, args.trials))
            print(theirs[-1], ours[-1], flush=True)
    print(table(theirs, ours))


if __name__ == "__main__":
    main()

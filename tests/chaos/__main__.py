"""`make chaos`: every storm, its figures printed and put into docs/reliability.md."""

from __future__ import annotations

import os
import platform
import re
import sys
import tempfile
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

from tests.chaos import cluster, local
from tests.chaos.storm import Figures

PAGE: Final = Path(__file__).parents[2] / "docs" / "reliability.md"
BETWEEN: Final = re.compile("(?<=<!-- chaos -->\n).*(?=<!-- /chaos -->)", re.DOTALL)


def main(chosen: Sequence[str]) -> None:
    """Run the storms that are named, or all; only all of them change the page."""
    storms = {**local.STORMS, **cluster.STORMS}
    found = []
    for name in chosen or storms:
        with tempfile.TemporaryDirectory(prefix="chaos-") as folder:
            found.append(storms[name](Path(folder)))
        print(_line(found[-1]), flush=True)
    if not chosen:
        page = PAGE.read_text("utf-8")
        PAGE.write_text(BETWEEN.sub(lambda _: _table(found), page), "utf-8")


def _table(found: Sequence[Figures]) -> str:
    kills, again = sum(f.kills for f in found), sum(f.relaunches for f in found)
    seconds = sum(f.wall_s for f in found)
    day = datetime.now(UTC).date().isoformat()
    where = f"{platform.machine()}, {os.cpu_count()} CPUs"
    return "\n".join(
        [
            f"`make chaos`, {day}, {where}; steps and times are drawn from seed {local.SEED}.",
            "",
            "| storm | kills | relaunches | seconds |",
            "|---|---|---|---|",
            *map(_line, found),
            f"| all | {kills} | {again} | {seconds:.0f} |",
            "",
        ]
    )


def _line(figures: Figures) -> str:
    return f"| {figures.kind} | {figures.kills} | {figures.relaunches} | {figures.wall_s:.0f} |"


if __name__ == "__main__":
    main(sys.argv[1:])

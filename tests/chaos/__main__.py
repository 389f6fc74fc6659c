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
HEAD: Final = (
    "| storm | what is killed | kills | relaunches | seconds | date | machine |",
    "|---|---|---|---|---|---|---|",
)
BETWEEN: Final = re.compile("(?<=<!-- chaos -->\n).*(?=<!-- /chaos -->)", re.DOTALL)


def main(chosen: Sequence[str]) -> None:
    """Run the storms that are named, or all; each leaves its row on the page."""
    storms = {**local.STORMS, **cluster.STORMS}
    for name in chosen or storms:
        with tempfile.TemporaryDirectory(prefix="chaos-") as folder:
            row = _row(name, storms[name](Path(folder)))
        print(row, flush=True)
        page = PAGE.read_text("utf-8")
        rows = {_name(each): each for each in BETWEEN.findall(page)[0].splitlines()[2:]}
        rows[name] = row
        table = [*HEAD, *(rows[each] for each in storms if each in rows), ""]
        PAGE.write_text(BETWEEN.sub(lambda _, lines=table: "\n".join(lines), page), "utf-8")


def _row(name: str, figures: Figures) -> str:
    day = datetime.now(UTC).date().isoformat()
    where = f"{platform.machine()}, {os.cpu_count()} CPUs"
    told = (figures.kind, figures.kills, figures.relaunches, f"{figures.wall_s:.0f}", day, where)
    return f"| `{name}` | {' | '.join(map(str, told))} |"


def _name(row: str) -> str:
    return row.split("`")[1]


if __name__ == "__main__":
    main(sys.argv[1:])

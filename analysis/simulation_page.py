"""Writes docs/simulation.md and its figures: python -m analysis.simulation_page docs."""

from __future__ import annotations

import sys
from pathlib import Path

from analysis import calibration, calibration_further
from analysis.calibration import REPLICATES


def write(folder: Path, replicates: int = REPLICATES) -> None:
    """Both tables into `simulation.md`, between its marks, and all their figures beside it."""
    rows = calibration.table(replicates=replicates)
    more = calibration_further.further(replicates)
    calibration.frame(rows).write_csv(folder / "simulation.csv", float_precision=4)
    calibration.frame(more).write_csv(folder / "simulation_further.csv", float_precision=4)
    page = folder / "simulation.md"
    text = page.read_text(encoding="utf-8")
    text = _between(text, "table", calibration.markdown(rows))
    text = _between(text, "further", calibration_further.markdown(more))
    page.write_text(text, encoding="utf-8")


def _between(text: str, mark: str, table: str) -> str:
    before, begin, rest = text.partition(f"<!-- {mark} -->\n")
    _, end, after = rest.partition(f"<!-- end of {mark} -->")
    if not end:
        raise ValueError(f"the page lacks the marks of {mark!r}")
    return f"{before}{begin}\n{table}\n{end}{after}"


if __name__ == "__main__":
    write(Path(sys.argv[1]))

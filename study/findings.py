"""The findings in one command: `python -m study.findings` runs their studies and writes verdicts.

The studies share a root and so their stages: what one has trained the next one finds.
"""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Final

from analysis.claims import Verdict
from analysis.page.findings import findings_table
from analysis.results import analyse
from pbb.models.registry import resolve
from search_spaces.errors import StudyError
from search_spaces.scales import NANO, scaled
from search_spaces.study_file import SHIPPED, Study, load_study
from study.forecast import forecast
from study.launch import BackendName, launch
from study.plan import check_corpora, make_plan
from study.prices import REFERENCE, Machine, this_machine
from study.store import Store

FOLDER: Final = SHIPPED / "findings"
BEGIN: Final = (
    "<!-- findings: written by `make findings`; what stands between these marks is lost -->"
)
END: Final = "<!-- /findings -->"


@dataclass(frozen=True)
class Effort:
    """What all studies ask for, and what has to be trained and asked for it.

    requested: stages of all trials, each counted as often as a trial needs it; distinct: of them,
    each once; to_run: not committed yet; seconds: of wall time, forecast.
    """

    requested: int
    distinct: int
    to_run: int
    seconds: float


def studies(scale: str = NANO) -> list[Study]:
    """The shipped studies of the findings, F1 first."""
    return [scaled(load_study(path), scale) for path in sorted(FOLDER.glob("f*.yaml"))]


def effort(chosen: Sequence[Study], root: Path, machine: Machine = REFERENCE) -> Effort:
    """Of studies that share their stages under `root`."""
    store, seen, requested, seconds = Store(root), set[str](), 0, 0.0

    def has(key: str) -> bool:
        return key in seen or store.has(key)

    for study in chosen:
        plan = make_plan(study)
        requested += sum(len(trial.chain) for trial in plan.trials)
        seconds += forecast(plan, has, resolve, machine=machine).wall_s
        seen |= plan.stages().keys()
    return Effort(requested, len(seen), sum(not store.has(key) for key in seen), seconds)


def table(found: Sequence[Verdict]) -> str:
    """Verdicts as a Markdown table: a row for each claim."""
    lines = [
        "| finding | claim | contrast | estimate | 95% interval | verdict |",
        "|---|---|---|---|---|---|",
    ]
    for verdict in found:
        shown = findings_table([verdict])
        row = (*shown.primary, *shown.exploratory)[0]
        cells = (
            row.finding,
            row.claim,
            f"{row.contrast}; {row.asked}",
            f"{row.estimate} {row.unit}",
            row.interval,
            f"{row.shown_verdict}{f' ({row.reason})' if row.reason else ''}",
        )
        lines.append(f"| {' | '.join(cell.replace('|', '/') for cell in cells)} |")
    return "\n".join(lines)


def written(page: str, section: str) -> str:
    """The page with its section of findings replaced, or added after its introduction."""
    block = f"{BEGIN}\n\n{section}\n\n{END}"
    if BEGIN in page and END in page:
        before, _, rest = page.partition(BEGIN)
        return before + block + rest.partition(END)[2]
    introduction, mark, entries = page.partition("## ")
    return f"{introduction}{block}\n\n{mark}{entries}"


def main() -> None:
    """Run what is missing of every finding's study, and write the verdicts.

    A study that cannot run is told before any has begun.
    """
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--root", type=Path, default=Path("runs"))
    parser.add_argument("--scale", default=NANO)
    parser.add_argument("--backend", choices=("ray", "local"), default="ray")
    parser.add_argument("--page", type=Path, default=Path("docs/findings.md"))
    args = parser.parse_args()
    try:
        chosen = studies(args.scale)
        for study in chosen:
            check_corpora(make_plan(study))
    except StudyError as error:
        print(f"findings: {error}", file=sys.stderr)
        sys.exit(2)
    asked = effort(chosen, args.root, this_machine())
    print(
        f"{len(chosen)} studies ask for {asked.requested} stages, {asked.distinct} distinct; "
        f"{asked.to_run} to run, about {asked.seconds / 60:.0f} minutes"
    )
    sys.stdout.flush()
    began_s, run, failed = time.monotonic(), 0, 0
    found: list[Verdict] = []
    backend: BackendName = args.backend
    for study in chosen:
        result = launch(study, args.root, backend)
        run, failed = run + result.stages_run, failed + result.failed
        found += analyse(result.folder).verdicts
        print(
            f"{study.name}: {result.stages_run} stages run, {result.failed} trials failed",
            flush=True,
        )
    minutes = (time.monotonic() - began_s) / 60
    summary = (
        f"## {date.today()}  The findings, at scale {args.scale}\n\n"
        f"Command:  `make findings`\n"
        f"Machine:  {run} of {asked.requested} requested stages were executed "
        f"({asked.distinct} distinct), in {minutes:.0f} minutes; "
        f"{asked.seconds / 60:.0f} were forecast; {failed} trials failed\n\n{table(found)}"
    )
    args.page.write_text(written(args.page.read_text("utf-8"), summary), "utf-8")
    print(summary)
    sys.exit(1 if failed else 0)


if __name__ == "__main__":
    main()

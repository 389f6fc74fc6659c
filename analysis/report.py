"""The report: one offline HTML file with everything a rate must be read beside, and the rates as
Parquet and CSV. Model names, programs and outputs are untrusted text: everything is escaped, and
the page's own policy lets no script run but the two that it was written with."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from analysis.costs import read_costs
from analysis.errors import BadInput
from analysis.learning import loss_by_step
from analysis.nuisances import read_choices
from analysis.page.render import Beside, render
from analysis.results import Analysis, analyse, rates_frame
from analysis.sentences import headline_sentences


@dataclass(frozen=True)
class ReportPaths:
    """What was written, and the sentences that head the report."""

    html: Path
    rates_parquet: Path
    rates_csv: Path
    sentences: tuple[str, ...]


def write_report(source: Path, out: Path | None = None) -> ReportPaths:
    """Analyses a study folder or a file of item rows, and writes report and rates.

    out: folder to write into; by default the study folder itself, or, for a file, a folder beside
    it named `<stem>-report`. Raises BadInput where the source cannot be analysed or the folder
    cannot be written.
    """
    by_default = source if source.is_dir() else source.with_name(f"{source.stem}-report")
    folder = by_default if out is None else out
    analysis = analyse(source)
    rates = rates_frame(analysis.results)
    losses = loss_by_step(source) if source.is_dir() else None
    beside = Beside(read_costs(source), losses, read_choices(source))
    page = render(analysis, beside, title=_title(analysis, source))
    paths = ReportPaths(
        folder / "report.html",
        folder / "exchange_rates.parquet",
        folder / "exchange_rates.csv",
        tuple(headline_sentences(analysis.results)),
    )
    try:
        folder.mkdir(parents=True, exist_ok=True)
        _replace(paths.html, lambda file: file.write_text(page, encoding="utf-8", errors="replace"))
        _replace(paths.rates_parquet, rates.write_parquet)
        _replace(paths.rates_csv, rates.write_csv)
    except OSError as error:
        raise BadInput(f"{folder} cannot be written ({error}); name another folder") from error
    return paths


def _title(analysis: Analysis, source: Path) -> str:
    names = analysis.counts["study"].unique().sort().to_list()
    return ", ".join(names) if len(names) <= 3 else source.stem


def _replace(target: Path, write: Callable[[Path], Any]) -> None:
    """Writes a file whole or not at all."""
    handle, name = tempfile.mkstemp(prefix=f".{target.name}.", dir=target.parent)
    os.close(handle)
    temporary = Path(name)
    try:
        write(temporary)
        temporary.chmod(0o644)
        with temporary.open("rb") as written:
            os.fsync(written.fileno())
        temporary.replace(target)
    finally:
        temporary.unlink(missing_ok=True)

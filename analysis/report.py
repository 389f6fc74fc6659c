"""The report: one offline HTML file with everything a rate must be read beside, and the rates as
Parquet and CSV. Model names, programs and outputs are untrusted text: everything is escaped, and
the page's own policy lets no script run but the two that it was written with."""

from __future__ import annotations

import errno
import io
import os
import tempfile
from dataclasses import dataclass
from pathlib import Path

import polars as pl

from analysis.costs import read_costs
from analysis.errors import UNREADABLE, BadInput
from analysis.learning import loss_by_step
from analysis.load import blamed
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
    try:
        page = render(analysis, beside, title=_title(analysis, source))
    except UNREADABLE as error:  # texts are read for the page alone
        raise blamed(source, error) from error
    paths = ReportPaths(
        folder / "report.html",
        folder / "exchange_rates.parquet",
        folder / "exchange_rates.csv",
        tuple(headline_sentences(analysis.results)),
    )
    try:
        folder.mkdir(parents=True, exist_ok=True)
        _replace(paths.html, page.encode("utf-8", "replace"))
        _replace(paths.rates_parquet, _parquet(rates))
        _replace(paths.rates_csv, rates.write_csv().encode())
    except OSError as error:
        raise unwritable(folder, error) from error
    return paths


def unwritable(folder: Path, error: OSError) -> BadInput:
    """What a folder's refusal to be written means to a user."""
    if error.errno in (errno.ENOSPC, errno.EDQUOT):
        return BadInput(
            f"{folder}: the disk is full ({error.strerror}); make room and report again: all that "
            "is finished is kept"
        )
    which = error.filename2 or error.filename or folder
    return BadInput(
        f"{which}: cannot be written ({error.strerror or error}); name another folder by --out"
    )


def _parquet(frame: pl.DataFrame) -> bytes:
    buffer = io.BytesIO()
    frame.write_parquet(buffer)
    return buffer.getvalue()


def _title(analysis: Analysis, source: Path) -> str:
    names = analysis.counts["study"].unique().sort().to_list()
    return ", ".join(names) if len(names) <= 3 else source.stem


def _replace(target: Path, content: bytes) -> None:
    """Writes a file whole or not at all."""
    handle, name = tempfile.mkstemp(prefix=f".{target.name}.", dir=target.parent)
    os.close(handle)
    temporary = Path(name)
    try:
        temporary.write_bytes(content)
        temporary.chmod(0o644)
        with temporary.open("rb") as written:
            os.fsync(written.fileno())
        temporary.replace(target)
    finally:
        temporary.unlink(missing_ok=True)

"""The report: one offline HTML file with everything a rate must be read beside, and the rates as
Parquet and CSV. Model names, programs and outputs are untrusted text: everything is escaped, and
the page's own policy lets no script run but the three that it was written with."""

from __future__ import annotations

import base64
import hashlib
import json
import os
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path
from typing import Any, Final

import polars as pl
from jinja2 import Environment, StrictUndefined
from markupsafe import Markup
from plotly.offline import get_plotlyjs

from analysis.curves import COMPARISON, TREATMENT, accuracy_by_split
from analysis.errors import BadInput
from analysis.figures import accuracy_by_arm, dose_response
from analysis.palette import NAME
from analysis.results import Analysis, Result, analyse, rates_frame
from analysis.sentences import (
    comparison_labels,
    headline_sentences,
    interval_cell,
    pair_words,
    percent,
    points,
    rate_cell,
    sentence,
)

OPEN_FIGURES: Final = 6
"""Results drawn in full at once; the others are folded away until opened."""

SAMPLE_ROWS: Final = 12
SAMPLE_CHARACTERS: Final = 600


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
    beside = source if source.is_dir() else source.with_name(f"{source.stem}-report")
    folder = beside if out is None else out
    analysis = analyse(source)
    rates = rates_frame(analysis.results)
    page = render(analysis, title=_title(analysis, source))
    paths = ReportPaths(
        folder / "report.html",
        folder / "exchange_rates.parquet",
        folder / "exchange_rates.csv",
        tuple(headline_sentences(analysis.results)),
    )
    try:
        folder.mkdir(parents=True, exist_ok=True)
        _replace(paths.html, lambda file: file.write_text(page, encoding="utf-8"))
        _replace(paths.rates_parquet, rates.write_parquet)
        _replace(paths.rates_csv, rates.write_csv)
    except OSError as error:
        raise BadInput(f"{folder} cannot be written ({error}); name another folder") from error
    return paths


def render(analysis: Analysis, *, title: str) -> str:
    """The report as HTML."""
    scripts = {"plotly": get_plotlyjs(), "page": _template("report.js")}
    environment = Environment(autoescape=True, undefined=StrictUndefined, trim_blocks=True)
    environment.filters |= {"percent": percent, "points": points}
    blocks = _blocks(analysis.results)
    return environment.from_string(_template("report.html.j2")).render(
        title=title,
        policy=_policy(scripts.values()),
        style=Markup(_template("report.css")),
        scripts={name: Markup(script) for name, script in scripts.items()},
        figures=Markup(_json({key: figure for block in blocks for key, figure in block.figures})),
        sentences=headline_sentences(analysis.results),
        notes=analysis.notes,
        blocks=blocks,
        rates=_rate_table(analysis.results),
        splits=_split_table(analysis.items),
        samples=_samples(analysis.items),
        failed=sum(n for status, n in (analysis.notes.trials or {}).items() if status != "ok"),
    )


@dataclass(frozen=True)
class Block:
    """One result on the page: heading, figures (key and plotly JSON), contrasts."""

    label: str
    pair: str
    kind: str
    sentence: str
    shown: bool
    figures: tuple[tuple[str, Any], ...]
    contrasts: tuple[dict[str, Any], ...]


def _blocks(results: Sequence[Result]) -> list[Block]:
    """The headline pair's results first, in full; the others folded."""
    labels = comparison_labels([result.contest.factors for result in results])
    labelled = list(zip(results, labels, strict=True))
    labelled.sort(key=lambda entry: not entry[0].headline)
    main = any(result.headline for result in results)
    blocks = []
    for index, (result, label) in enumerate(labelled):
        figures: tuple[tuple[str, Any], ...] = ()
        if result.contest.n_programs:
            curve, arms = dose_response(result), accuracy_by_arm(result.levels)
            figures = (
                (f"curve-{index}", curve.to_plotly_json()),
                (f"arms-{index}", arms.to_plotly_json()),
            )
        blocks.append(
            Block(
                label,
                pair_words(result.contest.pair),
                result.contest.pair.label,
                sentence(result, label),
                index < OPEN_FIGURES and (result.headline or not main),
                figures,
                tuple(_contrast_row(each) for each in result.contrasts),
            )
        )
    return blocks


def _contrast_row(contrast: Any) -> dict[str, Any]:
    return {
        "arm": f"{NAME[contrast.arm]} ({contrast.format})",
        "against": f"{NAME[contrast.against]} ({contrast.against_format})",
        "contrast": contrast,
    }


def _rate_table(results: Sequence[Result]) -> list[dict[str, Any]]:
    labels = comparison_labels([result.contest.factors for result in results])
    rows = rates_frame(results).to_dicts()
    return [
        row
        | {
            "label": label,
            "pair_words": pair_words(result.contest.pair),
            "shown_rate": rate_cell(result),
            "shown_interval": interval_cell(result),
        }
        for row, result, label in zip(rows, results, labels, strict=True)
    ]


def _split_table(items: pl.LazyFrame) -> dict[str, Any]:
    """Accuracy by split and measure, one row per comparison and treatment."""
    cells = accuracy_by_split(items).collect()
    columns = (
        cells.select("split", "measure").unique().sort("split", "measure", descending=[True, False])
    )
    rows: dict[tuple[Any, ...], dict[str, Any]] = {}
    for cell in cells.to_dicts():
        key = tuple(cell[name] for name in (*COMPARISON, *TREATMENT))
        row = rows.setdefault(key, {name: cell[name] for name in (*COMPARISON, *TREATMENT)})
        row[f"{cell['split']} {cell['measure']}"] = cell
    comparisons = [{name: row[name] for name in COMPARISON} for row in rows.values()]
    for row, label in zip(rows.values(), comparison_labels(comparisons), strict=True):
        row["label"] = label
    names = [
        (f"{split} {measure}", split if measure == "execution" else f"{split}, {measure}")
        for split, measure in columns.iter_rows()
    ]
    return {"columns": names, "rows": list(rows.values())}


def _samples(items: pl.LazyFrame) -> list[dict[str, Any]]:
    """A right and a wrong answer of each model and arm on targets, by the order of the items."""
    keys = ["model", "arm", "correct"]
    text = [pl.col(name).str.slice(0, SAMPLE_CHARACTERS) for name in ("prompt", "expected")]
    asked = items.filter(
        pl.col("prompt").is_not_null()
        & (pl.col("split") == "target")
        & (pl.col("measure") == "execution")
        & pl.col("arm").is_in(["instruction", "demonstrations", "in_context", "none"])
    )
    order = [*keys, "demonstrations", "response_format", "seed", "program", "item"]
    chosen = asked.sort(order, descending=[False, False, True, True, True, False, False, False])
    return (
        chosen.group_by(keys, maintain_order=True)
        .first()
        .head(SAMPLE_ROWS)
        .with_columns(*text, pl.col("output").str.slice(0, SAMPLE_CHARACTERS))
        .collect()
        .to_dicts()
    )


def _title(analysis: Analysis, source: Path) -> str:
    names = analysis.items.select(pl.col("study").unique()).collect()["study"].sort().to_list()
    return ", ".join(names) if len(names) <= 3 else source.stem


def _template(name: str) -> str:
    return (files("analysis") / "templates" / name).read_text(encoding="utf-8")


def _json(value: Any) -> str:
    """JSON that cannot end the script element it stands in."""
    text = json.dumps(value, allow_nan=False, sort_keys=True)
    return text.replace("<", "\\u003c").replace(">", "\\u003e").replace("&", "\\u0026")


def _policy(scripts: Any) -> str:
    """Content Security Policy: nothing is fetched, and only these very scripts run."""
    digests = [
        base64.b64encode(hashlib.sha256(text.encode()).digest()).decode() for text in scripts
    ]
    allowed = " ".join(f"'sha256-{digest}'" for digest in digests)
    return (
        f"default-src 'none'; script-src {allowed}; style-src 'unsafe-inline'; "
        "img-src data: blob:; base-uri 'none'; form-action 'none'"
    )


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

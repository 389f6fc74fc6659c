"""`pbb-study`: plan, launch, status, report and their helpers.

Exit codes: 0 done; 1 failed trials remain; 2 the user's input is wrong; 130 interrupted. Commands
import what they need when they run, so that help, plan and schema stay quick.
"""

from __future__ import annotations

import json
import shlex
import sys
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Final

import typer

from study.data_cli import app as data_app
from study.models_cli import app as models_app

if TYPE_CHECKING:
    from search_spaces.study_file import Study

app = typer.Typer(
    help="How many demonstrations is one instruction worth? Studies of Programming by Backprop.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
)
app.add_typer(models_app, name="models")
app.add_typer(data_app, name="data")

OUR_PACKAGES: Final = frozenset({"pbb", "search_spaces", "study", "analysis"})
INTERRUPTED: Final = 130


class ImageKind(StrEnum):
    """Kinds of image files."""

    PNG = "png"
    SVG = "svg"
    PDF = "pdf"


class Backend(StrEnum):
    """Where stages run."""

    RAY = "ray"
    LOCAL = "local"


StudyArgument = Annotated[str, typer.Argument(help="A study file, or a shipped study's name.")]
RootOption = Annotated[
    str,
    typer.Option(help="Folder of all studies and their shared stages, or s3://bucket/folder."),
]
FolderArgument = Annotated[str, typer.Argument(help="A study folder; may be s3://bucket/.../name.")]
JsonOption = Annotated[bool, typer.Option("--json", help="Print JSON.")]
SmokeOption = Annotated[bool, typer.Option("--smoke", help="Shrink by the study's smoke section.")]
ScaleOption = Annotated[
    str, typer.Option(help="nano, as written; smollm2 (one GPU) or cluster: larger bases instead.")
]
AddressOption = Annotated[
    str | None, typer.Option(help="A running Ray cluster: host:port; auto: here.")
]
RUNS: Final = "runs"
NANO: Final = "nano"  # the scale of studies as they are written


@app.command()
def plan(
    study: StudyArgument,
    root: RootOption = RUNS,
    smoke: SmokeOption = False,
    scale: ScaleOption = NANO,
    pilot: Annotated[
        str | None,
        typer.Option(
            help="A study folder to judge the interval's width by; default: the quickstart."
        ),
    ] = None,
    as_json: JsonOption = False,
) -> None:
    """Show what a study would run, what is already there, and what it would cost."""
    from analysis.power import measured_pilot
    from pbb.models.registry import resolve
    from study.cli_text import forecast_pairs, launching, out, plan_json, show_pairs
    from study.folder import StudyFolder
    from study.forecast import forecast
    from study.places import at_hand, inside
    from study.plan import check_corpora, make_plan
    from study.prices import this_machine
    from study.tuned import read_chosen

    chosen = _study(study, smoke, scale)
    store, folder = at_hand(inside(root, chosen.name))
    planned = make_plan(chosen, chosen=read_chosen(StudyFolder(folder).tuned, chosen))
    check_corpora(planned)
    store.expect(planned.stages())
    known = measured_pilot(at_hand(pilot)[1]) if pilot else None
    expected = forecast(planned, store.has, resolve, known, this_machine())
    if as_json:
        typer.echo(json.dumps(plan_json(planned, expected, store.has)))
        return
    show_pairs(f"{planned.study.name}: {planned.study.question}", forecast_pairs(expected))
    out.print(f"launch it: {shlex.join(launching(study, root, smoke, scale))}")


@app.command()
def launch(
    study: StudyArgument,
    root: RootOption = RUNS,
    backend: Annotated[Backend, typer.Option(help="Where stages run.")] = Backend.RAY,
    smoke: SmokeOption = False,
    scale: ScaleOption = NANO,
    quiet: Annotated[bool, typer.Option("--quiet", help="No progress, only the result.")] = False,
    address: AddressOption = None,
) -> None:
    """Run what is missing of a study, then write its report."""
    from study.cli_text import err, launching, show_pairs
    from study.folder import StudyFolder
    from study.launch import launch as launch_study
    from study.places import inside
    from study.trials import read_trials
    from study.tuning import best_proposals, chosen_values

    chosen = _study(study, smoke, scale)
    try:
        result = launch_study(chosen, root, backend.value, quiet=quiet, address=address)
    except KeyboardInterrupt:
        where = ["--address", address] if address else ["--backend", backend.value]
        again = shlex.join([*launching(study, root, smoke, scale), *where])
        err.print(f"interrupted; finished stages are kept. Go on with: {again}")
        raise typer.Exit(INTERRUPTED) from None
    if address and not result.used_backend:
        err.print(f"nothing was missing, so no cluster was looked for at {address}")
    if chosen.tune is not None:
        show_pairs("nuisances chosen", chosen_values(chosen, StudyFolder(result.folder)))
    if chosen.search.design == "tpe":
        show_pairs("best proposals", best_proposals(read_trials(result.folder / "trials.parquet")))
    elif result.ok:
        report(str(inside(root, chosen.name)))
    if result.failed:
        place = inside(root, chosen.name)
        err.print(f"{result.failed} trials failed; see: pbb-study status {place}")
        raise typer.Exit(1)


@app.command()
def status(folder: FolderArgument) -> None:
    """Show how far a study is, and what failed and why."""
    from study.launch import status as study_status

    typer.echo(study_status(folder))


@app.command()
def report(
    source: Annotated[
        str,
        typer.Argument(
            help="A study folder (may be s3://bucket/.../name), or item rows (Parquet, CSV)."
        ),
    ],
    out: Annotated[Path | None, typer.Option(help="Folder to write into; default: there.")] = None,
    as_json: JsonOption = False,
    images: Annotated[
        ImageKind | None, typer.Option(help="Write figures as images too (extra 'static').")
    ] = None,
) -> None:
    """Turn item rows into exchange rates: one offline HTML file, or JSON."""
    from analysis.report import write_report
    from analysis.results import rates_json
    from study.cli_text import printable
    from study.reporting import reported

    store, path = reported(source)
    if as_json:
        typer.echo(json.dumps(rates_json(path), allow_nan=False))
        return
    written = write_report(path, out)
    also = store.publish([written.html, written.rates_parquet, written.rates_csv])[:1]
    for sentence in written.sentences:
        typer.echo(printable(sentence))
    typer.echo(f"report: {' and '.join([str(written.html), *also])}")
    if images is not None:
        from analysis.images import write_images

        for file in write_images(path, images.value, out):
            store.publish([file])
            typer.echo(f"figure: {file}")


@app.command()
def schema() -> None:
    """Print the JSON Schema of the study file, for editors."""
    from search_spaces.study_file import study_schema

    typer.echo(json.dumps(study_schema(), indent=2))


@app.command()
def doctor(
    root: RootOption = RUNS,
    statistics: Annotated[
        bool, typer.Option("--statistics", help="Check the intervals by simulated studies instead.")
    ] = False,
    studies: Annotated[int, typer.Option(min=40, help="Simulated studies a setting.")] = 200,
) -> None:
    """Check this machine (packages, Ray, accelerator, disk, bases), or the statistics."""
    from study.cli_text import coverage_pairs, show_pairs
    from study.doctor import checks

    if statistics:
        from analysis.calibration import table

        rows = table(replicates=studies)
        show_pairs(f"nominal 95% intervals in {studies} simulated studies", coverage_pairs(rows))
        if not all(row.calibrated for row in rows):
            raise typer.Exit(1)
        return
    found = checks(root)
    marks = {True: "ok", False: "note"}
    show_pairs(
        "doctor",
        [
            (c.name, f"{'WRONG' if c.needed and not c.ok else marks[c.ok]}: {c.found}")
            for c in found
        ],
    )
    if any(check.needed and not check.ok for check in found):
        raise typer.Exit(1)


@app.command()
def export(
    folder: FolderArgument,
    out: Annotated[Path, typer.Option(help="A new folder.")],
) -> None:
    """Copy a study so that it stands alone: folder, stages, model cards, items as CSV."""
    from study.export import export as export_study

    typer.echo(f"exported: {export_study(folder, out)}")


def _study(path_or_name: str, smoke: bool, scale: str) -> Study:
    from search_spaces.scales import scaled
    from search_spaces.study_file import load_study, smoke_study

    study = load_study(path_or_name)
    return scaled(smoke_study(study) if smoke else study, scale)


def main() -> None:
    """Entry point: a user's mistake becomes one message and exit code 2, a bug stays a traceback.

    A mistake is a ValueError of a class that these packages define, or a file that cannot be had.
    """
    try:
        app()
    except ValueError as error:
        if type(error).__module__.partition(".")[0] not in OUR_PACKAGES:
            raise
        typer.echo(f"pbb-study: {error}", err=True)
        sys.exit(2)
    except OSError as error:
        typer.echo(f"pbb-study: {error.filename or 'file'}: {error.strerror or error}", err=True)
        sys.exit(2)

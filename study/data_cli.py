"""`pbb-study data`: documents as the model gets them, and whether they, or functions, will do.

Exit codes: 0 nothing wrong; 1 something must not be used as it is; 2 the user's input is wrong, as
a study is that names functions which cannot be used.
"""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Final

import typer
from typer.core import TyperGroup

if TYPE_CHECKING:
    from pbb.domains.algorithms.checking import Usable
    from pbb.domains.configs import AlgorithmsConfig
    from search_spaces.study_file import Study
    from study.plan import Plan, Trial

CHECKED_STEPS: Final = 40
"""Steps of each stage that `check` reads: all sources come by in them."""


class DefaultGroup(TyperGroup):
    """`data STUDY` is `data show STUDY`."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        """The arguments, with the default command where none is named."""
        if args and args[0] not in (*self.commands, "--help"):
            args = ["show", *args]
        return super().parse_args(ctx, args)


app = typer.Typer(
    cls=DefaultGroup,
    no_args_is_help=True,
    help="Documents of a study, as the model gets them, with counts and checks.",
)


class ExportFormat(StrEnum):
    """Forms of exported documents."""

    PARQUET = "parquet"
    HF = "hf"


@app.command()
def show(
    study: Annotated[str, typer.Argument(help="A study file, or a shipped study's name.")],
    arm: Annotated[
        str | None, typer.Option(help="Whose documents; default: instruction, or the first.")
    ] = None,
    stage: Annotated[str | None, typer.Option(help="Default: all of the arm.")] = None,
    curriculum: Annotated[
        str | None, typer.Option(help="Default: the first that has the arm and stage.")
    ] = None,
    count: Annotated[int, typer.Option(min=0, help="Documents of each kind to show.")] = 1,
    steps: Annotated[
        int | None, typer.Option(min=1, help="Read so many steps a stage; default: all.")
    ] = None,
    smoke: Annotated[
        bool, typer.Option("--smoke", help="Shrink by the study's smoke section.")
    ] = False,
    export: Annotated[
        Path | None, typer.Option(help="Write the arm's training documents to a new folder.")
    ] = None,
    form: Annotated[
        ExportFormat, typer.Option("--format", help="Parquet files, or a Hugging Face dataset.")
    ] = ExportFormat.PARQUET,
) -> None:
    """Show an arm's documents with loss tokens marked, counts by kind, overlaps and leaks."""
    from study.plan import make_plan
    from study.samples import planned_trial

    plan = make_plan(_study(study, smoke))
    trial = planned_trial(plan, arm, stage, curriculum)
    if export is not None:
        from pbb.domains.registry import blamed
        from study.data_export import export_documents

        with blamed(trial.config.corpus.domain.kind):
            paths = export_documents(trial, export, form.value, stage, steps)
        for path in paths:
            typer.echo(f"documents: {path}")
        return
    if not _shown(trial, stage, count, steps):
        raise typer.Exit(1)


def _shown(trial: Trial, stage: str | None, count: int, steps: int | None) -> bool:
    from study.cli_text import out
    from study.data_counts import cells
    from study.data_report import examine
    from study.data_text import legend, show_checks, show_sample, show_table, show_unknown
    from study.samples import EVALUATION

    report = examine(trial, stage, count, steps)
    run = trial.config
    out.print(f"arm {run.arm}, curriculum {run.curriculum}, base {run.model}, seed {run.seed}")
    for found in report.stages:
        if found.samples:
            legend(found.asked)
        for sample in found.samples:
            show_sample(sample, found.asked)
        part = f", first {steps} steps" if steps and found.stage != EVALUATION else ""
        show_table(f"{found.stage}{part}, tokens by kind", cells(found.counts))
        show_unknown(found.stage, found.counts)
    out.print(f"there must be none of these ({report.documents:,} training documents read)")
    show_checks(report.checks)
    return report.ok


@app.command()
def check(
    source: Annotated[
        str, typer.Argument(help="A folder of your functions, a study file, or a study's name.")
    ],
    steps: Annotated[
        int, typer.Option(min=1, help="Steps of each stage whose documents are read.")
    ] = CHECKED_STEPS,
) -> None:
    """Say which functions of your own can be used and why not; or check a study's documents."""
    if Path(source).is_dir():
        from pbb.domains.algorithms.checking import check_folder
        from pbb.domains.configs import AlgorithmsConfig

        ok = _told(source, check_folder(Path(source), AlgorithmsConfig().inputs)) == 0
    else:
        ok = _study_checked(source, steps)
    if not ok:
        raise typer.Exit(1)


def _study_checked(source: str, steps: int) -> bool:
    """Whether its documents may be used. Raises StudyError where some functions cannot be."""
    from pbb.domains.configs import AlgorithmsConfig
    from search_spaces.errors import StudyError
    from study.plan import check_corpora, make_plan

    study = _study(source, smoke=False)
    plan = make_plan(study)
    unusable = 0
    if isinstance(study.domain, AlgorithmsConfig):
        told = {trial.config.corpus.representation for trial in plan.trials}
        unusable = _told(source, _functions_checked(source, study.domain, "prose" in told))
    check_corpora(plan)
    ok = _documents_checked(plan, steps)
    if unusable:
        raise StudyError(
            f"{source}: {unusable} of its functions cannot be used, as told above; mend them, or "
            "take them out"
        )
    return ok


def _documents_checked(plan: Plan, steps: int) -> bool:
    from study.cli_text import out
    from study.data_report import examine
    from study.data_text import show_checks, show_unknown

    found: dict[tuple[str, str], Trial] = {}
    for trial in plan.trials:
        found.setdefault((trial.config.curriculum, trial.config.arm), trial)
    reports = []
    for (curriculum, arm), trial in found.items():
        reports.append(examine(trial, None, 0, steps))
        read = f"{reports[-1].documents:,} documents, the first {steps} steps of each stage"
        out.print(f"{curriculum}, {arm}: there must be none of these ({read})")
        show_checks(reports[-1].checks)
        for stage in reports[-1].stages:
            show_unknown(stage.stage, stage.counts)
    return all(report.ok for report in reports)


def _functions_checked(source: str, domain: AlgorithmsConfig, prose: bool) -> tuple[Usable, ...]:
    from pbb.domains.algorithms.checking import told_as_prose

    rows = _rows(source, domain)
    return told_as_prose(rows, domain.prose) if prose else rows


def _rows(source: str, domain: AlgorithmsConfig) -> tuple[Usable, ...]:
    from pbb.domains.algorithms.checking import check_folder, check_functions
    from pbb.domains.algorithms.reading import library
    from search_spaces.yaml12 import read_yaml

    if not domain.functions:
        return check_functions(library(domain.tiers), domain.inputs)
    path = Path(source)  # reading the study left out what gave no function; here it is to be told
    folder = read_yaml(path.read_text("utf-8"), source).data["domain"].get("folder")
    if folder is None:
        return check_functions(domain.functions, domain.inputs)
    return check_folder(path.parent / folder, domain.inputs)


def _told(source: str, rows: tuple[Usable, ...]) -> int:
    """How many cannot be used. Raises StudyError where none can."""
    from search_spaces.errors import StudyError
    from study.cli_text import out
    from study.data_text import show_functions

    usable = sum(row.usable for row in rows)
    out.print(f"{source}: {usable} of {len(rows)} can be used")
    show_functions(rows)
    if not usable:
        raise StudyError(f"{source}: holds no function that can be used")
    return len(rows) - usable


def _study(path_or_name: str, smoke: bool) -> Study:
    from search_spaces.study_file import load_study, smoke_study

    study = load_study(path_or_name)
    return smoke_study(study) if smoke else study

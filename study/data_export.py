"""A run's training documents as Parquet, or as a folder that Hugging Face's `datasets` loads.

Such a folder is Parquet files and a README.md whose YAML head says which file is which split and
what the columns are, so it takes no package to write one.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any, Final, Literal

import polars as pl
import yaml

from pbb.config import TrainStage
from pbb.models.encoding import Encoder
from search_spaces.errors import StudyError
from study.encoders import load_encoder
from study.files import write_parquet, write_text
from study.plan import Trial
from study.samples import stage_documents, training_stages

Format = Literal["parquet", "hf"]

DOCUMENT_SCHEMA: Final[dict[str, pl.DataType]] = {
    "stage": pl.String(),
    "step": pl.Int32(),
    "kind": pl.String(),
    "split": pl.String(),
    "program": pl.String(),
    "input": pl.Int32(),
    "response_format": pl.String(),
    "replay": pl.Boolean(),
    "prompt": pl.String(),
    "completion": pl.String(),
    "input_ids": pl.List(pl.Int32()),
    "n_prompt": pl.Int32(),
}
"""One row a document, in the order of training. step: from 1. input: index of the program's case
that is executed. input_ids: as the model gets them, chat template and special tokens included; the
loss is on those from n_prompt on."""

_FEATURES: Final = {
    pl.String(): {"dtype": "string"},
    pl.Int32(): {"dtype": "int32"},
    pl.Boolean(): {"dtype": "bool"},
    pl.List(pl.Int32()): {"list": "int32"},
}


class TakenError(ValueError):
    """The destination of an export holds something already."""


def export_documents(
    trial: Trial,
    folder: Path,
    form: Format,
    only: str | None = None,
    steps: int | None = None,
) -> list[Path]:
    """Write the documents of a trial's training stages; the files, a stage each.

    parquet: `<folder>/<stage>.parquet`. hf: `<folder>/data/<stage>.parquet` and the card. only: the
    stage; null for all. steps: of each stage, the first; null for all. Raises TakenError where the
    folder is there and not empty, StudyError where there is no such stage, or none.
    """
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise TakenError(
            f"{folder}: is not empty; name a new folder, so that nothing is overwritten"
        )
    stages = [each for each in training_stages(trial) if only in (None, each.role)]
    if not stages:
        raise StudyError(_nothing(trial, only))
    encoder = load_encoder(trial.config.model)
    data = folder / "data" if form == "hf" else folder
    written: dict[str, tuple[Path, int]] = {}
    for stage in stages:
        frame, path = documents_frame(stage, encoder, steps), data / f"{stage.role}.parquet"
        write_parquet(path, frame)
        written[stage.role] = (path, frame.height)
    if form == "hf":
        rows = {stage: height for stage, (_, height) in written.items()}
        write_text(folder / "README.md", card(trial, rows, steps))
    return [path for path, _ in written.values()]


def _nothing(trial: Trial, only: str | None) -> str:
    known = ", ".join(each.role for each in training_stages(trial)) or "none"
    what = f"stage {only!r} of arm" if only else "arm"
    return (
        f"{what} {trial.config.arm!r} under curriculum {trial.config.curriculum!r} trains on no "
        f"documents; stages that do: {known}"
    )


def documents_frame(stage: TrainStage, encoder: Encoder, steps: int | None = None) -> pl.DataFrame:
    """A row a document (DOCUMENT_SCHEMA) of a whole stage, or of its first steps."""
    rows = [
        (
            stage.role,
            step,
            (document := encoded.document).kind,
            document.split,
            document.program,
            document.input,
            document.response_format,
            document.replay,
            document.prompt,
            document.completion,
            encoded.ids,
            encoded.n_prompt,
        )
        for step, encoded in stage_documents(stage, encoder, steps)
    ]
    return pl.DataFrame(rows, schema=DOCUMENT_SCHEMA, orient="row")


def card(trial: Trial, rows: dict[str, int], steps: int | None = None) -> str:
    """The dataset card: what `datasets` reads in its head, what people read below. steps: of each
    stage that are in it; null for all.
    """
    features = [{"name": name, **_FEATURES[kind]} for name, kind in DOCUMENT_SCHEMA.items()]
    files = [{"split": stage, "path": f"data/{stage}.parquet"} for stage in rows]
    head: dict[str, Any] = {
        "configs": [{"config_name": "default", "data_files": files}],
        "dataset_info": {"config_name": "default", "features": features},
    }
    run = trial.config
    about = {
        "base": run.model,
        "curriculum": run.curriculum,
        "arm": run.arm,
        "seed": run.seed,
        "domain": run.corpus.domain.kind,
        "representation": run.corpus.representation,
        "data_seed": run.corpus.data_seed,
        "steps of each stage": "all" if steps is None else f"the first {steps}",
    }
    return (
        f"---\n{yaml.safe_dump(head, sort_keys=False)}---\n\n"
        "# Training documents of a run of Programming by Backprop\n\n"
        + "".join(f"- {key}: {value}\n" for key, value in about.items())
        + "\nA split is a stage of training, a row a document, in the order of training.\n"
        "`input_ids` are what the model gets, special tokens included; the loss is on those from\n"
        "`n_prompt` on. `split` says which programs a document is of, `replay` whether it repeats\n"
        "stage 1, `input` which case of the program is executed.\n"
    )

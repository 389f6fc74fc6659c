"""A study that travels: its folder, its stages with model cards, and its items as CSV."""

from __future__ import annotations

import json
import os
import shutil
import uuid
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

import polars as pl
from pydantic import TypeAdapter

from analysis.checks import check_folder
from analysis.errors import reading
from analysis.item_files import current_files
from analysis.load import blamed
from analysis.sources import scan_rows
from pbb.config import Recipe, RlRecipe, RlStage, Source, TrainingStage
from search_spaces.study_file import load_study
from study.disk import disk_full, is_full
from study.files import TEMPORARY
from study.folder import StudyFolder
from study.places import Place, at_hand
from study.store import STAGE_FILE, Store
from study.trials import Row, read_trials

ITEMS_CSV: Final = "items.csv"
CARD: Final = "README.md"
_TRAINED: Final[TypeAdapter[TrainingStage]] = TypeAdapter(TrainingStage)


class ExportError(ValueError):
    """The folder holds no study, or it cannot be copied, or the destination is taken."""


def export(folder: Place, out: Path) -> Path:
    """Copy a study and the stages it used to `out`, a root that `launch --root` can go on from.

    `out` is made beside and gets its name when all of it is there. Returns the study's new folder,
    `out/<name>`. Raises ExportError, StudyError, and BadInput where a report would refuse.
    """
    store, path = at_hand(folder)
    source = StudyFolder(path.absolute())
    if not source.study.is_file():
        raise ExportError(f"{folder}: holds no study.yaml; name the folder that `launch` wrote")
    if os.path.lexists(out):
        raise ExportError(f"{out}: is there already; name a new folder: nothing is overwritten")
    if out.resolve().is_relative_to(path.resolve()):
        raise ExportError(f"{out}: lies within the study folder; name one outside it")
    name = load_study(source.study).name
    check_folder(source.path)
    with _made_beside(out) as made:
        _study(source, made / name)
        _stages(read_trials(source.trials), store, Store(made))
    return out / name


@contextmanager
def _made_beside(out: Path) -> Iterator[Path]:
    """A new folder that becomes `out`, or is removed."""
    out = out.absolute()
    made = out.with_name(f"{TEMPORARY}{uuid.uuid4().hex}")
    try:
        made.mkdir(parents=True)
        yield made
        made.replace(out)
    except OSError as error:
        if is_full(error):
            raise disk_full(out, error, "export") from error
        raise ExportError(f"{out}: {_why(error)}; nothing was exported") from error
    finally:
        shutil.rmtree(made, ignore_errors=True)


def _why(error: OSError) -> str:
    """The first of what `shutil` lists, or what the system says."""
    if isinstance(error, shutil.Error):
        source, _, why = error.args[0][0]
        return f"{source} cannot be copied ({why})"
    return f"{error.filename}: {error.strerror}" if error.filename else str(error)


def _study(source: StudyFolder, copied: Path) -> None:
    shutil.copytree(source.path, copied, ignore=shutil.ignore_patterns(".*"))
    if not current_files(copied / "items"):
        return
    try:
        with (copied / ITEMS_CSV).open("wb") as file:
            scan_rows(copied).frame.sink_csv(file)
    except (pl.exceptions.PolarsError, pl.exceptions.PanicException) as error:
        if is_full(error):
            raise disk_full(copied, error, "export") from error
        raise blamed(source.path, error) from error


def _stages(trials: Iterable[Row], store: Store, exported: Store) -> None:
    """The committed stages that the trials used; a card beside each that trained something."""
    used = {use["fingerprint"] for row in trials for use in row["stages"] or ()}
    for fingerprint in sorted(used):
        if not store.has(fingerprint):
            continue
        source, target = store.fetched(fingerprint), exported.path(fingerprint)
        shutil.copytree(source, target)
        with reading(source / STAGE_FILE):
            description = json.loads((target / STAGE_FILE).read_text("utf-8"))
            trained = description["stage"]["kind"] != "evaluate"
            card = model_card(description) if trained else ""
        if trained:
            (target / CARD).write_text(card, "utf-8")


_CARD_TEXT: Final = """---
base_model: {base_model}
library_name: {library}
tags: [programming-by-backprop]
---

# {role} `{fingerprint}`

{weights}, trained from {parent}.

- base: `{base.name}`, {base.n_params:,} parameters, SHA-256 `{base.sha256}`
- effort: {effort}
- seed: {seed}; data seed: {corpus.data_seed}

## Training data

{mixture}

Synthetic functions with nonsense names. A research artefact: it knows these programs, and nothing
else is claimed of it.

## Recipe and outcome

```json
{details}
```
"""


def model_card(description: Mapping[str, Any]) -> str:
    """Markdown with the front matter that model hubs read. description: of `stage.json`."""
    stage = _TRAINED.validate_python(description["stage"])
    parent, full = description["parent"], stage.lora.rank == 0
    details = {
        "recipe": stage.recipe.model_dump(),
        "lora": stage.lora.model_dump(),
        "outcome": description["outcome"],
    }
    return _CARD_TEXT.format(
        base_model=json.dumps(stage.base.name),
        library="transformers" if full else "peft",
        role=stage.role,
        fingerprint=description["fingerprint"],
        weights="All weights" if full else f"LoRA adapter of rank {stage.lora.rank}",
        parent=f"stage `{parent}`" if parent else "the base",
        base=stage.base,
        effort=_effort(stage.recipe),
        seed=stage.seed,
        corpus=stage.corpus,
        mixture="\n".join(_read(stage)),
        details=json.dumps(details, indent=2),
    )


def _effort(recipe: Recipe | RlRecipe) -> str:
    if isinstance(recipe, Recipe):
        return f"{recipe.steps} steps of {recipe.tokens_per_step} tokens"
    return (
        f"{recipe.steps} steps of {recipe.prompts_per_step} prompts, {recipe.group_size} answers "
        "sampled to each"
    )


def _read(stage: TrainingStage) -> list[str]:
    if isinstance(stage, RlStage):
        return [f"- reinforced: {_told(stage.source)}"]
    return [
        f"- {part.share:.0%} {_told(part.source)}{' (replay of stage 1)' if part.replay else ''}"
        for part in stage.mixture
    ]


def _told(source: Source) -> str:
    data = source.model_dump(mode="json")
    extra = [f"{k} {v}" for k, v in data.items() if k not in ("kind", "split") and v is not None]
    return " ".join([data["kind"], f"of {data['split']} programs", *extra])

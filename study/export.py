"""A study that travels: its folder, its stages with model cards, and its items as CSV."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, Final

import polars as pl
from pydantic import TypeAdapter

from analysis.errors import BadInput, first_line
from analysis.item_files import current_files
from pbb.config import Recipe, RlRecipe, RlStage, Source, TrainingStage
from search_spaces.study_file import load_study
from study.folder import StudyFolder
from study.places import Place, at_hand
from study.store import STAGE_FILE, Store
from study.trials import Row, read_trials

ITEMS_CSV: Final = "items.csv"
CARD: Final = "README.md"
_TRAINED: Final[TypeAdapter[TrainingStage]] = TypeAdapter(TrainingStage)


class ExportError(ValueError):
    """The folder holds no study, or the destination is taken."""


def export(folder: Place, out: Path) -> Path:
    """Copy a study and the stages it used to `out`, a root that `launch --root` can go on from.

    Returns the study's new folder, `out/<name>`. Raises ExportError, StudyError.
    """
    store, path = at_hand(folder)
    source = StudyFolder(path.absolute())
    if not source.study.is_file():
        raise ExportError(f"{folder}: holds no study.yaml; name the folder that `launch` wrote")
    if out.exists() and (not out.is_dir() or any(out.iterdir())):
        raise ExportError(f"{out}: is not empty; name a new folder, so that nothing is overwritten")
    if out.resolve().is_relative_to(path.resolve()):
        raise ExportError(f"{out}: lies within the study folder; name one outside it")
    copied = out / load_study(source.study).name
    shutil.copytree(source.path, copied, ignore=shutil.ignore_patterns(".*"))
    _items_csv(copied)
    _stages(read_trials(source.trials), store, Store(out))
    return copied


def _items_csv(folder: Path) -> None:
    try:
        files = current_files(folder / "items")
        if not files:
            return
        pl.scan_parquet(files, glob=False).sink_csv(folder / ITEMS_CSV)
    except (BadInput, pl.exceptions.PolarsError, pl.exceptions.PanicException) as error:
        raise ExportError(
            f"{folder / 'items'}: item rows cannot be read ({first_line(error)}); "
            "`report` says more"
        ) from error


def _stages(trials: Iterable[Row], store: Store, exported: Store) -> None:
    """The committed stages that the trials used; a card beside each that trained something."""
    used = {use["fingerprint"] for row in trials for use in row["stages"] or ()}
    for fingerprint in sorted(used):
        if not store.has(fingerprint):
            continue
        target = exported.path(fingerprint)
        shutil.copytree(store.fetched(fingerprint), target)
        description = json.loads((target / STAGE_FILE).read_text("utf-8"))
        if description["stage"]["kind"] != "evaluate":
            (target / CARD).write_text(model_card(description), "utf-8")


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

"""A study that travels: its folder, its stages with model cards, and its items as CSV."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterable
from pathlib import Path
from typing import Any, Final

import polars as pl

from pbb.config import TrainStage
from search_spaces.study_file import load_study
from study.plan import PlannedStage, make_plan
from study.store import STAGES, Store

ITEMS_CSV: Final = "items.csv"
CARD: Final = "README.md"


class ExportError(ValueError):
    """The folder holds no study, or the destination is taken."""


def export(folder: Path, out: Path) -> Path:
    """Copy a study and the stages it uses to `out`, a root that `launch --root` can go on from.

    Returns the study's new folder: `out/<name>`. Raises ExportError, StudyError, UnknownModel.
    """
    folder = folder.absolute()
    if not (folder / "study.yaml").is_file():
        raise ExportError(f"{folder}: holds no study.yaml; name the folder that `launch` wrote")
    if out.exists() and (not out.is_dir() or any(out.iterdir())):
        raise ExportError(f"{out}: is not empty; name a new folder, so that nothing is overwritten")
    if out.absolute().resolve().is_relative_to(folder.resolve()):
        raise ExportError(f"{out}: lies within the study folder; name one outside it")
    study = load_study(folder / "study.yaml")
    stages = make_plan(study).stages().values()
    copied = out / study.name
    shutil.copytree(folder, copied, ignore=shutil.ignore_patterns(".*"))
    _items_csv(copied)
    _stages(stages, Store(folder.parent), out)
    return copied


def _items_csv(folder: Path) -> None:
    files = sorted((folder / "items").glob("*.parquet"))
    if files:
        pl.scan_parquet(files).sink_csv(folder / ITEMS_CSV)


def _stages(stages: Iterable[PlannedStage], store: Store, out: Path) -> None:
    """Those that are committed; a card beside each that trained something."""
    for planned in stages:
        if not store.has(planned.fingerprint):
            continue
        target = out / STAGES / planned.fingerprint
        shutil.copytree(store.path(planned.fingerprint), target)
        if isinstance(planned.stage, TrainStage):
            outcome = store.outcome(planned.fingerprint)
            summary = outcome.model_dump(mode="json")["summary"] if outcome else None
            (target / CARD).write_text(model_card(planned, planned.stage, summary), "utf-8")


def model_card(planned: PlannedStage, stage: TrainStage, summary: dict[str, Any] | None) -> str:
    """Markdown with the front matter that model hubs read."""
    kind = "all weights" if stage.lora.rank == 0 else f"LoRA adapter of rank {stage.lora.rank}"
    continues = f"stage `{planned.parent}`" if planned.parent else "the base"
    mixture = "\n".join(
        f"- {component.share:.0%} {_described(component.source.model_dump(mode='json'))}"
        f"{' (replay of stage 1)' if component.replay else ''}"
        for component in stage.mixture
    )
    recipe = {
        "recipe": stage.recipe.model_dump(),
        "lora": stage.lora.model_dump(),
        "outcome": summary,
    }
    return f"""---
base_model: {json.dumps(stage.base.name)}
library_name: {"transformers" if stage.lora.rank == 0 else "peft"}
tags: [programming-by-backprop]
---

# {stage.role} `{planned.fingerprint}`

{kind[0].upper()}{kind[1:]}, trained from {continues}.

- base: `{stage.base.name}`, {stage.base.n_params:,} parameters, SHA-256 `{stage.base.sha256}`
- effort: {stage.recipe.steps} steps of {stage.recipe.tokens_per_step} tokens
- seed: {stage.seed}; data seed: {stage.corpus.data_seed}

## Training data

{mixture}

Synthetic functions with nonsense names. A research artefact: it knows these programs, and nothing
else is claimed of it.

## Recipe and outcome

```json
{json.dumps(recipe, indent=2)}
```
"""


def _described(source: dict[str, Any]) -> str:
    extra = [f"{k} {v}" for k, v in source.items() if k not in ("kind", "split") and v is not None]
    return " ".join([source["kind"], f"of {source['split']} programs", *extra])

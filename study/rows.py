"""Item rows: what an evaluation saw, and which run of which study was asked."""

from __future__ import annotations

import polars as pl

from pbb.config import DECLARED_ARMS, RunConfig
from pbb.records import ITEM_SCHEMA
from search_spaces.factors import domain_settings
from search_spaces.study_file import Study
from study.identity import canonical_json, fingerprint
from study.plan import Trial


def item_rows(study: Study, trial: Trial, neutral: pl.DataFrame) -> pl.DataFrame:
    """Rows of one evaluation in `ITEM_SCHEMA`'s columns, order and types.

    neutral: rows of `pbb.records.NEUTRAL_ITEM_COLUMNS`, as the evaluation stage left them.
    """
    config = trial.config
    asker = {
        "study": study.name,
        "run": trial.run,
        "model": config.model,
        "n_params": trial.chain[-1].stage.base.n_params,
        "curriculum": config.curriculum,
        "arm": config.arm,
        "instructions": int(config.arm in DECLARED_ARMS),
        "demonstrations": config.demonstrations,
        "demonstration_format": config.demonstration_format,
        "lora_rank": config.lora_rank,
        "acquisition": config.corpus.acquisition,
        "templates": config.corpus.templates,
        "seed": config.seed,
        "stage1_seed": config.seed,
        "factors": remaining_factors(trial),
    }
    cells = {each: cell(trial, each) for each in neutral["response_format"].unique().to_list()}
    return neutral.with_columns(
        *(pl.lit(value).alias(name) for name, value in asker.items()),
        pl.col("response_format").replace_strict(cells, return_dtype=pl.String).alias("cell"),
    ).select(pl.col(name).cast(dtype) for name, dtype in ITEM_SCHEMA.items())


def cell(trial: Trial, response_format: str | None) -> str:
    """Fingerprint of the factors without seeds, one a response format and one for recall."""
    factors = {name: value for name, value in trial.factors.items() if name != "seed"}
    return fingerprint(
        {"factors": factors, "nuisances": trial.nuisances, "response_format": response_format}
    )


def remaining_factors(trial: Trial) -> str:
    """Canonical JSON of what has no column of its own and may still tell two cells apart.

    domain_paths is asked of the generator; the column `paths` is what each program has. What tuning
    chose tells no cells apart: it is how a run was made well, not what is asked about.
    """
    config = trial.config
    return canonical_json(
        {
            "domain_paths": getattr(config.corpus.domain, "paths", None),
            **{f"domain_{k}": v for k, v in domain_settings(trial.factors).items()},
            **({"skew": config.skew} if config.skew else {}),
            **({} if "replay" in trial.tuned else {"replay": config.train.replay}),
            **_said(config),
            "stand_in": config.stand_in,
            **trial.nuisances,
        }
    )


def _said(config: RunConfig) -> dict[str, str | int]:
    """Factors that rows hold only where they are not left at their default."""
    found: dict[str, str | int] = {}
    if config.replay_source != "stage1":
        found["replay_source"] = config.replay_source
    if config.acquisition_demonstrations is not None:
        found["acquisition_demonstrations"] = config.acquisition_demonstrations
    return found

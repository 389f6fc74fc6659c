"""What runs must be for their counts to mean anything: known words, possible arms, one identity."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Final, get_args

import polars as pl

from analysis.curves import COMPARISON
from analysis.errors import BadInput
from pbb.config import DEMONSTRATED_ARMS, Arm, DemonstrationFormat, ResponseFormat, Split

RUN: Final = ("run", "model", "seed", "curriculum", "arm", "demonstrations", "demonstration_format")
"""A training run. Files from elsewhere may number their runs within an arm."""

ASKED: Final = (*RUN, "response_format", "split", "measure")
"""What has a last step of its own: a run may be asked some things later than others."""

CONSTANTS: Final = tuple(name for name in (*COMPARISON, "stage1_seed") if name not in RUN)
"""What else a run has one value of."""

SIZES: Final = {"n_params": 1, "lora_rank": 0, "acquisition": 0, "templates": 0}
"""Counts, and the least that each can be."""

VOCABULARY: Final = {
    "arm": get_args(Arm),
    "split": (*get_args(Split), "composed"),
    "response_format": get_args(ResponseFormat),
    "demonstration_format": get_args(DemonstrationFormat),
}


MEASURE: Final = "^[a-z][a-z0-9_]{0,31}$"
"""A domain may have measures of its own beside `execution`; their names are short words."""


def distinct_runs(counts: pl.DataFrame) -> pl.DataFrame:
    """RUN and CONSTANTS of every run: one row each, unless a run contradicts itself.

    counts: of `counts.count`.
    """
    return counts.lazy().select(*RUN, *CONSTANTS).unique().collect(engine="streaming")


def check_words(counts: pl.DataFrame, source: Path) -> None:
    """Raises BadInput on a word that the counts should not hold."""
    for name, words in VOCABULARY.items():
        strange = counts[name].unique().drop_nulls().sort()
        strange = strange.filter(~strange.is_in(list(words)))
        if len(strange):
            raise BadInput(f"{source}: unknown {name} {strange[0]!r}; known: {', '.join(words)}")
    measures = counts["measure"].unique().sort()
    strange = measures.filter(~measures.str.contains(MEASURE))
    if len(strange):
        raise BadInput(
            f"{source}: measure {strange[0]!r} is no short name; use up to 32 of a-z, 0-9 and _, "
            "a letter first (`execution` is what rates are made of)"
        )


def check_runs(runs: pl.DataFrame, source: Path) -> None:
    """Raises BadInput on an impossible arm, a run that contradicts itself, or a model with two
    sizes. runs: of `distinct_runs`."""
    _check_arms(runs, source)
    _check_sizes(runs, source)
    _check_constants(runs, source)


def _check_arms(runs: pl.DataFrame, source: Path) -> None:
    n = pl.col("demonstrations")
    shown = pl.col("arm").is_in(sorted(DEMONSTRATED_ARMS))
    bad = runs.filter((n < 0) | (shown != (n >= 1))).sort(RUN)
    if not bad.is_empty():
        raise BadInput(
            f"{source}: arm {bad['arm'][0]!r} with demonstrations={bad['demonstrations'][0]}; the "
            f"arms {', '.join(sorted(DEMONSTRATED_ARMS))} have 1 or more, all others 0 (n = 0 is "
            "'none')"
        )
    idle = runs.filter(~shown & pl.col("demonstration_format").is_not_null()).sort(RUN)
    if not idle.is_empty():
        raise BadInput(
            f"{source}: arm {idle['arm'][0]!r} shows no demonstrations, yet has "
            f"demonstration_format={idle['demonstration_format'][0]!r}; leave it empty there"
        )


def _check_sizes(runs: pl.DataFrame, source: Path) -> None:
    for name, least in SIZES.items():
        bad = runs[name].filter(runs[name] < least).sort()
        if len(bad):
            raise BadInput(f"{source}: {name}={bad[0]}; it is a count, {least} or more, or empty")


def _check_constants(runs: pl.DataFrame, source: Path) -> None:
    """A run is one training, and a model has one size."""
    for owner, names in ((RUN, CONSTANTS), (("model",), ("n_params",))):
        different = runs.group_by(owner).agg(pl.col(names).unique())
        for name in names:
            bad = different.filter(pl.col(name).list.len() > 1).sort(owner)
            if not bad.is_empty():
                whose, values = bad[owner[0]][0], bad[name][0]
                raise BadInput(
                    f"{source}: {owner[0]} {whose!r} has more than one {name}: "
                    f"{_listed(values)}; {_way_out(owner[0])}"
                )


def _listed(values: Any) -> str:
    return ", ".join("none" if value is None else repr(value) for value in values.sort())


def _way_out(owner: str) -> str:
    if owner == "run":
        return "a run is one training, so give trainings that differ names of their own"
    return "give the number of its parameters in every row or in none"

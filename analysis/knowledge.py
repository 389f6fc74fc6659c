"""Whether a model that answers wrong does not know the instruction, or knows it and cannot do it.

An answer in the format `recite` comes after the instruction, recited right or wrong: known is said
of each item. In other formats it is said of a program in a run: where most of the wordings in which
it was asked for (measure `recall`) were answered right.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any, Final, Literal

import polars as pl

from analysis.curves import Level, cells
from analysis.differences import Estimate, mean_of
from analysis.joint import JOINT

By = Literal["recitation", "recall"]

MOSTLY: Final = 0.5
"""A program is known where more than this share of its wordings was answered right."""

OF_PROGRAM: Final = tuple(
    name for name in JOINT if name not in ("response_format", "stage", "step")
)
"""What recall is of: no format, and the point at which a run is asked last."""


@dataclass(frozen=True)
class Knowledge:
    """One arm of one comparison, asked in one format.

    factors: COMPARISON, TREATMENT and keys of demonstrations alone. by: how it is told what is
    known. known: share of items. if_known, if_unknown: accuracy on these and on the others, null
    where there are none. wrong_though_known: share of the wrong answers, null without any.
    """

    factors: dict[str, Any]
    split: str
    by: By
    known: Estimate
    if_known: Estimate | None
    if_unknown: Estimate | None
    wrong_though_known: float | None
    n_known: int
    n_unknown: int
    n_programs: int
    n_runs: int


def knowledge(counts: pl.DataFrame, scores: pl.DataFrame, joint: pl.DataFrame) -> list[Knowledge]:
    """Every cell of which it is known; counts, scores, joint: as `load.Evidence` has them.

    Programs and runs weigh the same, those without an answer in every run are left out. The share
    of items that is known varies from run to run, so the two accuracies are ratios of means; their
    intervals are those of the linearised ratio, clustered two ways as every mean here is.
    """
    found: list[Knowledge] = []
    of_items = joint.with_columns(by=pl.lit("recitation"))
    both = [of_items, _by_program(counts, scores, of_items)]
    for (split, by), group in pl.concat(both, how="diagonal").group_by(
        "split", "by", maintain_order=True
    ):
        found += _of_split(group, str(split), "recitation" if by == "recitation" else "recall")
    return found


def _by_program(counts: pl.DataFrame, scores: pl.DataFrame, of_items: pl.DataFrame) -> pl.DataFrame:
    """Joint counts of formats that do not tell of each item whether it is known."""
    recall = scores.filter(measure="recall").select(*OF_PROGRAM, known=pl.col("score") > MOSTLY)
    asked = counts.filter(measure="execution").join(
        of_items, on=list(JOINT), how="anti", nulls_equal=True
    )
    known = asked.join(recall, on=list(OF_PROGRAM), nulls_equal=True)
    return known.select(
        *JOINT,
        "n_items",
        n_told=pl.col("n_items") * pl.col("known"),
        n_right="n_correct",
        n_both=pl.col("n_correct") * pl.col("known"),
        by=pl.lit("recall"),
    ).cast(dict.fromkeys(("n_items", "n_told", "n_right", "n_both"), pl.UInt32))


def _of_split(joint: pl.DataFrame, split: str, by: By) -> Iterator[Knowledge]:
    told, right, both = (
        cells(joint.with_columns(n_correct=pl.col(name)))
        for name in ("n_told", "n_right", "n_both")
    )
    for (factors, known), (_, correct), (_, known_right) in zip(told, right, both, strict=True):
        share = mean_of(known)
        if share is not None:
            yield _knowledge(factors, split, by, share, known, correct, known_right)


def _knowledge(
    factors: dict[str, Any],
    split: str,
    by: By,
    share: Estimate,
    known: Level,
    right: Level,
    both: Level,
) -> Knowledge:
    unknown = replace(known, accuracy=1 - known.accuracy)
    unknown_right = replace(right, accuracy=right.accuracy - both.accuracy)
    wrong = 1 - right.mean
    items = known.n_items
    return Knowledge(
        factors,
        split,
        by,
        share,
        _ratio(both, known),
        _ratio(unknown_right, unknown),
        (known.mean - both.mean) / wrong if wrong > 0 else None,
        round(float((known.accuracy * items).sum())),
        round(float((unknown.accuracy * items).sum())),
        len(known.programs),
        known.n_runs,
    )


def _ratio(part: Level, whole: Level) -> Estimate | None:
    """Mean of part over mean of whole; null where the whole is nothing.

    To first order the ratio r errs as the mean of (part - r whole) / mean of whole does (Cochran
    1977, section 2.11), so a level made of that has the ratio as its mean, and its interval.
    """
    if whole.mean <= 0:
        return None
    ratio = part.mean / whole.mean
    linear = ratio + (part.accuracy - ratio * whole.accuracy) / whole.mean
    found = mean_of(replace(part, accuracy=linear))
    assert found is not None, "the whole has programs"
    return found


def knowledge_frame(found: Sequence[Knowledge]) -> pl.DataFrame:
    """One row each, for a file; limits are null where there is no interval."""
    return pl.DataFrame([_flat(each) for each in found], infer_schema_length=None)


def _flat(each: Knowledge) -> dict[str, Any]:
    shares = {"known": each.known, "if_known": each.if_known, "if_unknown": each.if_unknown}
    limits = {
        f"{name}{suffix}": None if share is None else getattr(share, field)
        for name, share in shares.items()
        for suffix, field in (("", "value"), ("_ci_low", "ci_low"), ("_ci_high", "ci_high"))
    }
    of_items = {
        name: getattr(each, name)
        for name in ("wrong_though_known", "n_known", "n_unknown", "n_programs", "n_runs")
    }
    return each.factors | {"split": each.split, "by": each.by} | limits | of_items

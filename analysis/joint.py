"""Items whose instruction was recited before they were answered: how often both were right.

An item's two rows are paired by bits, as `analysis.counts` finds repeated items: an item sets its
bit in a word of 64 where it was recited right, and in another where it was answered right, and what
both have in common are bits in both.
"""

from __future__ import annotations

from typing import Final

import polars as pl

from analysis.counts import KEYS, WORD
from analysis.sources import Rows

TOLD: Final = "recitation"
"""The measure of an instruction that was recited before the answer."""

JOINT: Final = tuple(name for name in KEYS if name != "measure")
"""What a joint count is of."""


def joint_counts(rows: Rows, counts: pl.DataFrame) -> pl.DataFrame:
    """Of items that have rows of both `execution` and `recitation`: how many were right in which.

    counts: of `counts.count`, which has refused bad rows. Out: JOINT; n_items, n_told, n_right,
    n_both u32 (both: told right and answered right). Rows are read again, and only where there are
    recitations.
    """
    formats = counts.filter(measure=TOLD)["response_format"].unique().to_list()
    if not formats:
        empty = counts.clear().select(JOINT)
        sums = ("n_items", "n_told", "n_right", "n_both")
        return empty.with_columns(pl.lit(None, pl.UInt32).alias(name) for name in sums)
    asked = rows.frame.select(*rows.filled(KEYS), "item", "correct").filter(
        pl.col("measure").is_in(["execution", TOLD]) & pl.col("response_format").is_in(formats)
    )
    return _paired(asked).collect(engine="streaming")


def _paired(asked: pl.LazyFrame) -> pl.LazyFrame:
    told, bit = pl.col("measure") == TOLD, pl.col("bit")

    def bits(where: pl.Expr) -> pl.Expr:
        return pl.when(where).then(bit).otherwise(0).bitwise_or()

    both = pl.col("recited") & pl.col("answered")
    counted = {
        "n_items": both,
        "n_told": both & pl.col("told"),
        "n_right": both & pl.col("right"),
        "n_both": both & pl.col("told") & pl.col("right"),
    }
    return (
        asked.with_columns(
            word=pl.col("item") // WORD,
            bit=pl.lit(2, pl.UInt64).pow((pl.col("item") & (WORD - 1)).cast(pl.UInt32)),
        )
        .group_by(*JOINT, "word")
        .agg(
            recited=bits(told),
            answered=bits(~told),
            told=bits(told & pl.col("correct")),
            right=bits(~told & pl.col("correct")),
        )
        .group_by(JOINT)
        .agg(**{name: value.bitwise_count_ones().sum() for name, value in counted.items()})
        .filter(pl.col("n_items") > 0)
    )

"""What models said: for every arm the first right, the first wrong, the first malformed answer.

The choice is a rule, not a look: of each arm of the first models, on targets, in the comparison's
own order (most demonstrations, headline's format first, then seed, program, item), the first row of
each kind.
"""

from __future__ import annotations

from typing import Final

import polars as pl

from analysis.comparison import Pair

CHARACTERS: Final = 600
"""Prompts and outputs are cut here."""

MOST_MODELS: Final = 6
"""Models shown, by name: more would make a page that opens slowly."""

KINDS: Final = ("right", "wrong", "malformed")

ARMS: Final = ("instruction", "demonstrations", "both", "in_context", "placebo", "none")

RULE: Final = (
    f"Of every arm of up to {MOST_MODELS} models, by name, on target programs, the first right, "
    "the first wrong and the first malformed answer, in this order: the headline's formats first, "
    "most demonstrations first, then seed, program, item. Malformed: not right, and no answer can "
    "be read from it, that is, nothing (a number, where one is expected) follows `answer:`, or, "
    "asked directly, nothing stands first. Where no output of a format ever says "
    "`answer:`, only an empty one is malformed."
)

_CUE: Final = r"answer\s*:\s*"
_NUMBER: Final = r"-?\d"


def kind() -> pl.Expr:
    """`right`, `wrong` or `malformed`; within rows of one response format (use `.over`)."""
    output = pl.col("output").fill_null("")
    number = pl.col("expected").fill_null("").str.contains(r"^\s*-?\d+\s*$")
    direct = pl.col("response_format") == "direct"
    cued = output.str.contains(_CUE).any().over("response_format")
    start = pl.when(direct).then(pl.lit(r"^\s*")).otherwise(pl.lit(_CUE))
    found = pl.when(number).then(pl.lit(_NUMBER)).otherwise(pl.lit(r"\S"))
    answered = (
        pl.when(direct | cued)
        .then(output.str.contains(start + found))
        .otherwise(output.str.strip_chars() != "")
    )
    return (
        pl.when(pl.col("correct"))
        .then(pl.lit("right"))
        .when(answered)
        .then(pl.lit("wrong"))
        .otherwise(pl.lit("malformed"))
    )


def gallery(items: pl.LazyFrame, headline: Pair) -> pl.DataFrame:
    """One row per model, arm and kind: as ITEM_SCHEMA, with `kind`, and `share` of its arm's rows.

    Of the models, the first MOST_MODELS by name. The shares are of the chosen response format and
    n. Empty where the rows hold no text.
    """
    asked = items.filter(
        pl.col("prompt").is_not_null()
        & pl.col("output").is_not_null()
        & (pl.col("split") == "target")
        & (pl.col("measure") == "execution")
        & pl.col("arm").is_in(ARMS)
    )
    preferred = (
        pl.when(pl.col("arm").is_in(["demonstrations", "none"]))
        .then(pl.col("response_format") != headline.demonstrations)
        .otherwise(pl.col("response_format") != headline.instruction)
    )
    cell = ["model", "curriculum", "arm"]
    form = ["response_format", "demonstrations", "demonstration_format"]
    chosen = (
        asked.select(*cell, *form, aside=preferred)
        .unique()
        .sort("aside", "demonstrations", *form, descending=[False, True, False, True, False])
        .group_by(cell)
        .first()
        .drop("aside")
        .filter(pl.col("model").rank("dense") <= MOST_MODELS)
    )
    columns = [*cell, *form, "seed", "program", "item", "prompt", "expected", "output", "correct"]
    rows = (
        asked.join(chosen, on=[*cell, *form], how="semi", nulls_equal=True)
        .select(*columns)
        .with_columns(kind=kind())
    )
    keys = [*cell, "kind"]
    first = rows.sort("seed", "program", "item").group_by(keys).first()
    share = (
        rows.group_by(keys)
        .agg(count=pl.len())
        .with_columns(share=pl.col("count") / pl.col("count").sum().over(cell))
    )
    text = [
        pl.col(name).fill_null("").str.slice(0, CHARACTERS)
        for name in ("prompt", "expected", "output")
    ]
    order = {name: place for place, name in enumerate((*ARMS, *KINDS))}
    return (
        first.join(share, on=keys)
        .with_columns(*text)
        .sort(
            "model",
            pl.col("curriculum") == "none",
            "curriculum",
            pl.col("arm").replace_strict(order, return_dtype=pl.Int32),
            pl.col("kind").replace_strict(order, return_dtype=pl.Int32),
        )
        .collect()
    )

"""The rate in tokens: what an instruction is worth in text, and not in documents.

Both arms train on equally many tokens whatever they read, so tokens here are those of unique text:
of one declaration, and of one demonstration. Item rows do not have them; a study folder does, in
`documents.parquet`.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Final

import polars as pl

from analysis.comparison import Contest
from analysis.errors import BadInput, reading
from analysis.exchange import ExchangeRate
from analysis.paired import domain_paths
from pbb.records import ITEM_SCHEMA

SHARED: Final = ("model", "representation", "templates", "acquisition")
"""Columns that a comparison has under the same name; `paths` stands in its factors."""

TYPES: Final = {
    **{name: ITEM_SCHEMA[name] for name in SHARED},
    "paths": pl.Int64(),
    "document": pl.String(),
    "tokens": pl.Float64(),
}
COLUMNS: Final = tuple(TYPES)


@dataclass(frozen=True)
class DocumentLengths:
    """Mean tokens of one training document of a target program, by the base's tokenizer."""

    tokens_per_instruction: float
    tokens_per_demonstration: float


@dataclass(frozen=True)
class TokenRate:
    """An exchange rate in demonstration tokens per instruction token.

    rate, ci_low, ci_high, bound: as in `ExchangeRate`, times tokens_per_demonstration over
    tokens_per_instruction: how many tokens of demonstrations one token of instruction buys.
    """

    rate: float | None
    ci_low: float | None
    ci_high: float | None
    bound: float | None
    tokens_per_instruction: float
    tokens_per_demonstration: float

    @property
    def demonstration_tokens(self) -> float | None:
        """Tokens of demonstrations that equal one instruction; null unless estimated."""
        return None if self.rate is None else self.rate * self.tokens_per_instruction


def token_rate(rate: ExchangeRate, lengths: DocumentLengths | None) -> TokenRate | None:
    """Null where lengths are not known, as for item rows from elsewhere."""
    if lengths is None:
        return None
    price = lengths.tokens_per_demonstration / lengths.tokens_per_instruction
    in_tokens = [
        None if each is None else each * price
        for each in (rate.rate, rate.ci_low, rate.ci_high, rate.bound)
    ]
    return TokenRate(
        in_tokens[0],
        in_tokens[1],
        in_tokens[2],
        in_tokens[3],
        lengths.tokens_per_instruction,
        lengths.tokens_per_demonstration,
    )


def read_lengths(source: Path) -> pl.DataFrame | None:
    """Lengths of a study folder's documents, columns COLUMNS; null where it does not have them.

    Raises BadInput where the file cannot be read, or holds no positive length.
    """
    file = source / "documents.parquet"
    if not source.is_dir() or not file.exists():
        return None
    with reading(file):
        lengths = pl.read_parquet(file, columns=list(COLUMNS)).cast(pl.Schema(TYPES))
        sound = pl.col("tokens").is_finite() & (pl.col("tokens") > 0)
        wrong = lengths.filter(~sound.fill_null(False))["tokens"]
    if len(wrong):
        raise BadInput(f"{file}: tokens={wrong[0]} is no length; move the file away")
    return lengths


def lengths_of(contest: Contest, lengths: pl.DataFrame | None) -> DocumentLengths | None:
    """Those of a comparison's documents; null where the folder does not say."""
    if lengths is None:
        return None
    same = {name: contest.factors.get(name) for name in SHARED}
    same["paths"] = domain_paths(contest)
    found = lengths.filter(*(pl.col(name).eq_missing(value) for name, value in same.items()))
    tokens = dict(found.select("document", "tokens").iter_rows())
    shown = contest.pair.demonstration_format
    if not {"instruction", shown} <= set(tokens):
        return None
    return DocumentLengths(tokens["instruction"], tokens[shown])

"""Item rows from a study folder, or from one Parquet or CSV file from anywhere, in one schema.

A file that pbb did not write needs the columns of `pbb.records.REQUIRED_COLUMNS`; the others have
defaults. Types are strict: a value that would have to be guessed is refused, not guessed.
"""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Final, get_args

import polars as pl

from analysis.errors import BadInput as BadInput
from pbb.config import (
    DECLARED_ARMS,
    DEMONSTRATED_ARMS,
    Arm,
    DemonstrationFormat,
    ResponseFormat,
    Split,
)
from pbb.records import ITEM_SCHEMA, REQUIRED_COLUMNS, SCHEMA_KEY, SCHEMA_VERSION

FACTOR_COLUMNS: Final = (
    "model",
    "n_params",
    "curriculum",
    "arm",
    "demonstrations",
    "demonstration_format",
    "representation",
    "domain",
    "lora_rank",
    "acquisition",
    "templates",
    "factors",
)
"""What identifies a cell: everything that was varied except the seeds."""

RUN: Final = ("run", "model", "seed", "curriculum", "arm", "demonstrations", "demonstration_format")
"""A training run. Files from elsewhere may number their runs within an arm."""

ROW: Final = (*RUN, "response_format", "split", "measure", "step", "program", "item")
"""What may occur once."""

TRUE: Final = frozenset({"true", "t", "yes", "y", "1"})
FALSE: Final = frozenset({"false", "f", "no", "n", "0"})
VOCABULARY: Final = {
    "arm": get_args(Arm),
    "split": (*get_args(Split), "composed"),
    "measure": ("execution", "recitation"),
    "response_format": get_args(ResponseFormat),
    "demonstration_format": get_args(DemonstrationFormat),
}


def load_items(source: Path) -> pl.LazyFrame:
    """Item rows in `pbb.records.ITEM_SCHEMA`, each run's last step only.

    Raises BadInput where the source cannot be read, is empty, lacks a required column, holds a
    value of the wrong type, repeats a row, or was written under a newer schema.
    """
    try:
        frame = _read(source)
        items = _conform(frame, source)
        _check(items, source)
    except (pl.exceptions.PolarsError, OSError) as error:
        raise BadInput(f"{source}: cannot be read as item rows ({_first_line(error)})") from error
    return items.filter(pl.col("step") == pl.col("step").max().over(RUN))


def _first_line(error: Exception) -> str:
    return (str(error).strip() or type(error).__name__).splitlines()[0]


def _read(source: Path) -> pl.LazyFrame:
    if not source.exists():
        raise BadInput(f"{source} does not exist; give a study folder, a .parquet or a .csv file")
    if source.is_dir():
        files = sorted((source / "items").glob("*.parquet"))
        if not files:
            raise BadInput(
                f"{source} is no study folder with results: it holds no items/*.parquet; launch "
                "the study first, or give another folder"
            )
        return pl.concat([_scan_parquet(file) for file in files], how="diagonal_relaxed")
    if source.suffix == ".parquet":
        return _scan_parquet(source)
    if source.suffix == ".csv":
        # Inference would guess types from the first rows; text is converted strictly instead.
        return pl.read_csv(source, infer_schema=False).lazy()
    raise BadInput(
        f"{source}: unknown kind of file; give a study folder, a .parquet or a .csv file"
    )


def _scan_parquet(file: Path) -> pl.LazyFrame:
    try:
        version = pl.read_parquet_metadata(file).get(SCHEMA_KEY, str(SCHEMA_VERSION))
    except (pl.exceptions.PolarsError, OSError) as error:
        raise BadInput(f"{file}: not a readable Parquet file ({_first_line(error)})") from error
    if not version.isdecimal():
        raise BadInput(f"{file}: {SCHEMA_KEY}={version!r} is no version number")
    if int(version) > SCHEMA_VERSION:
        raise BadInput(
            f"{file} has schema version {version}, newer than the {SCHEMA_VERSION} that this "
            "version reads; upgrade pbb"
        )
    return pl.scan_parquet(file)


def _conform(frame: pl.LazyFrame, source: Path) -> pl.LazyFrame:
    """Casts and fills defaults, in the order of ITEM_SCHEMA; other columns are dropped."""
    have = frame.collect_schema()
    missing = [name for name in REQUIRED_COLUMNS if name not in have]
    if missing:
        raise BadInput(
            f"{source} lacks the column(s) {', '.join(missing)}; item rows need "
            f"{', '.join(REQUIRED_COLUMNS)}"
        )
    text = source.suffix == ".csv"
    present = {name: dtype for name, dtype in have.items() if name in ITEM_SCHEMA}
    converted = {
        name: _conversion(name, dtype, text=text, source=source) for name, dtype in present.items()
    }
    _check_values(frame, converted, source)
    typed = frame.with_columns(**converted)
    filled = typed.with_columns(**_defaults(source, set(present)))
    return filled.with_columns(cell=_cell(filled, "cell" in present)).select(
        pl.col(name).cast(dtype) for name, dtype in ITEM_SCHEMA.items()
    )


def _conversion(name: str, have: pl.DataType, *, text: bool, source: Path) -> pl.Expr:
    """Column `name` as ITEM_SCHEMA wants it; null where a value does not convert."""
    want, column = ITEM_SCHEMA[name], pl.col(name)
    if have == want or have == pl.Null:
        return column.cast(want)
    if have == pl.String and text:
        plain = column.str.strip_chars()
        if want == pl.Boolean:
            lower = plain.str.to_lowercase()
            return pl.when(lower.is_in(TRUE)).then(True).when(lower.is_in(FALSE)).then(False)
        return plain.cast(want, strict=False)
    if (have.is_integer() and want != pl.Boolean) or (have.is_float() and want.is_float()):
        return column.cast(want, strict=False)
    if isinstance(have, pl.Categorical | pl.Enum) and want == pl.String:
        return column.cast(want)
    raise BadInput(f"{source}: column {name!r} holds {have}, but must hold {want}; cast it first")


def _check_values(frame: pl.LazyFrame, converted: dict[str, pl.Expr], source: Path) -> None:
    """Raises BadInput on no rows, on a value that did not convert, and on a missing one."""
    wrong = {
        name: pl.col(name).filter(pl.col(name).is_not_null() & typed.is_null()).first()
        for name, typed in converted.items()
    }
    empty = {f"{name} ": pl.col(name).null_count() for name in REQUIRED_COLUMNS}
    found = frame.select(pl.len().alias(" rows"), **wrong, **empty).collect().row(0, named=True)
    if not found[" rows"]:
        raise BadInput(f"{source} holds no item rows")
    for name in converted:
        if found[name] is not None:
            raise BadInput(
                f"{source}: column {name!r} holds {found[name]!r}, which is no {ITEM_SCHEMA[name]}"
            )
    for name in REQUIRED_COLUMNS:
        if found[f"{name} "]:
            raise BadInput(f"{source}: column {name!r} has {found[f'{name} ']} missing value(s)")


def _defaults(source: Path, present: set[str]) -> dict[str, pl.Expr]:
    """Every optional column, with what holds where a file does not say."""
    instructed = pl.col("arm").is_in(sorted(DECLARED_ARMS))
    traced = pl.when(pl.col("demonstrations") > 0).then(pl.lit("trace"))
    known: dict[str, pl.Expr] = {
        "study": pl.lit(source.stem),
        "curriculum": pl.lit("proactive"),
        "instructions": instructed.cast(pl.Int32),
        "demonstration_format": traced,
        "response_format": pl.lit("cot"),
        "stage1_seed": pl.col("seed"),
        "split": pl.lit("target"),
        "measure": pl.lit("execution"),
        "step": pl.lit(0),
        "score": pl.col("correct").cast(pl.Float32),
        "factors": pl.lit("{}"),
    }
    filled = {
        name: pl.coalesce(pl.col(name), default) if name in present else default
        for name, default in known.items()
    }
    unknown = set(ITEM_SCHEMA) - present - set(known) - set(REQUIRED_COLUMNS)
    return filled | {name: pl.lit(None, ITEM_SCHEMA[name]) for name in sorted(unknown)}


def _cell(items: pl.LazyFrame, present: bool) -> pl.Expr:
    """The cell named in the file, else a hash of the factor columns."""
    factors = pl.concat_str(
        [pl.col(name).cast(pl.String).fill_null("") for name in FACTOR_COLUMNS], separator="\x1f"
    )
    keys = items.select(factors.unique().alias("key")).collect()["key"].to_list()
    names = {key: hashlib.sha256(key.encode()).hexdigest()[:16] for key in keys}
    derived = factors.replace_strict(names, return_dtype=pl.String)
    return pl.coalesce(pl.col("cell"), derived) if present else derived


def _check(items: pl.LazyFrame, source: Path) -> None:
    """Raises BadInput on an unknown word, an impossible arm, or a repeated row."""
    for name, words in VOCABULARY.items():
        strange = items.filter(~pl.col(name).is_in(list(words))).select(name).head(1).collect()
        if not strange.is_empty():
            raise BadInput(
                f"{source}: unknown {name} {strange[name][0]!r}; known: {', '.join(words)}"
            )
    shown = pl.col("arm").is_in(sorted(DEMONSTRATED_ARMS))
    impossible = items.filter(shown != (pl.col("demonstrations") >= 1)).head(1).collect()
    if not impossible.is_empty():
        arm, n = impossible["arm"][0], impossible["demonstrations"][0]
        raise BadInput(
            f"{source}: arm {arm!r} with demonstrations={n}; the arms "
            f"{', '.join(sorted(DEMONSTRATED_ARMS))} have 1 or more, all others 0 (n = 0 is 'none')"
        )
    repeated = items.group_by(ROW).len("times").filter(pl.col("times") > 1).sort(ROW)
    first = repeated.head(1).collect()
    if not first.is_empty():
        what = ", ".join(f"{name}={value!r}" for name, value in first.row(0, named=True).items())
        raise BadInput(f"{source} repeats item rows, first {what}; remove the duplicates")

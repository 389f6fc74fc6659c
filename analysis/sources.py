"""Where item rows come from: a study folder, or one Parquet or CSV file from anywhere.

Types are strict: a value that would have to be guessed is refused, not guessed. Parquet files are
scanned and nothing but their footers is read here; a CSV file is held in memory.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import polars as pl

from analysis.errors import UNREADABLE, BadInput, NewerSchema, first_line
from analysis.item_files import current_files
from pbb.config import DECLARED_ARMS
from pbb.records import ITEM_SCHEMA, REQUIRED_COLUMNS, SCHEMA_KEY, SCHEMA_VERSION

TRUE: Final = frozenset({"true", "t", "yes", "y", "1"})
FALSE: Final = frozenset({"false", "f", "no", "n", "0"})

LAST_STAGE: Final = 2
"""Where rows do not say: `step` counts the steps of stage 2."""

ARROW_SCHEMA: Final = "ARROW:schema"
"""Key under which a Parquet file's metadata holds its schema whole, where the writer put it."""

MOST_DIGITS: Final = 9
"""Of a schema version; Python refuses to read thousands."""

Schema = tuple[tuple[str, pl.DataType], ...]


@dataclass(frozen=True)
class Rows:
    """Item rows as a source has them.

    frame: those columns of ITEM_SCHEMA that the source has, in that order and of those types.
    Numbers of another width are cast strictly: collecting raises where one does not fit.
    """

    source: Path
    frame: pl.LazyFrame
    columns: tuple[str, ...]

    def filled(self, names: Iterable[str]) -> list[pl.Expr]:
        """These columns of ITEM_SCHEMA, with what holds where the source does not say."""
        known = _defaults(self.source, self.columns)
        found = []
        for name in names:
            default = known.get(name, pl.lit(None))
            value = pl.coalesce(pl.col(name), default) if name in self.columns else default
            found.append(value.cast(ITEM_SCHEMA[name]).alias(name))
        return found


def scan_rows(source: Path) -> Rows:
    """Raises BadInput where the source cannot be read, lacks a required column or holds a column of
    the wrong type, or was written under a newer schema."""
    if not source.exists():
        raise BadInput(f"{source} does not exist; give a study folder, a .parquet or a .csv file")
    if source.is_dir():
        files = current_files(source / "items")
        if not files:
            raise BadInput(
                f"{source} is no study folder with results: it holds no items/*.parquet; launch "
                "the study first, or give another folder"
            )
        frame = _scan_parquet(files)
    elif source.suffix.lower() == ".parquet":
        frame = _scan_parquet([source])
    elif source.suffix.lower() == ".csv":
        frame = _read_csv(source)
    else:
        raise BadInput(
            f"{source}: unknown kind of file; give a study folder, a .parquet or a .csv file"
        )
    return Rows(source, frame, tuple(frame.collect_schema().names()))


def scan_file(file: Path) -> Rows:
    """One of the files of `items/`, alone. Raises BadInput as `scan_rows` does."""
    frame = _scan_parquet([file])
    return Rows(file, frame, tuple(frame.collect_schema().names()))


def _scan_parquet(files: Sequence[Path]) -> pl.LazyFrame:
    """All files as one scan for every schema they have; a study folder has one or two."""
    alike: dict[Schema, list[Path]] = {}
    known: dict[str, Schema] = {}
    for file in files:
        alike.setdefault(_schema(file, known), []).append(file)
    present = {name for schema in alike for name, _ in schema}
    scans = [
        _scan(group).select(_typed(dict(schema), present, group[0]))
        for schema, group in alike.items()
    ]
    return pl.concat(scans)


def _scan(files: list[Path]) -> pl.LazyFrame:
    """A file's name is a name: neither a pattern nor a column."""
    return pl.scan_parquet(files, glob=False, hive_partitioning=False)


def _schema(file: Path, known: dict[str, Schema]) -> Schema:
    """Columns and types of a file; known: by the files' own word, so that each is parsed once."""
    try:
        metadata = pl.read_parquet_metadata(file)
        _check_version(file, metadata.get(SCHEMA_KEY, str(SCHEMA_VERSION)))
        word = metadata.get(ARROW_SCHEMA)
        schema = known.get(word) if word else None
        schema = schema or tuple(_scan([file]).collect_schema().items())
    except UNREADABLE as error:
        raise BadInput(f"{file}: not a readable Parquet file ({first_line(error)})") from error
    if word:
        known[word] = schema
    return schema


def _check_version(file: Path, version: str) -> None:
    if not version.isdecimal() or len(version) > MOST_DIGITS:
        raise BadInput(f"{file}: {SCHEMA_KEY}={version[:40]!r} is no version number")
    if int(version) > SCHEMA_VERSION:
        raise NewerSchema(
            f"{file} has schema version {version}, newer than the {SCHEMA_VERSION} that this "
            "version reads; upgrade pbb"
        )


def _typed(have: dict[str, pl.DataType], present: set[str], file: Path) -> list[pl.Expr]:
    """The columns that any file has; null where this one lacks it."""
    _check_columns(have, file)
    return [
        _cast(name, have[name], file) if name in have else pl.lit(None, dtype).alias(name)
        for name, dtype in ITEM_SCHEMA.items()
        if name in present
    ]


def _check_columns(have: dict[str, pl.DataType], file: Path) -> None:
    missing = [name for name in REQUIRED_COLUMNS if name not in have]
    if missing:
        raise BadInput(
            f"{file} lacks the column(s) {', '.join(missing)}; item rows need "
            f"{', '.join(REQUIRED_COLUMNS)}"
        )


def _cast(name: str, have: pl.DataType, file: Path) -> pl.Expr:
    want, column = ITEM_SCHEMA[name], pl.col(name)
    if have == want:
        return column
    same_kind = (
        have == pl.Null
        or (have.is_integer() and want.is_numeric())
        or (have.is_float() and want.is_float())
        or (isinstance(have, pl.Categorical | pl.Enum) and want == pl.String)
    )
    if not same_kind:
        raise BadInput(f"{file}: column {name!r} holds {have}, but must hold {want}; cast it first")
    return column.cast(want)


def _read_csv(file: Path) -> pl.LazyFrame:
    """Text converted strictly: inference would guess types from the first rows."""
    try:
        text = pl.read_csv(file, infer_schema=False)
        head = pl.read_csv(file, infer_schema=False, has_header=False, n_rows=1)
    except UNREADABLE as error:
        raise BadInput(f"{file}: cannot be read as item rows ({first_line(error)})") from error
    twice = [name for name, n in Counter(head.row(0) if head.height else ()).items() if n > 1]
    if twice:
        raise BadInput(f"{file}: column {twice[0]!r} occurs more than once; keep one of them")
    _check_columns(dict(text.schema), file)
    names = [name for name in ITEM_SCHEMA if name in text.columns]
    typed = text.select(_parsed(name) for name in names)
    for name in names:
        wrong = text[name].filter(text[name].is_not_null() & typed[name].is_null())
        if len(wrong):
            raise BadInput(f"{file}: column {name!r} holds {wrong[0]!r}, no {ITEM_SCHEMA[name]}")
    return typed.lazy()


def _parsed(name: str) -> pl.Expr:
    """Text as its column's type; null where it is none."""
    want, column = ITEM_SCHEMA[name], pl.col(name)
    if want == pl.String:
        return column
    plain = column.str.strip_chars()
    if want == pl.Boolean:
        lower = plain.str.to_lowercase()
        truth = pl.when(lower.is_in(TRUE)).then(True).when(lower.is_in(FALSE)).then(False)
        return truth.alias(name)
    return plain.cast(want, strict=False)


def _defaults(source: Path, columns: Sequence[str]) -> dict[str, pl.Expr]:
    traced = pl.when(pl.col("demonstrations") > 0).then(pl.lit("trace"))
    asked = pl.lit("cot")
    if "measure" in columns:  # an instruction that is asked for by itself is asked in no format
        asked = pl.when(pl.col("measure").ne_missing(pl.lit("recall"))).then(asked)
    return {
        "study": pl.lit(source.stem),
        "curriculum": pl.lit("proactive"),
        "instructions": pl.col("arm").is_in(sorted(DECLARED_ARMS)),
        "demonstration_format": traced,
        "response_format": asked,
        "stage1_seed": pl.col("seed"),
        "split": pl.lit("target"),
        "measure": pl.lit("execution"),
        "stage": pl.lit(LAST_STAGE),
        "step": pl.lit(0),
        "score": pl.col("correct"),
        "factors": pl.lit("{}"),
    }

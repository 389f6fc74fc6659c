"""The error that means: the input is wrong, and here is what to do about it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

import polars as pl
import yaml

UNREADABLE: Final = (pl.exceptions.PolarsError, pl.exceptions.PanicException, OSError)
"""What reading a table may raise; on a damaged file Polars may panic, which is no PolarsError."""


class BadInput(ValueError):
    """Item rows, or a study folder, that cannot be analysed; the message names the way out."""


class NewerSchema(BadInput):
    """Rows that a newer version wrote; there is nothing wrong with them."""


def first_line(error: BaseException) -> str:
    """What a library's error says, without the query plan that may follow it."""
    return (str(error).strip() or type(error).__name__).splitlines()[0]


@contextmanager
def reading(file: Path) -> Iterator[None]:
    """Whatever is wrong with a file is told as BadInput: what others wrote may hold anything."""
    if file.is_dir():
        raise BadInput(f"{file}: is a folder where a file should be; move it away")
    try:
        yield
    except BadInput:
        raise
    except (
        ArithmeticError,
        AttributeError,
        KeyError,
        RecursionError,
        TypeError,
        ValueError,
        yaml.YAMLError,
        *UNREADABLE,
    ) as error:
        why = first_line(error)
        raise BadInput(f"{file}: cannot be read ({why}); mend it or move it away") from error

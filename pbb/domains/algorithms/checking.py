"""Which functions can be used, and why the others cannot: what `pbb-study data check` shows."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal

from pbb.domains import python_prose
from pbb.domains.algorithms import source
from pbb.domains.algorithms.cases import Prepared, prepare
from pbb.domains.algorithms.embedding import read_faithful
from pbb.domains.configs import FunctionSource

Prose = Literal["steps", "statement"]


@dataclass(frozen=True)
class Usable:
    """A function, or a file or line that gave none.

    reason: why it cannot be used; null where it can. answers: different answers to its inputs.
    unprosaic: why its steps cannot be told as prose; null where they can. stated: whether it has a
    statement of its problem, for `prose: statement`.
    """

    name: str
    reason: str | None
    answers: int = 0
    unprosaic: str | None = None
    stated: bool = False

    @property
    def usable(self) -> bool:
        return self.reason is None


def check_functions(functions: Sequence[FunctionSource], inputs: int) -> tuple[Usable, ...]:
    """A row for each function, in order. inputs: cases wanted of each, as `domain.inputs`."""
    return tuple(map(_row, prepare(tuple(functions), inputs)))


def check_folder(path: Path, inputs: int) -> tuple[Usable, ...]:
    """The same for a folder, and what in it gave no function. Raises UnreadableFolder."""
    found = read_faithful(path, inputs)
    refused = (Usable(each.where, each.reason) for each in found.refusals)
    return (*check_functions(found.functions, inputs), *refused)


def told_as_prose(rows: Sequence[Usable], prose: Prose) -> tuple[Usable, ...]:
    """The rows, where what prose cannot tell cannot be used. prose: as `domain.prose`."""
    return tuple(replace(each, reason=each.reason or _untold(each, prose)) for each in rows)


def _untold(row: Usable, prose: Prose) -> str | None:
    if prose == "statement":
        missing = "prose: statement, and it has no statement; give it a docstring, or choose steps"
        return None if row.stated else missing
    if row.unprosaic is None:
        return None
    return f"prose: steps, and {row.unprosaic}; choose statement, or representation: code"


def _row(made: Prepared) -> Usable:
    answers = len({case.answer for case in made.cases})
    if not made.code:
        return Usable(made.name, made.reason)
    stated = bool(source.statement(made.code))
    return Usable(made.name, made.reason, answers, _unprosaic(made.code), stated)


def _unprosaic(code: str) -> str | None:
    try:
        python_prose.prose(source.function(code, source.PLACEHOLDER), 0)
    except python_prose.NotProse as error:
        return str(error)
    return None

"""Whether a function, as it is told, answers as its file does, run as it was written."""

from __future__ import annotations

import ast
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Final

from pbb.domains.algorithms.child.screening import refusals, text_refusal
from pbb.domains.algorithms.sandbox import Ran
from pbb.domains.algorithms.scopes import DEFINITIONS, binds, free, is_for_main, is_future, reached
from pbb.domains.algorithms.syntax import NotAProgram, bare, first_line

SILENT_PRINT: Final = "def print(*values, **settings):\n    pass\n"
"""A file may print where it stands; what its functions print is refused elsewhere."""
RAISED: Final = "raised "
_DEFINING: Final = (*DEFINITIONS, ast.Import, ast.ImportFrom)


@lru_cache(maxsize=1024)
def as_written(text: str, name: str) -> str:
    """A whole file for the sandbox: each of its top-level statements that may run there, in order.

    Left out are definitions that neither the function `name` nor another statement mentions, and
    what is refused, unless the function uses what that could change. Raises NotAProgram.
    """
    module = bare(text)
    module.body = [n for n in module.body if not (is_for_main(n) or is_future(n))]
    refused = _refused(module)
    function = [each for each in module.body if _is(each, name)]
    if not function:
        raise NotAProgram(f"no function {name!r} at the top level")
    _, used = reached(module.body, function[-1])
    for statement, reason in refused.items():
        if not isinstance(statement, _DEFINING):
            _refuse_if_it_matters(module, statement, used, reason)
    module.body = [each for each in module.body if each not in refused]
    _drop_unmentioned(module, name)
    source = SILENT_PRINT + ast.unparse(module)
    if wrong := text_refusal(source):
        raise NotAProgram(f"its file cannot run whole: {wrong}; split the file")
    return source


def _refused(module: ast.Module) -> dict[ast.stmt, str]:
    """Statements that may not run here, and those that run on what they would set: why."""
    found = dict(refusals(module, bound=frozenset({"print"})))
    while True:
        missing = {name for each in found for name in binds(each)}
        missing -= {name for each in module.body if each not in found for name in binds(each)}
        further = {
            each: f"needs {min(lacks)}, which cannot be had here"
            for each in module.body
            if each not in found and (lacks := missing & _used_at_once(each))
        }
        if not further:
            return found
        found |= further


def _used_at_once(statement: ast.stmt) -> set[str]:
    """Names that a statement wants when it is reached; those in a function's body, when called."""
    if not isinstance(statement, ast.FunctionDef):
        return free(statement)
    arguments = statement.args
    given = (*statement.decorator_list, *arguments.defaults, *filter(None, arguments.kw_defaults))
    return {name for each in given for name in free(ast.Expr(each))}


def _is(statement: ast.stmt, name: str) -> bool:
    return isinstance(statement, ast.FunctionDef) and statement.name == name


def _refuse_if_it_matters(
    module: ast.Module, statement: ast.stmt, used: frozenset[str], reason: str
) -> None:
    data = used - {each.name for each in module.body if isinstance(each, DEFINITIONS)}
    _, touched = reached(module.body, statement)
    if shared := sorted(data & touched):
        raise NotAProgram(
            f"uses {', '.join(shared)}, as does {first_line(statement)}, which cannot run here "
            f"({reason}); put that line under if __name__ == '__main__':"
        )


def _drop_unmentioned(module: ast.Module, name: str) -> None:
    """Functions that nothing left mentions, again and again: most files hold several programs."""
    while True:
        mentioned = {name}
        for each in module.body:
            names = {node.id for node in ast.walk(each) if isinstance(node, ast.Name)}
            own = {each.name} if isinstance(each, ast.FunctionDef) else set()
            mentioned |= names - own
        kept = [n for n in module.body if not isinstance(n, ast.FunctionDef) or n.name in mentioned]
        if len(kept) == len(module.body):
            return
        module.body = kept


@dataclass(frozen=True)
class Disagreement:
    """late: whether the reason is want of seconds, which another machine might have."""

    reason: str
    late: bool = False


def disagreement(
    calls: Sequence[str], answers: Sequence[str | None], ran: Sequence[Ran]
) -> Disagreement | None:
    """How the file answers otherwise; null where it never does.

    answers: of the function as it is told. ran: of the file as written. A limit that the whole file
    passes, whose other lines count, tells nothing of the function; unless it passes it always.
    """
    told = [each.answer is not None or (each.error or "").startswith(RAISED) for each in ran]
    if calls and not any(told):
        silent = next((each for each in ran if each.late), ran[0])
        return Disagreement(
            f"its file, run as it is written, gives no answer: {silent.error}; let the file do "
            "less at its top level",
            silent.late,
        )
    for call, answer, whole, is_told in zip(calls, answers, ran, told, strict=True):
        if is_told and whole.answer != answer:
            gives = whole.answer if whole.answer is not None else whole.error
            return Disagreement(
                f"differs from its file as written, where {call[:60]} gives {str(gives)[:60]}; "
                f"taken out of it, {str(answer)[:60]}; let it depend on no top-level line but "
                "definitions and plain assignments"
            )
    return None

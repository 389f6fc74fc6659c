"""Defaults of a function that use top-level names: worked out outside it, where no name is left."""

from __future__ import annotations

import ast
from collections.abc import Sequence
from typing import Final

from pbb.domains.algorithms.scopes import binds, free
from pbb.domains.algorithms.syntax import NotAProgram

_SCOPES: Final = (ast.Lambda, ast.ListComp, ast.SetComp, ast.DictComp, ast.GeneratorExp)
"""Within these a name may be another's."""


def with_values(statements: Sequence[ast.stmt], function: ast.FunctionDef) -> None:
    """Puts plain values in place of top-level names. Raises NotAProgram where one has none."""
    arguments = function.args
    positional = [*arguments.posonlyargs, *arguments.args]
    with_one = positional[len(positional) - len(arguments.defaults) :]
    arguments.defaults = [
        _with_values(statements, parameter.arg, default)
        for parameter, default in zip(with_one, arguments.defaults, strict=True)
    ]
    arguments.kw_defaults = [
        None if default is None else _with_values(statements, parameter.arg, default)
        for parameter, default in zip(arguments.kwonlyargs, arguments.kw_defaults, strict=True)
    ]


def _with_values(statements: Sequence[ast.stmt], parameter: str, default: ast.expr) -> ast.expr:
    has_scopes = any(isinstance(each, _SCOPES) for each in ast.walk(default))
    known: dict[str, ast.expr] = {}
    for name in sorted(free(ast.Expr(default))):
        binding = [each for each in statements if name in binds(each)]
        if not binding:
            continue
        value = None if has_scopes else _plain(binding)
        if value is None:
            raise NotAProgram(
                f"its default {parameter}={ast.unparse(default)} uses {name} of its file, "
                "which is no plain value that is set once; write the value there itself"
            )
        known[name] = value
    replaced: ast.expr = _Values(known).visit(default)
    return replaced


def _plain(binding: Sequence[ast.stmt]) -> ast.expr | None:
    """A number, a text, or a tuple of them: nothing that calls could share and change."""
    match binding:
        case [ast.Assign(targets=[ast.Name()], value=value)]:
            try:
                hash(ast.literal_eval(value))
            except (ValueError, TypeError, MemoryError, RecursionError):
                return None
            return value
        case _:
            return None


class _Values(ast.NodeTransformer):
    def __init__(self, known: dict[str, ast.expr]) -> None:
        self._known = known

    def visit_Name(self, node: ast.Name) -> ast.expr:
        return self._known.get(node.id, node)

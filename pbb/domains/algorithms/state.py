"""What a function would keep from one call to the next: a side effect, and no part of its answer.

Found by name, in its text; changes through another name of the same value are not looked for.
"""

from __future__ import annotations

import ast
from collections.abc import Collection, Iterator, Sequence
from typing import Final

from pbb.domains.algorithms.scopes import binds, changed_at, free, reached
from pbb.domains.algorithms.syntax import NotAProgram, first_line

_SCOPES: Final = (
    *(ast.FunctionDef, ast.ClassDef, ast.Lambda),
    *(ast.ListComp, ast.SetComp, ast.DictComp, ast.GeneratorExp),
)


def refuse_kept(statements: Sequence[ast.stmt], function: ast.FunctionDef) -> None:
    """Raises NotAProgram where the function, or what it uses, changes a top-level name or a default
    when it is called.
    """
    taken = reached(statements, function)[0]
    imports = (ast.Import, ast.ImportFrom)
    kept = {name for each in taken if not isinstance(each, imports) for name in binds(each)}
    for statement in (*taken, function):
        for scope in _called(statement):
            for name, node in (*_changed(scope, kept | {function.name}), *_defaults(scope)):
                raise NotAProgram(
                    f"changes {name}, line {node.lineno} ({first_line(node)}), which its file "
                    "keeps from one call to the next; make it local, or pass it in"
                )


def _called(statement: ast.AST) -> Iterator[ast.FunctionDef | ast.Lambda]:
    """Functions whose bodies run in calls, the outermost."""
    if isinstance(statement, ast.FunctionDef | ast.Lambda):
        yield statement
    else:
        for each in ast.iter_child_nodes(statement):
            yield from _called(each)


def _changed(scope: ast.AST, names: Collection[str]) -> Iterator[tuple[str, ast.expr]]:
    """(name, where): of these names, where they are not those of a scope's own variables."""
    outer = free(scope if isinstance(scope, ast.stmt) else _statement(scope)) & set(names)
    inside = _inside(scope) if outer else []
    for name, node in _changes(inside):
        if name in outer:
            yield name, node
    for each in inside:
        if isinstance(each, _SCOPES):
            yield from _changed(each, outer)


def _defaults(scope: ast.FunctionDef | ast.Lambda) -> Iterator[tuple[str, ast.expr]]:
    """Parameters with a list or the like as their default, made once for all calls."""
    given = scope.args
    positional = [*given.posonlyargs, *given.args]
    defaults = [
        *zip(positional[len(positional) - len(given.defaults) :], given.defaults, strict=True)
    ]
    keywords = zip(given.kwonlyargs, given.kw_defaults, strict=True)
    plain = (ast.Constant, ast.UnaryOp, ast.BinOp, ast.Name, ast.Lambda)
    shared = {
        parameter.arg
        for parameter, default in (*defaults, *keywords)
        if default is not None and not isinstance(default, plain)
    }
    inside = _inside(scope)
    shared -= {n.id for n in inside if isinstance(n, ast.Name) and isinstance(n.ctx, ast.Store)}
    yield from ((name, node) for name, node in _changes(inside) if name in shared)


def _changes(nodes: Sequence[ast.AST]) -> Iterator[tuple[str, ast.expr]]:
    effects = {each.value for each in nodes if isinstance(each, ast.Expr)}
    for node in nodes:
        if isinstance(node, ast.expr) and (name := changed_at(node, node in effects)):
            yield name, node


def _inside(scope: ast.AST) -> list[ast.AST]:
    """Nodes of a scope; of scopes inside it only the outermost node."""
    found: list[ast.AST] = []
    waiting = [*ast.iter_child_nodes(scope)]
    while waiting:
        node = waiting.pop(0)
        found.append(node)
        if not isinstance(node, _SCOPES):
            waiting += ast.iter_child_nodes(node)
    return found


def _statement(scope: ast.AST) -> ast.stmt:
    assert isinstance(scope, ast.expr)
    return ast.Expr(scope)

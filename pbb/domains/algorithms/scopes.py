"""Which top-level statements a function needs, and where it cannot take them along unchanged.

Inside the function they set variables of its own. That is the same program only where nothing else
sets, or adds to, what they set: neither the function itself nor another top-level statement.
"""

from __future__ import annotations

import ast
import builtins
import symtable
from collections.abc import Iterator, Sequence
from typing import Final

from pbb.domains.algorithms.syntax import NotAProgram, first_line

MUTATORS: Final = frozenset(
    "add append appendleft clear discard extend extendleft insert move_to_end pop popitem popleft "
    "remove reverse rotate setdefault sort subtract update".split()
)
"""Methods of containers that change them."""
CHANGERS: Final = frozenset(
    "heapify heappop heappush heappushpop heapreplace insort insort_left insort_right next".split()
)
"""Functions that change their first argument."""
DEFINITIONS: Final = (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)
_BINDING: Final = (
    *(ast.FunctionDef, ast.ClassDef, ast.Import, ast.ImportFrom),
    *(ast.Assign, ast.AugAssign, ast.AnnAssign),
)
"""Statements that can be taken along; what a loop or a branch sets is not."""


def needs(statements: Sequence[ast.stmt], function: ast.FunctionDef) -> list[ast.stmt]:
    """Top-level statements that bind names the function uses, directly or not, in their order."""
    return reached(statements, function)[0]


def reached(
    statements: Sequence[ast.stmt], start: ast.stmt
) -> tuple[list[ast.stmt], frozenset[str]]:
    """Those that bind what a statement uses, and all names that it and they use."""
    binding: dict[str, list[int]] = {}
    for i, node in enumerate(statements):
        for name in binds(node) if isinstance(node, _BINDING) else ():
            binding.setdefault(name, []).append(i)
    found: set[int] = set()
    waiting = free(start)
    seen = {start.name} if isinstance(start, ast.FunctionDef) else set()
    while waiting:
        name = waiting.pop()
        if name in seen:
            continue
        seen.add(name)
        for i in binding.get(name, []):
            found.add(i)
            waiting |= free(statements[i])
    return [statements[i] for i in sorted(found)], frozenset(seen)


def refuse_changed(statements: Sequence[ast.stmt], function: ast.FunctionDef) -> None:
    """Raises NotAProgram where a statement that stays behind changes what the function uses."""
    taken, names = reached(statements, function)
    _refuse_unnamed(statements, names)
    behind = [
        each for each in statements if each not in taken and not isinstance(each, DEFINITIONS)
    ]
    for each in behind:
        is_later = each.lineno > function.lineno
        changed = sorted(changes(each) & (names if is_later else names - {function.name}))
        if changed:
            raise NotAProgram(
                f"uses {', '.join(changed)}, which line {each.lineno} sets or changes "
                f"({first_line(each)}); only plain top-level assignments are taken along: make it "
                "in one expression, or in a function"
            )


def _refuse_unnamed(statements: Sequence[ast.stmt], names: frozenset[str]) -> None:
    """`from math import *` does not say which names it sets."""
    lacking = names.difference(dir(builtins), *map(binds, statements))
    for each in statements:
        match each:
            case ast.ImportFrom(names=[ast.alias(name="*")]) if lacking:
                raise NotAProgram(
                    f"uses {', '.join(sorted(lacking))}, perhaps of `{first_line(each)}`, line "
                    f"{each.lineno}; import by name"
                )


def refuse_clashes(taken: Sequence[ast.stmt], function: ast.FunctionDef) -> None:
    """Raises NotAProgram where a statement taken along would set a variable of the function."""
    own = _variables(function)
    for each in taken:
        for name in sorted(binds(each) & own):
            raise NotAProgram(
                f"has a variable {name}, and what it uses needs the top-level {name} "
                f"({first_line(each)}); rename one of them"
            )


def binds(node: ast.stmt) -> frozenset[str]:
    """Names that a top-level statement sets."""
    match node:
        case ast.FunctionDef(name=name) | ast.ClassDef(name=name) | ast.AsyncFunctionDef(name=name):
            return frozenset({name})
        case _:
            table = _table(node)
            symbols = table.get_symbols() if table else ()
            return frozenset(s.get_name() for s in symbols if s.is_assigned() or s.is_imported())


def free(statement: ast.stmt) -> set[str]:
    """Names that a statement takes from around it; not what a function calls its own values."""
    whole = _table(statement)
    if whole is None:
        return {each.id for each in ast.walk(statement) if isinstance(each, ast.Name)}
    tables = [whole]
    names: set[str] = set()
    while tables:
        table = tables.pop()
        tables += table.get_children()
        names |= {s.get_name() for s in table.get_symbols() if s.is_global() and s.is_referenced()}
    return names


def changes(statement: ast.stmt) -> frozenset[str]:
    """Names that a statement sets, and those of containers and objects that it changes."""
    if isinstance(statement, ast.Import | ast.ImportFrom) or is_for_main(statement):
        return frozenset()
    return binds(statement) | frozenset(_changed(statement))


def _changed(statement: ast.stmt) -> Iterator[str]:
    effect = statement.value if isinstance(statement, ast.Expr) else None
    for node in ast.walk(statement):
        if name := changed_at(node, node is effect):
            yield name


def changed_at(node: ast.AST, is_effect: bool) -> str:
    """The name of what this node changes; empty where it changes nothing that has one.

    is_effect: whether it is a statement by itself, so that a method is called for what it does.
    """
    match node:
        case (
            ast.Attribute(ctx=ast.Store() | ast.Del()) | ast.Subscript(ctx=ast.Store() | ast.Del())
        ):
            return _root(node)
        case ast.Call(func=ast.Name(id=name) | ast.Attribute(attr=name), args=[first, *_]) if (
            name in CHANGERS
        ):
            return _root(first)
        case ast.Call(func=ast.Attribute(attr=name) as method) if name in MUTATORS or is_effect:
            return _root(method)
        case _:
            return ""


def _root(node: ast.expr) -> str:
    """The name that `a.b[c].d` begins with; empty where it begins otherwise."""
    while isinstance(node, ast.Attribute | ast.Subscript):
        node = node.value
    return node.id if isinstance(node, ast.Name) else ""


def is_for_main(statement: ast.stmt) -> bool:
    """`if __name__ == "__main__":`, which no import runs."""
    match statement:
        case ast.If(
            test=ast.Compare(
                left=ast.Name(id="__name__"),
                ops=[ast.Eq()],
                comparators=[ast.Constant(value="__main__")],
            ),
            orelse=[],
        ):
            return True
        case _:
            return False


def is_future(statement: ast.stmt) -> bool:
    """It must stand first in a file, and concerns annotations."""
    return isinstance(statement, ast.ImportFrom) and statement.module == "__future__"


def _variables(function: ast.FunctionDef) -> frozenset[str]:
    """Parameters and local variables. Not what it imports: that is the same wherever it is."""
    table = _table(function)
    for each in table.get_children() if table else ():
        if each.get_type() == "function" and each.get_name() == function.name:
            return frozenset(
                s.get_name() for s in each.get_symbols() if s.is_local() and not s.is_imported()
            )
    return frozenset()


def _table(statement: ast.stmt) -> symtable.SymbolTable | None:
    """Null where scopes are wrong, as by a `nonlocal` of nothing: it will not run."""
    try:
        return symtable.symtable(ast.unparse(statement), "<statement>", "exec")
    except SyntaxError:
        return None

"""The first layer: a source is read, and refused, before any of it runs. Standard library.

It keeps honest sources honest and gives errors with a line number. It is not what containment
rests on: see sandbox.py.
"""

from __future__ import annotations

import ast
import unicodedata  # noqa: F401  the parser wants it for names of other alphabets, when it is late
import warnings
from collections.abc import Iterator
from typing import Final

from .allowed import FORBIDDEN, INTERNAL, MODULES, SPECIAL

MAX_SOURCE_CHARS: Final = 20_000
MAX_NAME_CHARS: Final = 40

_NODES: Final[dict[type[ast.AST], str]] = {
    ast.AsyncFunctionDef: "async functions",
    ast.AsyncFor: "async for",
    ast.AsyncWith: "async with",
    ast.Await: "await",
}


def text_refusal(source: str) -> str | None:
    """Why a text is no source, from its characters alone; null where it may be one."""
    if len(source) > MAX_SOURCE_CHARS:
        return f"source of {len(source)} characters; at most {MAX_SOURCE_CHARS}"
    for number, line in enumerate(source.split("\n"), 1):
        if not line.replace("\t", "").isprintable():
            return f"a control or format character in line {number}"
    return None


def refusal(source: str, name: str) -> str | None:
    """Why a source is refused; null where it may run. name: the function that is to be called."""
    wrong = text_refusal(source)
    if wrong:
        return wrong
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # a doubtful escape in a string is not our business
            tree = ast.parse(source)
    except SyntaxError as error:
        return f"not Python: {error.msg}, line {error.lineno}"
    except (ValueError, MemoryError, RecursionError) as error:
        return f"not readable as Python: {type(error).__name__}"
    if not any(isinstance(each, ast.FunctionDef) and each.name == name for each in tree.body):
        return f"defines no function {name!r} at its top level"
    return next((wrong for _, wrong in refusals(tree)), None)


def refusals(
    tree: ast.Module, bound: frozenset[str] = frozenset()
) -> Iterator[tuple[ast.stmt, str]]:
    """Statements at the top level that may not run, each with the first reason.

    bound: names that stand for something of the source's own, beside those that it binds.
    """
    bound |= _bound(tree)
    imported = _imported(tree) - bound
    for statement in tree.body:
        for node in ast.walk(statement):
            wrong = _node_refusal(node, bound) or _change_refusal(node, imported)
            if wrong:
                yield statement, f"{wrong}, line {getattr(node, 'lineno', '?')}"
                break


def _bound(tree: ast.AST) -> frozenset[str]:
    """Names that the source binds anywhere: a variable called `id` is its own."""
    names: set[str] = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store):
            names.add(node.id)
        elif isinstance(node, ast.arg):
            names.add(node.arg)
        elif isinstance(node, ast.FunctionDef | ast.ClassDef):
            names.add(node.name)
    return frozenset(names)


def _imported(tree: ast.AST) -> frozenset[str]:
    """Names that stand for what the source imports."""
    return frozenset(
        alias.asname or alias.name
        for node in ast.walk(tree)
        if isinstance(node, ast.Import | ast.ImportFrom)
        for alias in node.names
    )


def _change_refusal(node: ast.AST, imported: frozenset[str]) -> str | None:
    """An attribute set on a class or function of a library: the next call would find it there."""
    if not isinstance(node, ast.Attribute) or isinstance(node.ctx, ast.Load):
        return None
    owner = node.value
    while isinstance(owner, ast.Attribute):
        owner = owner.value
    if isinstance(owner, ast.Name) and owner.id in imported:
        return f"changes {ast.unparse(node)[:MAX_NAME_CHARS]}, which it imports"
    return None


def _node_refusal(node: ast.AST, bound: frozenset[str]) -> str | None:
    if type(node) in _NODES:
        return f"uses {_NODES[type(node)]}"
    if isinstance(node, ast.Import):
        return _import_refusal(node)
    if isinstance(node, ast.ImportFrom):
        return _from_refusal(node)
    if isinstance(node, ast.ExceptHandler) and node.type is None:
        return "bare except; name the exception"
    if isinstance(node, ast.ClassDef) and node.keywords:
        return "a class with a metaclass or other keywords"
    if isinstance(node, ast.Name) and node.id in FORBIDDEN and node.id not in bound:
        return f"uses {node.id}"
    for attribute in _attributes(node):
        if attribute in INTERNAL:
            return f"uses the attribute {attribute}"
    for name in _identifiers(node):
        if not _is_allowed(name, node):
            return f"uses the name {name[:MAX_NAME_CHARS]}"
    return None


def _attributes(node: ast.AST) -> list[str]:
    """Attributes that a node reads or sets by name: `a.b`, and `b` of the pattern `A(b=c)`."""
    if isinstance(node, ast.Attribute):
        return [node.attr]
    return node.kwd_attrs if isinstance(node, ast.MatchClass) else []


def _import_refusal(node: ast.Import) -> str | None:
    for alias in node.names:
        if alias.name not in MODULES or "." in alias.name:
            return f"imports {alias.name}; allowed are {', '.join(MODULES)}"
        if alias.asname and not _is_allowed(alias.asname, node):
            return f"uses the name {alias.asname[:MAX_NAME_CHARS]}"
    return None


def _from_refusal(node: ast.ImportFrom) -> str | None:
    if node.level or node.module not in MODULES:
        return f"imports {'.' * node.level}{node.module or ''}; allowed are {', '.join(MODULES)}"
    for alias in node.names:
        if alias.name not in MODULES[node.module]:
            return f"imports {alias.name} from {node.module}"
        if alias.asname and not _is_allowed(alias.asname, node):
            return f"uses the name {alias.asname[:MAX_NAME_CHARS]}"
    return None


def _identifiers(node: ast.AST) -> Iterator[str]:
    """Every name in a node's own fields: of whatever kind, so that no syntax is forgotten."""
    if isinstance(node, ast.Constant | ast.alias):
        return  # a constant is text; an alias was looked at with its import
    for _, value in ast.iter_fields(node):
        for each in value if isinstance(value, list) else [value]:
            if isinstance(each, str):
                yield each


def _is_allowed(name: str, node: ast.AST) -> bool:
    if len(name) > MAX_NAME_CHARS or not name.isascii():
        return False
    if not name.startswith("__"):
        return True
    if isinstance(node, ast.Name):
        return name == "__name__" and isinstance(node.ctx, ast.Load)
    return isinstance(node, ast.FunctionDef) and name in SPECIAL

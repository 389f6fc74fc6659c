"""A function under another name: its own name gives away what it does, wherever it is written."""

from __future__ import annotations

import ast
import re
from typing import Final

from pbb.domains.algorithms.syntax import NotAProgram

_NOT_OURS: Final = (ast.Constant, ast.Attribute, ast.keyword)
"""What holds text that is no name of the function: a method may be called like it."""


def whole_word(name: str) -> re.Pattern[str]:
    """A name where it stands alone or beside underscores: `gcd`, `gcd_of_two`; not `gcdx`."""
    return re.compile(rf"(?<![A-Za-z0-9]){re.escape(name)}(?![A-Za-z0-9])")


def rename(function: ast.FunctionDef, old: str, new: str) -> None:
    """In place, wherever a name holds the old one; methods and keywords of calls keep theirs."""
    _Renamed(whole_word(old), new).visit(function)


def refuse_unsafe(function: ast.FunctionDef) -> None:
    """Raises NotAProgram where a name that would change is also one that would not."""
    held = whole_word(function.name)
    parameters = {each.arg for each in ast.walk(function) if isinstance(each, ast.arg)}
    for node in ast.walk(function):
        match node:
            case ast.keyword(arg=str(name)) if name in parameters and held.search(name):
                what = f"a call's keyword {name}="
            case ast.ClassDef(name=owner, body=body):
                fields = sorted(filter(held.search, _fields(body)))
                if not fields:
                    continue
                what = f"the attribute {fields[0]} of class {owner}"
            case _:
                continue
        raise NotAProgram(
            f"cannot be shown under another name: {what} holds its name {function.name}; rename "
            "one of them"
        )


def _fields(body: list[ast.stmt]) -> set[str]:
    """Names that a class sets in its body, but for methods."""
    stored = (node for statement in body for node in _outside_methods(statement))
    return {each.id for each in stored if isinstance(each, ast.Name)}


def _outside_methods(statement: ast.stmt) -> list[ast.AST]:
    if isinstance(statement, ast.FunctionDef):
        return []
    return [n for n in ast.walk(statement) if isinstance(getattr(n, "ctx", None), ast.Store)]


class _Renamed(ast.NodeTransformer):
    def __init__(self, old: re.Pattern[str], new: str) -> None:
        self._old, self._new = old, new

    def visit(self, node: ast.AST) -> ast.AST:
        methods = node.body if isinstance(node, ast.ClassDef) else []
        kept = {each: each.name for each in methods if isinstance(each, ast.FunctionDef)}
        if isinstance(node, ast.alias):
            self._import(node)
        elif not isinstance(node, _NOT_OURS):
            for field, value in ast.iter_fields(node):
                if isinstance(value, str):
                    setattr(node, field, self._old.sub(self._new, value))
        if isinstance(node, ast.Nonlocal):
            node.names = [self._old.sub(self._new, name) for name in node.names]
        self.generic_visit(node)
        for method, name in kept.items():
            method.name = name  # an attribute: calls of it are not renamed either
        return node

    def _import(self, alias: ast.alias) -> None:
        """What is imported keeps its name in its module; what it is called here may change."""
        here = alias.asname or alias.name
        renamed = self._old.sub(self._new, here)
        if renamed != here:
            alias.asname = renamed

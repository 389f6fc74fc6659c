"""What a file defines beside top-level functions: no programs, and said so, lest one be missed."""

from __future__ import annotations

import ast
from collections.abc import Iterator

from pbb.domains.algorithms.scopes import DEFINITIONS, is_for_main


def overlooked(module: ast.Module) -> Iterator[tuple[str, str]]:
    """(name, why it is no program), but for what the file uses, or begins with `_`."""
    for statement in module.body:
        for name, reason in _no_programs(statement):
            if not name.startswith("_") and not _is_used(name, statement, module):
                yield name, reason


def _is_used(name: str, own: ast.stmt, module: ast.Module) -> bool:
    others = (statement for statement in module.body if statement is not own)
    return any(
        isinstance(node, ast.Name) and node.id == name and isinstance(node.ctx, ast.Load)
        for statement in others
        for node in ast.walk(statement)
    )


def _no_programs(statement: ast.stmt) -> Iterator[tuple[str, str]]:
    match statement:
        case ast.FunctionDef():
            return
        case ast.AsyncFunctionDef(name=name):
            yield name, "an async function; write def without async and await"
        case ast.ClassDef(name=name):
            yield name, "a class; only functions are programs: write one that uses it"
        case ast.Assign(targets=targets, value=ast.Lambda()):
            for each in targets:
                if isinstance(each, ast.Name):
                    yield each.id, "a lambda; write def"
        case ast.AnnAssign(target=ast.Name(id=name), value=ast.Lambda()):
            yield name, "a lambda; write def"
        case _ if not is_for_main(statement):
            for node in ast.walk(statement):
                if isinstance(node, DEFINITIONS):
                    yield node.name, "not at the top level; move it out of the block"

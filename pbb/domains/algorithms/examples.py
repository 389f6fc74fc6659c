"""What a file shows of calls: `EXAMPLES`, and `>>>` lines, before which a docstring ends."""

from __future__ import annotations

import ast
import re
from itertools import takewhile

from pbb.domains.algorithms.syntax import NotAProgram, parsed


def first_paragraph(docstring: str) -> str:
    """Up to a blank line or an example: what a call gives is no part of the problem."""
    lines = map(str.strip, docstring.strip().splitlines())
    told = takewhile(lambda line: line and not line.startswith(">>>"), lines)
    return " ".join(" ".join(told).split())


def shown(docstring: str, name: str) -> tuple[str, ...]:
    """Argument lists of the calls that a docstring shows after `>>>`."""
    found = []
    for line in re.findall(r"^\s*>>> (.+)$", docstring, re.MULTILINE):
        try:
            match parsed(line).body:
                case [ast.Expr(ast.Call(func=ast.Name(id=called), args=args, keywords=[]))]:
                    if called == name and all(map(_is_literal, args)):
                        found.append(", ".join(map(ast.unparse, args)))
        except NotAProgram:
            continue
    return tuple(dict.fromkeys(found))


def _is_literal(node: ast.expr) -> bool:
    try:
        ast.literal_eval(node)
    except (ValueError, TypeError, MemoryError, RecursionError):
        return False
    return True


def examples(module: ast.Module) -> dict[str, tuple[str, ...]]:
    """`EXAMPLES` of a file. Raises NotAProgram."""
    for node in module.body:
        match node:
            case ast.Assign(targets=[ast.Name(id="EXAMPLES")], value=value):
                pass
            case ast.AnnAssign(target=ast.Name(id="EXAMPLES"), value=ast.expr() as value):
                pass
            case _:
                continue
        try:
            given = ast.literal_eval(value)
            if not all(isinstance(each, str) for calls in given.values() for each in calls):
                raise ValueError
            return {str(name): tuple(calls) for name, calls in given.items()}
        except (ValueError, TypeError, AttributeError, MemoryError, RecursionError):
            raise NotAProgram(
                'EXAMPLES must give argument lists as texts, for instance {"f": ["[1, 2], 3"]}, '
                f"line {node.lineno}"
            ) from None
    return {}

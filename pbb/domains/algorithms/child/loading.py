"""From a screened source to code. Standard library."""

from __future__ import annotations

import ast
import warnings
from collections.abc import Iterable
from types import CodeType
from typing import Final

HIDDEN: Final = "__"
"""Begins the names that a trace leaves out; no name of a screened source begins so."""


def loaded(source: str, filename: str) -> CodeType:
    """Compiled, with the variables of comprehensions hidden.

    From Python 3.12 on they are variables of the function around (PEP 709): a trace would tell
    them, and be another than in 3.11.
    """
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # a doubtful escape in a string is not our business
        tree = _Hidden().visit(ast.parse(source))
        return compile(tree, filename, "exec", dont_inherit=True)


class _Hidden(ast.NodeTransformer):
    """Renames what comprehensions bind, within them."""

    def __init__(self) -> None:
        self._names: frozenset[str] = frozenset()

    def visit_Name(self, node: ast.Name) -> ast.Name:
        node.id = HIDDEN * (node.id in self._names) + node.id
        return node

    def visit_Lambda(self, node: ast.Lambda) -> ast.Lambda:
        self.visit_all([*node.args.defaults, *(each for each in node.args.kw_defaults if each)])
        around = self._names
        self._names -= {each.arg for each in ast.walk(node.args) if isinstance(each, ast.arg)}
        self.visit(node.body)
        self._names = around
        return node

    def visit_ListComp(self, node: ast.ListComp) -> ast.ListComp:
        self._comprehension(node.generators, [node.elt])
        return node

    def visit_SetComp(self, node: ast.SetComp) -> ast.SetComp:
        self._comprehension(node.generators, [node.elt])
        return node

    def visit_GeneratorExp(self, node: ast.GeneratorExp) -> ast.GeneratorExp:
        self._comprehension(node.generators, [node.elt])
        return node

    def visit_DictComp(self, node: ast.DictComp) -> ast.DictComp:
        self._comprehension(node.generators, [node.key, node.value])
        return node

    def visit_all(self, nodes: Iterable[ast.AST]) -> None:
        for node in nodes:
            self.visit(node)

    def _comprehension(self, loops: list[ast.comprehension], values: list[ast.expr]) -> None:
        self.visit(loops[0].iter)  # evaluated outside
        around = self._names
        for node in (node for each in loops for node in ast.walk(each.target)):
            if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store):
                self._names |= {node.id}
        self.visit_all(each.target for each in loops)
        self.visit_all(each.iter for each in loops[1:])
        self.visit_all(test for each in loops for test in each.ifs)
        self.visit_all(values)
        self._names = around

"""Python text -> its syntax tree, bare of what does not compute. Runs nothing."""

from __future__ import annotations

import ast
import warnings


class NotAProgram(ValueError):
    """A source that holds no usable function: why."""


def parsed(text: str) -> ast.Module:
    """The syntax tree. Raises NotAProgram."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # a doubtful escape in a string is its author's affair
            return ast.parse(text)
    except SyntaxError as error:
        raise NotAProgram(f"not Python: {error.msg}, line {error.lineno}") from None
    except (ValueError, MemoryError, RecursionError) as error:
        raise NotAProgram(f"not readable as Python: {type(error).__name__}") from None


def bare(text: str) -> ast.Module:
    """The syntax tree without docstrings and annotations. Raises NotAProgram."""
    try:
        module = _Bare().visit(parsed(text))
    except RecursionError:
        raise NotAProgram("nested too deeply") from None
    assert isinstance(module, ast.Module)
    return module


def first_line(node: ast.AST) -> str:
    """As a message quotes it."""
    return ast.unparse(node).partition("\n")[0][:60]


class _Bare(ast.NodeTransformer):
    def visit_FunctionDef(self, node: ast.FunctionDef) -> ast.AST:
        if ast.get_docstring(node) is not None:
            node.body = node.body[1:] or [ast.Pass()]
        node.returns = None
        self.generic_visit(node)
        return node

    def visit_arg(self, node: ast.arg) -> ast.AST:
        node.annotation = None
        return node

    def visit_AnnAssign(self, node: ast.AnnAssign) -> ast.AST:
        if node.value is None:
            return ast.copy_location(ast.Pass(), node)
        return ast.copy_location(ast.Assign([node.target], node.value), node)

"""A Python function told in words says what the function does: all of it, and nothing else."""

import ast
import builtins
import re
from collections import Counter
from collections.abc import Iterator
from functools import lru_cache

import pytest

from pbb.domains import python_prose
from pbb.domains.algorithms import source
from pbb.domains.algorithms.reading import library

PSEUDONYM = "zibfilgom"


@lru_cache(maxsize=1)
def functions() -> dict[str, ast.FunctionDef]:
    """The library of algorithms: what prose must be able to tell."""
    return {
        each.name: source.function(source.standalone(each.source, each.name), PSEUDONYM)
        for each in library(("easy", "medium", "hard"))
    }


@lru_cache(maxsize=1)
def mutants() -> list[tuple[str, ast.FunctionDef]]:
    """Functions that differ from the library's in one constant, name, operator, order, or block."""
    return [
        (name, mutant)
        for name, function in functions().items()
        for mutant in _mutants(ast.unparse(function))
    ]


def _mutants(text: str) -> Iterator[ast.FunctionDef]:
    tree = ast.parse(text)
    same = ast.dump(tree)
    for i, node in enumerate(ast.walk(tree)):
        for change in (_node_changed, _order_changed, _block_shortened, _arms_swapped):
            if isinstance(node, ast.expr_context | ast.operator | ast.cmpop | ast.arg):
                continue
            if change in (_block_shortened, _arms_swapped) and not isinstance(node, ast.stmt):
                continue
            mutant = ast.parse(text)
            change(list(ast.walk(mutant))[i])
            (function,) = mutant.body
            if isinstance(function, ast.FunctionDef) and ast.dump(mutant) != same:
                yield function


NEXT: dict[type[ast.AST], type[ast.AST]] = {
    ast.Add: ast.Sub,
    ast.Sub: ast.Mult,
    ast.Mult: ast.FloorDiv,
    ast.FloorDiv: ast.Mod,
    ast.Mod: ast.Add,
    ast.Lt: ast.LtE,
    ast.LtE: ast.Gt,
    ast.Gt: ast.GtE,
    ast.GtE: ast.Lt,
    ast.Eq: ast.NotEq,
    ast.NotEq: ast.Eq,
    ast.In: ast.NotIn,
    ast.NotIn: ast.In,
    ast.And: ast.Or,
    ast.Or: ast.And,
}


def _node_changed(node: ast.AST) -> None:
    match node:
        case ast.Constant(value=int() as value):
            node.value = value + 1
        case ast.Constant(value=str() as value):
            node.value = value + "z"
        case ast.Name() if not hasattr(builtins, node.id):
            node.id = "q" if node.id != "q" else "p"
        case ast.BinOp() | ast.AugAssign() | ast.BoolOp() if type(node.op) in NEXT:
            node.op = NEXT[type(node.op)]()  # type: ignore[assignment]
        case ast.Compare():
            node.ops[0] = NEXT[type(node.ops[0])]()  # type: ignore[assignment]
        case ast.Attribute(attr="append"):
            node.attr = "remove"


def _order_changed(node: ast.AST) -> None:
    match node:
        case ast.BinOp():
            node.left, node.right = node.right, node.left
        case ast.Compare(ops=[_]):
            node.left, node.comparators[0] = node.comparators[0], node.left
        case ast.Call(args=[_, _, *_]) | ast.List(elts=[_, _, *_]) | ast.Tuple(elts=[_, _, *_]):
            parts = node.args if isinstance(node, ast.Call) else node.elts
            parts.reverse()
        case ast.Slice(lower=None, upper=ast.expr() as bound, step=None):
            node.lower, node.upper = bound, None
        case ast.For() | ast.While() | ast.If() | ast.FunctionDef():
            node.body.reverse()


def _block_shortened(node: ast.AST) -> None:
    """The last statement of a block inside this one goes after it, or the next comes in."""
    body: list[ast.stmt] = getattr(node, "body", []) if isinstance(node, ast.stmt) else []
    for i, each in enumerate(body):
        inner = each.body if isinstance(each, ast.For | ast.While | ast.If) else []
        if len(inner) > 1:
            body.insert(i + 1, inner.pop())
            return
        if inner and i + 1 < len(body):
            inner.append(body.pop(i + 1))
            return


def _arms_swapped(node: ast.AST) -> None:
    if isinstance(node, ast.If) and node.orelse:
        node.body, node.orelse = node.orelse, node.body


@pytest.mark.parametrize("phrasing", range(python_prose.PHRASINGS))
def test_prose_tells_every_difference(phrasing: int) -> None:
    """Two functions read the same only where they are the same: nothing is left out or blurred."""
    told = {name: python_prose.prose(each, phrasing) for name, each in functions().items()}
    assert len(set(told.values())) == len(told)
    assert len(mutants()) > 20 * len(told)
    for name, mutant in mutants():
        assert python_prose.prose(mutant, phrasing) != told[name], ast.unparse(mutant)


@pytest.mark.parametrize("phrasing", range(python_prose.PHRASINGS))
def test_prose_names_every_constant_and_variable(phrasing: int) -> None:
    for name, function in functions().items():
        text = python_prose.prose(function, phrasing)
        told = Counter(re.findall(r"'[^']*'|\w+", text))
        told["1"] += len(re.findall(r"last item|at (?:the|its) end", text))  # `a[-1]`
        for node in ast.walk(function):
            if isinstance(node, ast.Constant):
                assert told[repr(node.value)] > 0, (name, node.value)
            if isinstance(node, ast.Name) and not hasattr(builtins, node.id):
                assert told[node.id] > 0, (name, node.id)


def test_phrasings_differ() -> None:
    for function in functions().values():
        told = {python_prose.prose(function, i) for i in range(python_prose.PHRASINGS)}
        assert len(told) == python_prose.PHRASINGS


@pytest.mark.parametrize(
    ("line", "construct"),
    [
        ("return a ^ 1", "BitXor"),
        ("return f'{a}'", "JoinedStr"),
        ("return sorted(a, key=len)", "sorted"),
        ("return a.swapcase()", "swapcase"),
        ("try:\n        pass\n    finally:\n        pass", "Try"),
    ],
)
def test_what_prose_cannot_tell_is_named(line: str, construct: str) -> None:
    (function,) = ast.parse(f"def f(a):\n    {line}").body
    assert isinstance(function, ast.FunctionDef)
    with pytest.raises(python_prose.NotProse, match=construct):
        python_prose.prose(function, 0)

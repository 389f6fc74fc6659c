"""A body of `generator.propose` in plain words: the same statements, in four phrasings.

Rendered from the syntax tree, so that it says what the source does and nothing else.
"""

from __future__ import annotations

import ast
from dataclasses import dataclass
from functools import lru_cache
from typing import Final

from pbb.domains.arithmetic.generator import definition


@dataclass(frozen=True)
class Phrasing:
    """Words for the statements; `{c}` is the constant (or `i`), `{body}` what is done."""

    add: str
    subtract: str
    multiply: str
    divide: str
    remainder: str
    less: str
    parity: str
    then: str
    otherwise: str
    repeat: str
    end: str


PHRASINGS: Final = (
    Phrasing(
        add="add {c} to x",
        subtract="subtract {c} from x",
        multiply="multiply x by {c}",
        divide="divide x by {c} and drop the rest",
        remainder="keep the remainder of x by {c}",
        less="x is less than {c}",
        parity="x is {c}",
        then="if {test} {body}",
        otherwise="otherwise {body}",
        repeat="for i from 0 to {c} {body}",
        end="return x.",
    ),
    Phrasing(
        add="increase x by {c}",
        subtract="decrease x by {c}",
        multiply="take x times {c}",
        divide="take x over {c} in whole numbers",
        remainder="take x modulo {c}",
        less="x is below {c}",
        parity="x is an {c} number",
        then="when {test} then {body}",
        otherwise="else {body}",
        repeat="with each i from 0 to {c} {body}",
        end="the result is x.",
    ),
    Phrasing(
        add="x becomes x plus {c}",
        subtract="x becomes x minus {c}",
        multiply="x becomes x times {c}",
        divide="x becomes the whole part of x over {c}",
        remainder="x becomes the remainder of x by {c}",
        less="x is smaller than {c}",
        parity="x is {c}",
        then="in case {test} {body}",
        otherwise="in any other case {body}",
        repeat="as i goes from 0 to {c} {body}",
        end="x is the answer.",
    ),
    Phrasing(
        add="put {c} on top of x",
        subtract="take {c} away from x",
        multiply="make x {c} times as large",
        divide="count how often {c} goes into x and keep that",
        remainder="keep what is left of x after taking out every {c}",
        less="x stays under {c}",
        parity="x happens to be {c}",
        then="should it be that {test} {body}",
        otherwise="failing that {body}",
        repeat="once for each i from 0 to {c} {body}",
        end="that x is the output.",
    ),
)


class NotProse(ValueError):
    """A statement that no phrasing has words for."""


@lru_cache(maxsize=8192)  # told in document after document
def prose(body: str, phrasing: int) -> str:
    """The body's statements, one sentence, in the words of a phrasing. Raises NotProse."""
    function = ast.parse(definition("f", body)).body[0]
    assert isinstance(function, ast.FunctionDef)
    words = PHRASINGS[phrasing]
    return ", ".join(_told(statement, words) for statement in function.body)


def _told(statement: ast.stmt, words: Phrasing) -> str:
    match statement:
        case ast.AugAssign(target=ast.Name(id="x"), op=op, value=value):
            return _assignment(op, words).format(c=ast.unparse(value))
        case ast.If():
            return ", ".join(_branches(statement, words))
        case ast.For(iter=ast.Call(args=[ast.Constant(value=int() as k)]), body=[only]):
            return words.repeat.format(c=k - 1, body=_told(only, words))
        case ast.Return(value=ast.Name(id="x")):
            return words.end
        case _:
            raise NotProse(f"no words for: {ast.unparse(statement)}")


def _assignment(op: ast.operator, words: Phrasing) -> str:
    match op:
        case ast.Add():
            return words.add
        case ast.Sub():
            return words.subtract
        case ast.Mult():
            return words.multiply
        case ast.FloorDiv():
            return words.divide
        case ast.Mod():
            return words.remainder
        case _:
            raise NotProse(f"no words for the operator {type(op).__name__}")


def _branches(statement: ast.If, words: Phrasing) -> list[str]:
    """if, elif, ..., else as clauses of one sentence."""
    done = words.then.format(
        test=_test(statement.test, words), body=_told(statement.body[0], words)
    )
    match statement.orelse:
        case [ast.If() as further]:
            first, *others = _branches(further, words)
            return [done, words.otherwise.format(body=first), *others]
        case [ast.stmt() as only]:
            return [done, words.otherwise.format(body=_told(only, words))]
        case _:
            raise NotProse(f"no words for: {ast.unparse(statement)}")


def _test(test: ast.expr, words: Phrasing) -> str:
    match test:
        case ast.Compare(left=ast.Name(id="x"), ops=[ast.Lt()], comparators=[bound]):
            return words.less.format(c=ast.unparse(bound))
        case ast.Compare(
            left=ast.BinOp(left=ast.Name(id="x"), op=ast.Mod(), right=ast.Constant(value=2)),
            ops=[ast.Eq()],
            comparators=[ast.Constant(value=int() as rest)],
        ):
            return words.parity.format(c="odd" if rest else "even")
        case _:
            raise NotProse(f"no words for the test: {ast.unparse(test)}")

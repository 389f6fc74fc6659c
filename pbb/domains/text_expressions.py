"""Expressions of text programs: a whitelisted syntax tree made into closures over a frame.

Every binding of the source has a slot of its own, and every expression is a text, an integer or a
test; both are known before anything runs.
"""

from __future__ import annotations

import ast
import operator
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final, NoReturn

from pbb.domains import text_operations as operations
from pbb.domains.evaluator import UnsafeProgram
from pbb.domains.text_operations import Number, Test, Text, Turns

RESERVED: Final = frozenset({"shift", "ord", "len", "enumerate", "range"})
"""Names with a meaning of their own, which a program may not set."""
_ARITHMETIC: Final[dict[type[ast.operator], Callable[[int, int], int]]] = {
    ast.Add: operator.add,
    ast.Sub: operator.sub,
    ast.Mult: operator.mul,
    ast.FloorDiv: operator.floordiv,
    ast.Mod: operator.mod,
}
_ORDER: Final[dict[type[ast.cmpop], Callable[[Any, Any], bool]]] = {
    ast.Eq: operator.eq,
    ast.NotEq: operator.ne,
    ast.Lt: operator.lt,
    ast.LtE: operator.le,
    ast.Gt: operator.gt,
    ast.GtE: operator.ge,
}


@dataclass(frozen=True)
class Scope:
    """Slots of the names that are set, by their type."""

    words: dict[str, int]
    numbers: dict[str, int]


def refused(node: ast.expr | ast.stmt, wanted: str) -> NoReturn:
    """Raises UnsafeProgram."""
    raise UnsafeProgram(f"line {node.lineno}: {type(node).__name__} not allowed as {wanted}")


class Compiler:
    """Checks expressions and makes closures of them, in one walk; counts the slots given out."""

    def __init__(self, alphabet: int) -> None:
        self.alphabet = alphabet
        self.words = 0
        self.numbers = 0

    def bind_text(self, name: str, scope: Scope) -> tuple[Scope, int]:
        """The scope in which the name is a text, and its slot. Raises UnsafeProgram."""
        _check_name(name)
        self.words += 1
        others = {n: slot for n, slot in scope.numbers.items() if n != name}
        return Scope({**scope.words, name: self.words - 1}, others), self.words - 1

    def bind_number(self, name: str, scope: Scope) -> tuple[Scope, int]:
        """The scope in which the name is an integer, and its slot. Raises UnsafeProgram."""
        _check_name(name)
        self.numbers += 1
        others = {n: slot for n, slot in scope.words.items() if n != name}
        return Scope(others, {**scope.numbers, name: self.numbers - 1}), self.numbers - 1

    def text(self, node: ast.expr, scope: Scope) -> Text:
        """Raises UnsafeProgram, as do the methods below."""
        match node:
            case ast.Constant(value=str() as value):
                return lambda frame: value
            case ast.Name(id=name) if name in scope.words:
                slot = scope.words[name]
                return lambda frame: frame.words[slot]
            case ast.BinOp(left=left, op=ast.Add(), right=right):
                return operations.joined(self.text(left, scope), self.text(right, scope))
            case ast.Subscript(value=whole, slice=ast.Slice() as cut):
                return self._cut(self.text(whole, scope), cut, scope)
            case ast.Subscript(value=whole, slice=index):
                return operations.letter_at(self.text(whole, scope), self.number(index, scope))
            case ast.IfExp(test=test, body=body, orelse=orelse):
                taken, otherwise = self.text(body, scope), self.text(orelse, scope)
                return operations.either(self.test(test, scope), taken, otherwise)
            case ast.Call(func=ast.Name(id="shift"), args=[letter, amount], keywords=[]):
                return operations.shifted(
                    self.text(letter, scope), self.number(amount, scope), self.alphabet
                )
            case ast.Call(
                func=ast.Attribute(value=ast.Constant(value=""), attr="join"),
                args=[ast.GeneratorExp(elt=piece, generators=[loop])],
                keywords=[],
            ) if not (loop.ifs or loop.is_async):
                inside, turns = self._loop(loop, scope)
                return operations.collected(self.text(piece, inside), turns)
            case _:
                refused(node, "a text")

    def number(self, node: ast.expr, scope: Scope) -> Number:
        """An integer."""
        match node:
            case ast.Constant(value=int() as value) if not isinstance(value, bool):
                return lambda frame: value
            case ast.Name(id=name) if name in scope.numbers:
                slot = scope.numbers[name]
                return lambda frame: frame.numbers[slot]
            case ast.UnaryOp(op=ast.USub(), operand=operand):
                positive = self.number(operand, scope)
                return lambda frame: -positive(frame)
            case ast.BinOp(left=left, op=op, right=right) if type(op) in _ARITHMETIC:
                return operations.calculated(
                    self.number(left, scope), _ARITHMETIC[type(op)], self.number(right, scope)
                )
            case ast.IfExp(test=test, body=body, orelse=orelse):
                taken, otherwise = self.number(body, scope), self.number(orelse, scope)
                return operations.either(self.test(test, scope), taken, otherwise)
            case ast.Call(func=ast.Name(id="len"), args=[whole], keywords=[]):
                measured = self.text(whole, scope)
                return lambda frame: len(measured(frame))
            case ast.Call(func=ast.Name(id="ord"), args=[letter], keywords=[]):
                return operations.code(self.text(letter, scope))
            case _:
                refused(node, "an integer")

    def test(self, node: ast.expr, scope: Scope) -> Test:
        """One comparison, of texts where a name that is a text stands on its left."""
        match node:
            case ast.Compare(left=ast.Name(id=name), ops=[op], comparators=[right]) if (
                name in scope.words
            ):
                slot, text = scope.words[name], self.text(right, scope)
                if isinstance(op, ast.In):
                    return lambda frame: frame.words[slot] in text(frame)
                if type(op) in _ORDER:
                    before = _ORDER[type(op)]
                    return lambda frame: before(frame.words[slot], text(frame))
            case ast.Compare(left=left, ops=[op], comparators=[right]) if type(op) in _ORDER:
                compare = _ORDER[type(op)]
                first, second = self.number(left, scope), self.number(right, scope)
                return lambda frame: compare(first(frame), second(frame))
        refused(node, "a test")

    def _cut(self, whole: Text, cut: ast.Slice, scope: Scope) -> Text:
        parts = (cut.lower, cut.upper, cut.step)
        bounds = [None if part is None else self.number(part, scope) for part in parts]

        return operations.cut(whole, bounds)

    def _loop(self, loop: ast.comprehension, scope: Scope) -> tuple[Scope, Turns]:
        """What a piece sees, and the turns that set it."""
        match loop:
            case ast.comprehension(
                target=ast.Tuple(elts=[ast.Name(id=position), ast.Name(id=letter)]),
                iter=ast.Call(func=ast.Name(id="enumerate"), args=[word], keywords=[]),
            ):
                letters = self.text(word, scope)
                scope, counter = self.bind_number(position, scope)
                scope, slot = self.bind_text(letter, scope)
                return scope, operations.letters(letters, slot, counter)
            case ast.comprehension(
                target=ast.Name(id=position),
                iter=ast.Call(func=ast.Name(id="range"), args=[start, end, step], keywords=[]),
            ):
                bounds = [self.number(bound, scope) for bound in (start, end, step)]
                scope, counter = self.bind_number(position, scope)
                return scope, operations.counted(bounds, counter)
            case ast.comprehension(target=ast.Name(id=letter), iter=word):
                letters = self.text(word, scope)
                scope, slot = self.bind_text(letter, scope)
                self.numbers += 1
                return scope, operations.letters(letters, slot, self.numbers - 1)
            case _:
                refused(loop.target, "what a loop sets")


def _check_name(name: str) -> None:
    if name in RESERVED:
        raise UnsafeProgram(f"{name!r} has a meaning of its own and may not be set")

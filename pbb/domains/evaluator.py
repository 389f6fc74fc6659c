"""A safe evaluator of generated programs: a whitelisted AST walker with limits, never `exec`.

Covers functions of one integer argument built from assignments, + - * // %, comparisons,
if/elif/else, `for i in range(k)` and return. Anything else is refused before it runs.
"""

from __future__ import annotations

import ast
import operator
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Final

MAX_SOURCE_CHARS: Final = 10_000


class UnsafeProgram(ValueError):
    """The source holds something outside the whitelist."""


class EvaluationError(ValueError):
    """The program broke a limit or divided by zero on this input."""


_BINARY: Final[dict[type[ast.operator], Callable[[int, int], int]]] = {
    ast.Add: operator.add,
    ast.Sub: operator.sub,
    ast.Mult: operator.mul,
    ast.FloorDiv: operator.floordiv,
    ast.Mod: operator.mod,
}
_COMPARE: Final[dict[type[ast.cmpop], Callable[[int, int], bool]]] = {
    ast.Eq: operator.eq,
    ast.NotEq: operator.ne,
    ast.Lt: operator.lt,
    ast.LtE: operator.le,
    ast.Gt: operator.gt,
    ast.GtE: operator.ge,
}


@dataclass(frozen=True)
class Limits:
    """steps: statements executed; magnitude: the largest |value| that may arise."""

    steps: int = 10_000
    magnitude: int = 10**12


@dataclass(frozen=True)
class Execution:
    """A run of a program on one input.

    trace: the values that arose, in order: the variable's after each assignment, the truth of each
    test. Values only, never source. path: the branch taken at each test, loops included.
    """

    answer: int
    trace: tuple[int | bool, ...]
    path: tuple[bool, ...]


@dataclass(frozen=True)
class Function:
    """A parsed, whitelisted function; calling it evaluates it on one integer."""

    name: str
    argument: str
    body: tuple[ast.stmt, ...]

    def __call__(self, x: int, limits: Limits = Limits()) -> Execution:
        """Raises EvaluationError on a limit, a division by zero, an unset name or no return."""
        frame = _Frame({self.argument: x}, limits)
        answer = frame.run(self.body)
        if answer is None:
            raise EvaluationError(f"{self.name}({x}) ended without return")
        return Execution(answer, tuple(frame.trace), tuple(frame.path))


def parse(source: str) -> Function:
    """Source of one function -> Function. Raises UnsafeProgram naming what is not allowed."""
    if len(source) > MAX_SOURCE_CHARS:
        raise UnsafeProgram(f"source of {len(source)} characters exceeds {MAX_SOURCE_CHARS}")
    try:
        module = ast.parse(source)
    except (SyntaxError, ValueError, RecursionError, MemoryError) as error:
        raise UnsafeProgram(f"not Python: {error}") from None
    if len(module.body) != 1 or not isinstance(module.body[0], ast.FunctionDef):
        raise UnsafeProgram("expected exactly one function definition")
    function = module.body[0]
    args = function.args
    extra = args.posonlyargs or args.kwonlyargs or args.vararg or args.kwarg or args.defaults
    if len(args.args) != 1 or extra or function.decorator_list:
        raise UnsafeProgram(f"{function.name}: expected one plain argument and no decorator")
    _check_block(function.body)
    return Function(function.name, args.args[0].arg, tuple(function.body))


def _check_block(block: list[ast.stmt]) -> None:
    for statement in block:
        match statement:
            case ast.Assign(targets=[ast.Name()], value=value):
                _check_value(value)
            case ast.AugAssign(target=ast.Name(), op=op, value=value) if type(op) in _BINARY:
                _check_value(value)
            case ast.If(test=test, body=body, orelse=orelse):
                _check_test(test)
                _check_block(body)
                _check_block(orelse)
            case ast.For(target=ast.Name(), iter=bound, body=body, orelse=[]):
                _range_argument(bound)
                _check_block(body)
            case ast.Return(value=ast.expr() as value):
                _check_value(value)
            case _:
                raise UnsafeProgram(
                    f"line {statement.lineno}: {type(statement).__name__} not allowed"
                )


def _check_value(node: ast.expr) -> None:
    match node:
        case ast.Name():
            return
        case ast.Constant(value=int() as value) if not isinstance(value, bool):
            return
        case ast.UnaryOp(op=ast.USub(), operand=operand):
            _check_value(operand)
        case ast.BinOp(left=left, op=op, right=right) if type(op) in _BINARY:
            _check_value(left)
            _check_value(right)
        case _:
            raise UnsafeProgram(f"line {node.lineno}: expression {type(node).__name__} not allowed")


def _check_test(node: ast.expr) -> None:
    match node:
        case ast.Compare(left=left, ops=[op], comparators=[right]) if type(op) in _COMPARE:
            _check_value(left)
            _check_value(right)
        case _:
            raise UnsafeProgram(f"line {node.lineno}: test {type(node).__name__} not allowed")


def _range_argument(node: ast.expr) -> int:
    match node:
        case ast.Call(
            func=ast.Name(id="range"), args=[ast.Constant(value=int() as k)], keywords=[]
        ):
            return k
        case _:
            raise UnsafeProgram(f"line {node.lineno}: only range(<integer>) may be looped over")


@dataclass
class _Frame:
    names: dict[str, int]
    limits: Limits
    trace: list[int | bool] = field(default_factory=list)
    path: list[bool] = field(default_factory=list)
    steps: int = 0

    def run(self, block: list[ast.stmt] | tuple[ast.stmt, ...]) -> int | None:
        """Execute a block; the returned value, or None where it fell through."""
        for statement in block:
            self.steps += 1
            if self.steps > self.limits.steps:
                raise EvaluationError(f"more than {self.limits.steps} steps")
            answer = self._statement(statement)
            if answer is not None:
                return answer
        return None

    def _statement(self, statement: ast.stmt) -> int | None:
        match statement:
            case ast.Assign(targets=[ast.Name(id=name)], value=value):
                self._assign(name, self._value(value))
            case ast.AugAssign(target=ast.Name(id=name), op=op, value=value):
                self._assign(name, self._binary(op, self._load(name), self._value(value)))
            case ast.If(test=ast.Compare(left=left, ops=[op], comparators=[right])):
                truth = _COMPARE[type(op)](self._value(left), self._value(right))
                self.trace.append(truth)
                self.path.append(truth)
                return self.run(statement.body if truth else statement.orelse)
            case ast.For(target=ast.Name(id=name), iter=bound, body=body):
                for i in range(_range_argument(bound)):
                    self.names[name] = i
                    answer = self.run(body)
                    if answer is not None:
                        return answer
            case ast.Return(value=ast.expr() as value):
                return self._value(value)
            case _:  # parse() lets nothing else through
                raise AssertionError(type(statement).__name__)
        return None

    def _assign(self, name: str, value: int) -> None:
        self.names[name] = value
        self.trace.append(value)

    def _load(self, name: str) -> int:
        try:
            return self.names[name]
        except KeyError:
            raise EvaluationError(f"name {name!r} is not set") from None

    def _value(self, node: ast.expr) -> int:
        match node:
            case ast.Constant(value=int() as value):
                return value
            case ast.Name(id=name):
                return self._load(name)
            case ast.UnaryOp(operand=operand):
                return -self._value(operand)
            case ast.BinOp(left=left, op=op, right=right):
                return self._binary(op, self._value(left), self._value(right))
            case _:
                raise AssertionError(type(node).__name__)

    def _binary(self, op: ast.operator, left: int, right: int) -> int:
        try:
            value = _BINARY[type(op)](left, right)
        except ZeroDivisionError:
            raise EvaluationError("division by zero") from None
        if abs(value) > self.limits.magnitude:
            raise EvaluationError(f"a value exceeds {self.limits.magnitude}")
        return value

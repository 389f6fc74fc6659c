"""A safe evaluator of generated programs: whitelisted closures with limits, never `exec`.

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


@dataclass
class _Frame:
    """A run under way."""

    names: dict[str, int]
    limits: Limits
    trace: list[int | bool] = field(default_factory=list)
    path: list[bool] = field(default_factory=list)
    steps: int = 0


_Value = Callable[[_Frame], int]
_Run = Callable[[_Frame], int | None]
"""A statement or a block: the value returned, or None where it fell through."""


@dataclass(frozen=True)
class Function:
    """A parsed, whitelisted function; calling it evaluates it on one integer."""

    name: str
    argument: str
    _run: _Run

    def __call__(self, x: int, limits: Limits = Limits()) -> Execution:
        """Raises EvaluationError on a limit, a division by zero, an unset name or no return."""
        frame = _Frame({self.argument: x}, limits)
        answer = self._run(frame)
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
    try:
        return Function(function.name, args.args[0].arg, _block(function.body))
    except RecursionError:
        raise UnsafeProgram(f"{function.name}: nested too deeply") from None


def _block(block: list[ast.stmt]) -> _Run:
    """What runs the block; a statement that has no closure here is refused."""
    runs = tuple(map(_statement, block))

    def run(frame: _Frame) -> int | None:
        for each in runs:
            frame.steps += 1
            if frame.steps > frame.limits.steps:
                raise EvaluationError(f"more than {frame.limits.steps} steps")
            answer = each(frame)
            if answer is not None:
                return answer
        return None

    return run


def _statement(statement: ast.stmt) -> _Run:
    match statement:
        case ast.AugAssign(target=ast.Name(id=name), op=op, value=value) if type(op) in _BINARY:
            return _assignment(name, _binary(op, _load(name), _value(value)))
        case ast.Assign(targets=[ast.Name(id=name)], value=value):
            return _assignment(name, _value(value))
        case ast.If(test=test, body=body, orelse=orelse):
            return _branch(_test(test), _block(body), _block(orelse))
        case ast.For(target=ast.Name(id=name), iter=bound, body=body, orelse=[]):
            return _loop(name, _range_argument(bound), _block(body))
        case ast.Return(value=ast.expr() as value):
            return _value(value)
        case _:
            raise UnsafeProgram(f"line {statement.lineno}: {type(statement).__name__} not allowed")


def _assignment(name: str, value: _Value) -> _Run:
    def run(frame: _Frame) -> None:
        frame.names[name] = made = value(frame)
        frame.trace.append(made)

    return run


def _branch(test: Callable[[_Frame], bool], body: _Run, orelse: _Run) -> _Run:
    def run(frame: _Frame) -> int | None:
        truth = test(frame)
        frame.trace.append(truth)
        frame.path.append(truth)
        return body(frame) if truth else orelse(frame)

    return run


def _loop(name: str, times: int, body: _Run) -> _Run:
    def run(frame: _Frame) -> int | None:
        for i in range(times):
            frame.names[name] = i
            answer = body(frame)
            if answer is not None:
                return answer
        return None

    return run


def _value(node: ast.expr) -> _Value:
    match node:
        case ast.Constant(value=int() as value) if not isinstance(value, bool):
            return lambda _: value
        case ast.Name(id=name):
            return _load(name)
        case ast.UnaryOp(op=ast.USub(), operand=operand):
            negated = _value(operand)
            return lambda frame: -negated(frame)
        case ast.BinOp(left=left, op=op, right=right) if type(op) in _BINARY:
            return _binary(op, _value(left), _value(right))
        case _:
            raise UnsafeProgram(f"line {node.lineno}: expression {type(node).__name__} not allowed")


def _load(name: str) -> _Value:
    def load(frame: _Frame) -> int:
        try:
            return frame.names[name]
        except KeyError:
            raise EvaluationError(f"name {name!r} is not set") from None

    return load


def _binary(op: ast.operator, left: _Value, right: _Value) -> _Value:
    operate = _BINARY[type(op)]

    def binary(frame: _Frame) -> int:
        try:
            value = operate(left(frame), right(frame))
        except ZeroDivisionError:
            raise EvaluationError("division by zero") from None
        if abs(value) > frame.limits.magnitude:
            raise EvaluationError(f"a value exceeds {frame.limits.magnitude}")
        return value

    return binary


def _test(node: ast.expr) -> Callable[[_Frame], bool]:
    match node:
        case ast.Compare(left=left, ops=[op], comparators=[right]) if type(op) in _COMPARE:
            compare, one, other = _COMPARE[type(op)], _value(left), _value(right)
            return lambda frame: compare(one(frame), other(frame))
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

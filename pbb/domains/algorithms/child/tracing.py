"""Traces of a function by `sys.settrace`: the values that arose, never a line of its source.

After every executed line, the local variables that it changed, as `name=value`, blanks between
them. A nested call of a function of the same source tells its arguments first and what it gave as
`return=value`; the answer of the outermost call is not told again. Left out: variables that begin
with `_`, values that are not plain, comprehensions and lambdas (their results are told where they
are bound), and a container that a caller and a callee know by one name, when it did not change
since it was last told.
"""

from __future__ import annotations

import zlib
from collections.abc import Callable
from types import CodeType, FrameType
from typing import Any, Final, NoReturn

from .values import compact

SOURCE: Final = "<function>"
"""File name of the compiled source: frames of any other are not traced."""

MAX_NESTED: Final = 500
"""Calls within calls; below the interpreter's own limit, which would strike in the tracer too."""

# Flags of a code object (docs.python.org/3/library/inspect.html#code-objects-bit-flags).
_OPTIMIZED: Final = 0x01  # functions have it, modules and class bodies have not
_VARARGS: Final = 0x04
_VARKEYWORDS: Final = 0x08
_GENERATOR: Final = 0x20  # its frame ends with every value given, and goes on
_IMMUTABLE: Final = frozenset({bool, int, float, str, type(None)})

Local = Callable[[FrameType, str, Any], Any]


class Stopped(BaseException):
    """A limit was passed. Not an Exception: `except Exception` lets it through."""


class Tracer:
    """A trace function for `sys.settrace`, reset before each call.

    steps: lines that may be executed, those at the top of the source included. weight: of the
    values that are told (see `values.compact`); beyond it the call goes on untold.
    """

    def __init__(self, steps: int, weight: int) -> None:
        self._max_steps = steps
        self._max_weight = weight
        self.stopped: str | None = None
        """The limit that was passed. The process is of no use afterwards."""
        self.reset()

    def reset(self) -> None:
        self._steps = 0
        self._nested = 0
        self._weight = 0
        self._told: list[str] = []
        self._lines: set[int] = set()
        self._recording = False
        self._outermost: FrameType | None = None
        self._live: dict[FrameType, dict[str, tuple[object, str | None]]] = {}
        self._known: dict[tuple[str, int], tuple[object, str]] = {}

    def record(self) -> None:
        """From here on: the source is loaded, the call comes next."""
        self._recording = True

    @property
    def too_long(self) -> bool:
        return self._weight > self._max_weight

    @property
    def trace(self) -> str:
        return "" if self.too_long else " ".join(self._told)

    @property
    def path(self) -> str:
        """Eight hexadecimal digits of the SET of lines that the call executed.

        Coarser than the sequence of branches, which loops make different for every input.
        """
        return f"{zlib.crc32(','.join(map(str, sorted(self._lines))).encode()):08x}"

    def __call__(self, frame: FrameType, event: str, argument: object) -> Local | None:
        code = frame.f_code
        if code.co_filename != SOURCE:
            return None
        self._nested += 1
        if self._nested > MAX_NESTED:
            self._stop(f"recursion deeper than {MAX_NESTED}")
        if not self._recording or self.too_long:
            return self._count
        if code.co_name.startswith("<") or not code.co_flags & _OPTIMIZED:
            return self._count
        if frame not in self._live:
            self._enter(frame, code)
        return self._tell_changes

    def _count(self, frame: FrameType, event: str, argument: object) -> Local:
        if event == "line":
            self._steps += 1
            if self._recording:
                self._lines.add(frame.f_lineno)
            if self._steps > self._max_steps:
                self._stop(f"over {self._max_steps} lines executed")
        elif event == "return":
            self._nested -= 1
        return self._count

    def _stop(self, reason: str) -> NoReturn:
        self.stopped = reason
        raise Stopped

    def _tell_changes(self, frame: FrameType, event: str, argument: object) -> Local:
        if event in ("line", "return") and not self.too_long:
            self._compare(frame)
        if event == "return" and not frame.f_code.co_flags & _GENERATOR:
            self._tell_return(frame, argument)
            self._live.pop(frame, None)
        self._count(frame, event, argument)
        return self._tell_changes

    def _tell_return(self, frame: FrameType, value: object) -> None:
        if frame is self._outermost or value is None or self.too_long:
            return
        text, weight = compact(value, self._max_weight)
        if text is not None:
            self._tell("return", text, weight)

    def _enter(self, frame: FrameType, code: CodeType) -> None:
        values = _variables(frame)
        rendered = {name: compact(value, self._max_weight) for name, value in values.items()}
        self._live[frame] = {name: (values[name], text) for name, (text, _) in rendered.items()}
        first = self._outermost is None
        if first:
            self._outermost = frame
        for name in _parameters(code):
            text, weight = rendered.get(name, (None, 0))
            if text is not None and (first or not self._is_known(name, values[name], text)):
                self._remember(name, values[name], text)
                if not first:
                    self._tell(name, text, weight)

    def _compare(self, frame: FrameType) -> None:
        before = self._live[frame]
        for name, value in _variables(frame).items():
            old, old_text = before.get(name, (before, None))
            if old is value and type(value) in _IMMUTABLE:
                continue
            text, weight = compact(value, self._max_weight)
            before[name] = (value, text)
            if text is None or text == old_text:
                continue
            if old is value and self._is_known(name, value, text):
                continue
            self._remember(name, value, text)
            self._tell(name, text, weight)
            self._share(frame, name, value, text)

    def _tell(self, name: str, text: str, weight: int) -> None:
        self._weight += weight
        self._told.append(f"{name}={text}")

    def _is_known(self, name: str, value: object, text: str) -> bool:
        known = self._known.get((name, id(value)))
        return known is not None and known[1] == text

    def _remember(self, name: str, value: object, text: str) -> None:
        if type(value) not in _IMMUTABLE:
            self._known[name, id(value)] = (value, text)  # holding it keeps its id its own

    def _share(self, frame: FrameType, name: str, value: object, text: str) -> None:
        """A variable of an enclosing function was told here: its owner need not tell it again."""
        free = name in frame.f_code.co_freevars
        outer = frame.f_back
        while free and outer is not None:
            code = outer.f_code
            if outer in self._live and name in code.co_cellvars + code.co_freevars:
                self._live[outer][name] = (value, text)
                free = name not in code.co_cellvars
            outer = outer.f_back


def _variables(frame: FrameType) -> dict[str, object]:
    return {name: value for name, value in frame.f_locals.items() if name[0] not in "_."}


def _parameters(code: CodeType) -> tuple[str, ...]:
    flags = code.co_flags
    count = code.co_argcount + code.co_kwonlyargcount
    count += bool(flags & _VARARGS) + bool(flags & _VARKEYWORDS)
    return code.co_varnames[:count]

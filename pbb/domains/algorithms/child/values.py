"""Plain values as text: an answer as a Python literal, a traced value compactly.

Only exact builtin types are looked into, so that no method of a user's class ever runs here.
"""

from __future__ import annotations

import math
from collections import Counter, OrderedDict, defaultdict, deque
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any, Final

MAX_DEPTH: Final = 8
CHARS_PER_WEIGHT: Final = 8


class NotPlain(ValueError):
    """A value that cannot be an answer: why."""


class _TooLarge(Exception):
    pass


@dataclass(frozen=True, slots=True)
class _Style:
    comma: str
    colon: str
    sequences: frozenset[type]
    mappings: frozenset[type]
    sets: frozenset[type]
    any_float: bool


_LITERAL: Final = _Style(
    ", ", ": ", frozenset({list, tuple}), frozenset({dict}), frozenset(), False
)
_COMPACT: Final = _Style(
    ",",
    ":",
    frozenset({list, tuple, deque}),
    frozenset({dict, Counter, OrderedDict, defaultdict}),
    frozenset({set, frozenset}),
    True,
)


def literal(value: object, chars: int) -> str:
    """A value as a Python literal of so many characters at most. Raises NotPlain."""
    try:
        return "".join(_gathered(_pieces(value, _LITERAL, chars, 0), chars))
    except _TooLarge:
        raise NotPlain(f"longer than {chars} characters") from None


def compact(value: object, weight: int) -> tuple[str | None, int]:
    """A traced value without blanks, and its weight: values in it, long ones counting for more.

    A deque is told as a list, a set in ascending order. The text is null, at weight 0, for what is
    not plain: functions, objects, iterators; it is empty, at weight + 1, for what weighs too much.
    """
    try:
        pieces = _gathered(
            _pieces(value, _COMPACT, weight * CHARS_PER_WEIGHT, 0), weight * CHARS_PER_WEIGHT
        )
    except NotPlain:
        return None, 0
    except _TooLarge:
        return "", weight + 1
    scalars = [piece for piece in pieces if piece not in _MARKS]
    return "".join(pieces), max(1, sum(1 + len(piece) // CHARS_PER_WEIGHT for piece in scalars))


_MARKS: Final = frozenset({",", ":", "[", "]", "(", ")", "{", "}", ",)"})


def _gathered(pieces: Iterable[str], chars: int) -> list[str]:
    """All pieces; stops early at a value of more characters, however much more."""
    gathered: list[str] = []
    for piece in pieces:
        chars -= len(piece)
        if chars < 0:
            raise _TooLarge
        gathered.append(piece)
    return gathered


def _pieces(value: Any, style: _Style, chars: int, depth: int) -> Iterator[str]:
    kind = type(value)
    if depth > MAX_DEPTH:
        raise NotPlain(f"nested deeper than {MAX_DEPTH}, or holding itself")
    if kind in style.sequences:
        opening, closing = "()" if kind is tuple else "[]"
        single = kind is tuple and len(value) == 1
        yield opening
        yield from _listed(value, style, chars, depth)
        yield ",)" if single else closing
    elif kind in style.mappings:
        yield "{"
        for number, (key, each) in enumerate(dict.items(value)):
            yield from (style.comma,) * (number > 0)
            yield from _pieces(key, style, chars, depth + 1)
            yield style.colon
            yield from _pieces(each, style, chars, depth + 1)
        yield "}"
    elif kind in style.sets:
        yield "{"
        yield from _listed(_ascending(value, chars), style, chars, depth)
        yield "}"
    else:
        yield _scalar(value, style, chars)


def _listed(values: Iterable[Any], style: _Style, chars: int, depth: int) -> Iterator[str]:
    for number, each in enumerate(values):
        if number:
            yield style.comma
        yield from _pieces(each, style, chars, depth + 1)


def _ascending(values: Any, chars: int) -> list[Any]:
    """Members of a set in an order of their own: a set's depends on the process."""
    if len(values) > chars:
        raise _TooLarge
    kinds = {type(each) for each in values}
    if kinds <= {int} or kinds <= {str}:
        return sorted(values)
    if kinds <= {tuple} and all(type(each) is int for members in values for each in members):
        return sorted(values)
    raise NotPlain("a set of mixed members")


def _scalar(value: Any, style: _Style, chars: int) -> str:
    kind = type(value)
    if value is None or kind is bool:
        return str(value)
    if kind is int:
        if value.bit_length() > 4 * chars:  # never asks for the digits of a huge one
            raise _TooLarge
        return str(value)
    if kind is str:
        if len(value) > chars:
            raise _TooLarge
        return repr(value)
    if kind is float:
        if not style.any_float and not math.isfinite(value):
            raise NotPlain(f"{value} is not finite")
        return repr(value)
    if kind in (set, frozenset):
        raise NotPlain("a set has no order; return a sorted list")
    raise NotPlain(
        f"a value of type {kind.__name__[:40]}; return numbers, text, lists, tuples or dicts"
    )

"""Answers and inputs as Python literals: bounded, compared as values, told apart by kind."""

from __future__ import annotations

import ast
import re
from typing import Any, Final

from pbb.domains.domain import squeezed

MAX_CHARS: Final = 1_000
"""Of a literal that is looked into; longer text is compared as text."""
_NUMBER: Final = re.compile(
    r"-?\s*\d[\d ]*(?:\.[\d ]*\d[\d ]*)?(?:e\s*[-+]?\s*\d[\d ]*)?", re.ASCII
)
_WORD: Final = re.compile(r"T\s*r\s*u\s*e\b|F\s*a\s*l\s*s\s*e\b|N\s*o\s*n\s*e\b|[^\s,;.]+")
_CLOSING: Final = {"[": "]", "(": ")", "{": "}"}


def same_answer(said: str, wanted: str) -> bool:
    """Whether the first literal of what was said is the wanted one, as value or as text.

    As text without blanks, since tokenizers set them at will, inside words and numbers too. Values
    are of the same types at every depth: `[1, 0]` is not `[True, False]`, nor `[1.0]` `[1]`.
    """
    first = first_literal(said)
    if squeezed(first) == squeezed(wanted):
        return True
    one, other = value(first), value(wanted)
    return one is not None and _typed(one) == _typed(other)


def first_literal(text: str) -> str:
    """The number, quoted text, bracketed literal or word that a text begins with."""
    text = text.strip().partition("\n")[0][:MAX_CHARS]
    if text[:1] in _CLOSING or text[:1] in ("'", '"'):
        return text[: _end(text)]
    found = _NUMBER.match(text) or _WORD.match(text)
    return found.group() if found else ""


def _end(text: str) -> int:
    """Where the bracket or quote that a text begins with is closed; its length if nowhere."""
    waiting: list[str] = []
    quote = ""
    escaped = False
    for i, mark in enumerate(text):
        if quote:
            quote = "" if mark == quote and not escaped else quote
            escaped = mark == "\\" and not escaped
        elif mark in ("'", '"'):
            quote = mark
        elif mark in _CLOSING:
            waiting.append(_CLOSING[mark])
        elif waiting and mark == waiting[-1]:
            waiting.pop()
        if not quote and not waiting:
            return i + 1
    return len(text)


def value(text: str) -> Any | None:
    """The value of a literal; null where it is none (or is `None`, which no comparison needs)."""
    if len(text) > MAX_CHARS:
        return None
    try:
        return ast.literal_eval(text.strip())
    except (SyntaxError, ValueError, TypeError, MemoryError, RecursionError):
        return None


def _typed(found: object) -> tuple[type, object]:
    """A value with the type of each of its parts, equal only where all of them are."""
    match found:
        case list() | tuple():
            return type(found), tuple(map(_typed, found))
        case set():
            return set, frozenset(map(_typed, found))
        case dict():
            return dict, frozenset((_typed(key), _typed(each)) for key, each in found.items())
        case _:
            return type(found), found


def arguments(call: str) -> tuple[str, ...] | None:
    """Each argument of an argument list as `repr` writes it; null where they are no literals."""
    try:
        found = ast.literal_eval(f"({call},)" if call.strip() else "()")
    except (SyntaxError, ValueError, TypeError, MemoryError, RecursionError):
        return None
    return tuple(map(repr, found)) if isinstance(found, tuple) else None


def kind(text: str) -> str:
    """What a literal is, for instance `list[int]`; `list` where it is empty."""
    return _kind(value(text))


def _kind(found: object) -> str:
    if isinstance(found, list | tuple) and found:
        return f"{type(found).__name__}[{_kind(found[0])}]"
    return type(found).__name__

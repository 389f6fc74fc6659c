"""A body of `generator.random_body` in plain words: the same stages, in four phrasings.

Rendered from the syntax tree, so that it says what the source does and nothing else.
"""

from __future__ import annotations

import ast
import re
from dataclasses import dataclass
from typing import Final

from pbb.domains.ciphers.generator import definition


@dataclass(frozen=True)
class Phrasing:
    """Words for the stages.

    `{n}`, `{a}` and `{b}` are amounts, `{test}` a condition, `{table}` letters in an order, and
    `{it}` what a letter has become so far: `x` before anything happened to it, then `later`. each:
    what the change of a letter begins with; numbered: the same where positions matter.
    """

    each: str
    numbered: str
    shift: str
    either: str
    look_up: str
    later: str
    even: str
    vowel: str
    before: str
    less: str
    first_to_end: str
    last_to_front: str
    reverse: str
    reverse_first: str
    second_first: str
    first_first: str
    blocks: str
    end: str


PHRASINGS: Final = (
    Phrasing(
        each="for each letter x of s",
        numbered="for each letter x of s and its position p from 0",
        shift="shift {it} by {n}",
        either="shift {it} by {a} if {test} and by {b} otherwise",
        look_up="replace {it} by the letter of '{table}' at its place in the alphabet",
        later="it",
        even="p is even",
        vowel="x is a vowel",
        before="x is before '{letter}'",
        less="p is less than {n}",
        first_to_end="put the first {n} letters of s at the end",
        last_to_front="put the last {n} letters of s at the front",
        reverse="reverse s",
        reverse_first="reverse the first {n} letters of s",
        second_first="take every other letter of s from the second on and then the ones left",
        first_first="take every other letter of s from the first on and then the ones left",
        blocks="reverse each block of {n} letters of s",
        end="return s.",
    ),
    Phrasing(
        each="change every letter x of s",
        numbered="change every letter x of s where p counts from 0",
        shift="move {it} forward {n} places",
        either="when {test}, move {it} forward {a} places or else {b} places",
        look_up="trade {it} for its letter in the new alphabet '{table}'",
        later="that",
        even="p is an even number",
        vowel="x is one of the vowels",
        before="x is a letter before '{letter}'",
        less="p is below {n}",
        first_to_end="move the first {n} letters of s behind the rest",
        last_to_front="move the last {n} letters of s before the rest",
        reverse="turn s around",
        reverse_first="turn the first {n} letters of s around",
        second_first="write letters two four six and so on of s before one three five and so on",
        first_first="write letters one three five and so on of s before two four six and so on",
        blocks="turn each run of {n} letters of s around",
        end="the result is s.",
    ),
    Phrasing(
        each="take the letters x of s one by one",
        numbered="take the letters x of s one by one and count p up from 0",
        shift="{it} becomes the letter {n} places after {it}",
        either="if {test}, {it} becomes the letter {a} places after {it} or else {b} places after",
        look_up="{it} becomes the letter under {it} when '{table}' stands under the alphabet",
        later="this",
        even="2 divides p",
        vowel="x is in a e i o u",
        before="x comes before '{letter}'",
        less="p is smaller than {n}",
        first_to_end="s becomes s without its first {n} letters and then those",
        last_to_front="s becomes its last {n} letters and then s without those",
        reverse="s becomes s from back to front",
        reverse_first="the first {n} letters of s become those from back to front",
        second_first="s becomes its even letters and then its odd ones counted from one",
        first_first="s becomes its odd letters and then its even ones counted from one",
        blocks="each part of {n} letters of s becomes itself from back to front",
        end="s is the answer.",
    ),
    Phrasing(
        each="go over s and at each letter x",
        numbered="go over s and at each letter x with p letters to its left",
        shift="add {n} to {it}",
        either="add to {it} either {a} where {test} or {b} elsewhere",
        look_up="look {it} up in '{table}' with a at its first letter",
        later="the outcome",
        even="p is a multiple of 2",
        vowel="x happens to be a vowel",
        before="x is smaller than '{letter}'",
        less="p stays under {n}",
        first_to_end="rotate s to the left by {n}",
        last_to_front="rotate s to the right by {n}",
        reverse="read s backward",
        reverse_first="read the first {n} letters of s backward and the others forward",
        second_first="read s by twos from its second letter and again from its first",
        first_first="read s by twos from its first letter and again from its second",
        blocks="cut s after every {n} letters and read each part backward",
        end="output s.",
    ),
)
_MOVES: Final = (
    (r"s\[-(\w+):\] \+ s\[:-\1\]", "last_to_front"),
    (r"s\[(\w+):\] \+ s\[:\1\]", "first_to_end"),
    (r"s\[::-1\]", "reverse"),
    (r"s\[:(\w+)\]\[::-1\] \+ s\[\1:\]", "reverse_first"),
    (r"s\[1::2\] \+ s\[::2\]", "second_first"),
    (r"s\[::2\] \+ s\[1::2\]", "first_first"),
    (r"''\.join\(s\[p:p \+ (.+)\]\[::-1\] for p in range\(0, len\(s\), \1\)\)", "blocks"),
)
_OPERATORS: Final[dict[type[ast.operator], str]] = {
    ast.Add: "plus",
    ast.Sub: "minus",
    ast.Mult: "times",
}
_ONE: Final = re.compile(r"(?<!plus )(?<!minus )(?<!times )\b1 (letter|place)s\b")


class NotProse(ValueError):
    """A statement that no phrasing has words for."""


def prose(body: str, phrasing: int) -> str:
    """The body's stages, one sentence, in the words of a phrasing. Raises NotProse."""
    source = definition("f", body)
    function = ast.parse(source).body[0]
    assert isinstance(function, ast.FunctionDef)
    words = PHRASINGS[phrasing]
    stages = []
    for statement in function.body:
        match statement:
            case ast.Assign(targets=[ast.Name(id="s")], value=made):
                pass
            case ast.Return(value=ast.expr() as made):
                pass
            case _:
                raise NotProse(f"no words for: {ast.unparse(statement)}")
        told = _move(ast.get_source_segment(source, made) or "", words)
        stages.append(told or _change(made, words))
    return _ONE.sub(r"1 \1", "; ".join([*stages, words.end]))


def _move(source: str, words: Phrasing) -> str:
    """Empty where the letters are not merely moved."""
    for pattern, field in _MOVES:
        if found := re.fullmatch(pattern, source):
            told: str = getattr(words, field)
            amounts = [_amount(ast.parse(n, mode="eval").body) for n in found.groups()]
            return told.format(n=amounts[0]) if amounts else told
    return ""


def _change(value: ast.expr, words: Phrasing) -> str:
    match value:
        case ast.Call(
            func=ast.Attribute(value=ast.Constant(value=""), attr="join"),
            args=[ast.GeneratorExp(elt=letter, generators=[loop])],
        ):
            openings = {"s": words.each, "enumerate(s)": words.numbered}
            opening = openings.get(ast.unparse(loop.iter))
            if opening is not None:
                return f"{opening}: {' and then '.join(_changes(letter, words))}"
    raise NotProse(f"no words for: {ast.unparse(value)}")


def _changes(letter: ast.expr, words: Phrasing) -> list[str]:
    """What happens to a letter, in the order in which it happens."""
    match letter:
        case ast.Name(id="x"):
            return []
        case ast.Call(func=ast.Name(id="shift"), args=[before, amount]):
            done = _changes(before, words)
            return [*done, _shift(words.later if done else "x", amount, words)]
        case ast.Subscript(
            value=ast.Constant(value=str() as table),
            slice=ast.BinOp(
                left=ast.Call(func=ast.Name(id="ord"), args=[before]),
                op=ast.Sub(),
                right=ast.Constant(value=97),
            ),
        ):
            done = _changes(before, words)
            it = words.later if done else "x"
            return [*done, words.look_up.format(it=it, table=" ".join(table))]
        case _:
            raise NotProse(f"no words for the letter: {ast.unparse(letter)}")


def _shift(it: str, amount: ast.expr, words: Phrasing) -> str:
    if isinstance(amount, ast.IfExp):
        a, b = _amount(amount.body), _amount(amount.orelse)
        return words.either.format(it=it, a=a, b=b, test=_test(amount.test, words))
    return words.shift.format(it=it, n=_amount(amount))


def _amount(amount: ast.expr) -> str:
    """In Python's order of operations."""
    match amount:
        case ast.Name(id=name):
            return name
        case ast.Constant(value=int() as value):
            return str(value)
        case ast.UnaryOp(op=ast.USub(), operand=ast.Name(id=name)):
            return f"minus {name}"
        case ast.BinOp(left=left, op=op, right=ast.Name() | ast.Constant() as right) if type(
            op
        ) in _OPERATORS and not (isinstance(op, ast.Mult) and _is_sum(left)):
            return f"{_amount(left)} {_OPERATORS[type(op)]} {_amount(right)}"
        case _:
            raise NotProse(f"no words for the amount: {ast.unparse(amount)}")


def _is_sum(amount: ast.expr) -> bool:
    return isinstance(amount, ast.BinOp) and isinstance(amount.op, ast.Add | ast.Sub)


def _test(test: ast.expr, words: Phrasing) -> str:
    source = ast.unparse(test)
    if source == "p % 2 == 0":
        return words.even
    if source == "x in 'aeiou'":
        return words.vowel
    if found := re.fullmatch(r"x < '(\w)'", source):
        return words.before.format(letter=found.group(1))
    if found := re.fullmatch(r"p < (\w+)", source):
        return words.less.format(n=found.group(1))
    raise NotProse(f"no words for the test: {source}")

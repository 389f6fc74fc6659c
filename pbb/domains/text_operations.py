"""What text programs do: closures over the frame of a run, each made from closures of its parts.

All raise EvaluationError where Python would raise, or where a limit is reached.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import TypeVar

from pbb.domains.evaluator import EvaluationError, Limits


class Frame:
    """Values of one run, and what it may still do.

    values: letters taken, shifts' amounts, letters that a shift or an index gave, as they arose.
    """

    __slots__ = ("left", "magnitude", "numbers", "values", "words")

    def __init__(self, words: int, numbers: int, limits: Limits) -> None:
        self.words = [""] * words
        self.numbers = [0] * numbers
        self.left = limits.steps
        self.magnitude = limits.magnitude
        self.values: list[int | str] = []

    def spend(self, steps: int) -> None:
        """Before the work. A step is a statement, a turn of a loop or a letter written."""
        self.left -= steps
        if self.left < 0:
            raise EvaluationError("too many steps, letters written included")


T = TypeVar("T")
Text = Callable[[Frame], str]
Number = Callable[[Frame], int]
Test = Callable[[Frame], bool]
Turns = Callable[[Frame], Iterator[None]]


def either(
    decide: Test, taken: Callable[[Frame], T], otherwise: Callable[[Frame], T]
) -> Callable[[Frame], T]:
    """What the test decides; the other is not evaluated."""
    return lambda frame: taken(frame) if decide(frame) else otherwise(frame)


def code(letter: Text) -> Number:
    """`ord`."""

    def codes(frame: Frame) -> int:
        c = letter(frame)
        if len(c) != 1:
            raise EvaluationError(f"ord takes one letter, got {len(c)}")
        return ord(c)

    return codes


def joined(left: Text, right: Text) -> Text:
    """One after the other."""

    def joins(frame: Frame) -> str:
        first, second = left(frame), right(frame)
        frame.spend(len(first) + len(second))
        return first + second

    return joins


def cut(whole: Text, bounds: Sequence[Number | None]) -> Text:
    """A slice; bounds: start, stop and step, null where left out."""

    def cuts(frame: Frame) -> str:
        text = whole(frame)
        frame.spend(len(text))
        try:
            return text[slice(*[bound and bound(frame) for bound in bounds])]
        except ValueError:
            raise EvaluationError("slice step is zero") from None

    return cuts


def letter_at(whole: Text, index: Number) -> Text:
    """By its index; put down among the values."""

    def picks(frame: Frame) -> str:
        text, i = whole(frame), index(frame)
        if not -len(text) <= i < len(text):
            raise EvaluationError(f"no letter {i} in a text of {len(text)}")
        frame.values.append(text[i])
        return text[i]

    return picks


def shifted(letter: Text, amount: Number, alphabet: int) -> Text:
    """`shift` of the prelude; the amount and the new letter are put down among the values."""

    def shifts(frame: Frame) -> str:
        c, n = letter(frame), amount(frame)
        if len(c) != 1:
            raise EvaluationError(f"expected one letter to shift, got {len(c)}")
        made = chr((ord(c) - 97 + n) % alphabet + 97)
        frame.values += (n, made)
        return made

    return shifts


def calculated(left: Number, operation: Callable[[int, int], int], right: Number) -> Number:
    """An operation of two integers."""

    def calculates(frame: Frame) -> int:
        try:
            value = operation(left(frame), right(frame))
        except ZeroDivisionError:
            raise EvaluationError("division by zero") from None
        if not -frame.magnitude <= value <= frame.magnitude:
            raise EvaluationError(f"a value exceeds {frame.magnitude}")
        return value

    return calculates


def collected(piece: Text, turns: Turns) -> Text:
    """`''.join` of a piece for each turn."""

    def collects(frame: Frame) -> str:
        pieces = [piece(frame) for _ in turns(frame)]
        frame.spend(sum(map(len, pieces)))
        return "".join(pieces)

    return collects


def letters(word: Text, slot: int, counter: int) -> Turns:
    """One for each letter, which is put down among the values; the counter is its index."""

    def turns(frame: Frame) -> Iterator[None]:
        text, words, numbers, values = word(frame), frame.words, frame.numbers, frame.values
        frame.spend(len(text))
        for numbers[counter], letter in enumerate(text):
            words[slot] = letter
            values.append(letter)
            yield

    return turns


def counted(bounds: Sequence[Number], counter: int) -> Turns:
    """One for each integer of a range."""

    def turns(frame: Frame) -> Iterator[None]:
        try:
            counts = range(*[bound(frame) for bound in bounds])
        except ValueError:
            raise EvaluationError("range step is zero") from None
        for frame.numbers[counter] in counts:
            frame.spend(1)
            yield

    return turns

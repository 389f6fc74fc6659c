"""Prompts of several adapters in columns: which are read together, and what they begin with alike.

A wave is a table of prompts, a row an adapter; all its columns are decoded at once.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import zip_longest
from typing import Final

Prompt = Sequence[int]
Ids = tuple[int, ...]

NOBODY: Final = -1
"""The number of a place in a wave that no prompt takes: an adapter has fewer than another."""
LIKE_SHARE: Final = 0.5
"""Prompts are grouped whose common beginning is this share of the longer one at least."""
WORTH_SHARE: Final = 0.6
"""Common beginnings are read once where that leaves at most this share of all tokens to read."""


@dataclass(frozen=True)
class Wave:
    """prompts[adapter][column]: where the number is NOBODY, what another adapter is asked there.

    numbers[adapter][column]: counted through the prompts of all adapters, one adapter after the
    other.
    """

    prompts: tuple[tuple[Ids, ...], ...]
    numbers: tuple[tuple[int, ...], ...]

    @property
    def longest(self) -> int:
        return max(len(prompt) for row in self.prompts for prompt in row)

    def column(self, index: int) -> list[Ids]:
        """Every adapter's prompt there."""
        return [row[index] for row in self.prompts]


@dataclass(frozen=True)
class Beginning:
    """Columns whose prompts agree, within each adapter, in their first `length` tokens."""

    columns: tuple[int, ...]
    length: int


def waves(prompts: Sequence[Sequence[Prompt]], columns: int) -> Iterator[Wave]:
    """All prompts of each adapter, longest first, in tables of at most so many columns.

    Within a wave columns are in the order of their tokens, so that like ones are neighbours.
    """
    rows, first = [], 0
    for given in prompts:
        order = sorted(range(len(given)), key=lambda i: (-len(given[i]), tuple(given[i])))
        rows.append([(tuple(given[i]), first + i) for i in order])
        first += len(given)
    table = [_filled(column) for column in zip_longest(*rows)]
    for start in range(0, len(table), columns):
        part = sorted(table[start : start + columns])
        yield Wave(
            tuple(zip(*([prompt for prompt, _ in column] for column in part), strict=True)),
            tuple(zip(*([number for _, number in column] for column in part), strict=True)),
        )


def _filled(
    column: Sequence[tuple[Ids, int] | None],
) -> list[tuple[Ids, int]]:
    anyone = next(place for place in column if place is not None)
    return [(anyone[0], NOBODY) if place is None else place for place in column]


def beginnings(wave: Wave, slots: int) -> list[Beginning]:
    """What to read before the prompts themselves, every column in one; each leaves its column a
    token at least. Empty where it does not pay.

    What is left of all prompts is read in one rectangle, so it counts with its widest, and must
    fit into so many slots after any beginning.
    """
    columns = [wave.column(i) for i in range(len(wave.numbers[0]))]
    found: list[Beginning] = []
    start = 0
    for i in range(1, len(columns) + 1):
        if i < len(columns) and _are_like(columns[i - 1], columns[i]):
            continue
        found.append(_beginning(columns, range(start, i)))
        start = i
    rest = max(
        len(prompt) - each.length for each in found for i in each.columns for prompt in columns[i]
    )
    read = sum(each.length for each in found) + rest * len(columns)
    whole = sum(max(map(len, column)) for column in columns)
    most, least = max(each.length for each in found), min(each.length for each in found)
    return found if read <= WORTH_SHARE * whole and least > 0 and most + rest <= slots else []


def _are_like(column: Sequence[Ids], other: Sequence[Ids]) -> bool:
    longest = max(map(len, (*column, *other)))
    return _common(column, other) >= LIKE_SHARE * longest


def _beginning(columns: Sequence[Sequence[Ids]], members: range) -> Beginning:
    first = columns[members[0]]
    length = min(len(prompt) - 1 for i in members for prompt in columns[i])
    for i in members:
        length = min(length, _common(first, columns[i]))
    return Beginning(tuple(members), length)


def _common(column: Sequence[Ids], other: Sequence[Ids]) -> int:
    """Tokens in which both begin alike, of the adapter where they are fewest."""
    return min(_alike(*pair) for pair in set(zip(column, other, strict=True)))


def _alike(one: Ids, other: Ids) -> int:
    """By halving, since whole stretches are compared faster than token by token."""
    least, most = 0, min(len(one), len(other))
    while least < most:
        middle = (least + most + 1) // 2
        if one[least:middle] == other[least:middle]:
            least = middle
        else:
            most = middle - 1
    return least

"""Inputs that a function's own generator draws, in the sandbox."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from pbb.domains.algorithms.sandbox import (
    Job,
    Limits,
    Ran,
    SandboxError,
    TooSlow,
    run_generators,
)

DRAWS: Final = 20
"""Inputs are drawn so many times as often as they are wanted, at most, to find distinct ones."""
STANDARD: Final = Limits()


@dataclass(frozen=True, slots=True)
class Drawing:
    """So many distinct argument lists of a source's `inputs(rng: random.Random)`, from a seed."""

    source: str
    count: int
    seed: int


Drawn = tuple[str, ...] | SandboxError
"""Argument lists as literals, or why there are none."""


def draw_inputs(
    drawings: Sequence[Drawing], limits: Limits = STANDARD, *, hash_seed: int = 0
) -> tuple[Drawn, ...]:
    """What each draws: as many as its count, or fewer where so many are not found in DRAWS times as
    many draws, each from a generator of its own. An error where a draw fails or is no tuple of
    plain values, TooSlow where it takes too long.
    """
    pending = [_Pending(each) for each in drawings]
    while waiting := [each for each in pending if each.is_waiting]:
        jobs = [each.job() for each in waiting]
        for each, rows in zip(waiting, run_generators(jobs, limits, hash_seed), strict=True):
            each.take(rows)
    return tuple(each.drawn() for each in pending)


def generate_inputs(
    source: str, count: int, seed: int, limits: Limits = STANDARD
) -> tuple[str, ...]:
    """As `draw_inputs` for one source. Raises SandboxError."""
    (drawn,) = draw_inputs([Drawing(source, count, seed)], limits)
    if isinstance(drawn, SandboxError):
        raise drawn
    return drawn


class _Pending:
    """A drawing under way, in rounds that double."""

    def __init__(self, drawing: Drawing) -> None:
        self._drawing = drawing
        self._found: dict[str, None] = {}
        self._start, self._end = 0, drawing.count
        self._error: SandboxError | None = None

    @property
    def is_waiting(self) -> bool:
        some_left = self._start < self._end and len(self._found) < self._drawing.count
        return some_left and self._error is None

    def job(self) -> Job:
        numbers = range(self._start, self._end)
        draws = tuple(f"{self._drawing.seed}/{number}" for number in numbers)
        return Job(self._drawing.source, "inputs", draws)

    def take(self, rows: Sequence[Ran]) -> None:
        for each in rows:
            if each.answer is None:
                kind = TooSlow if each.late else SandboxError
                self._error = kind(f"inputs(rng): {each.error}")
                return
            self._found[each.answer] = None
        self._start, self._end = self._end, min(2 * self._end, DRAWS * self._drawing.count)

    def drawn(self) -> Drawn:
        return self._error or tuple(self._found)[: self._drawing.count]

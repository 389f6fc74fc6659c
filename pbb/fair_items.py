"""Which of a program's cases are evaluated: balanced over its paths, and not to be guessed."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import Final

import numpy as np

from pbb.domains.domain import Case, squeezed

MAX_SHARE_OF_ONE_ANSWER: Final = 0.2
"""No constant, and no copy of the input, is right on more than this share of a program's items."""


def choose_items(
    cases: Sequence[Case], count: int, rng: np.random.Generator, *, spare: int, even: bool
) -> tuple[int, ...] | None:
    """Indices of `count` cases, balanced over paths and not guessable; None where none are.

    Paths are visited in turn. even: they differ by at most one item; else a path that runs out of
    cases is passed over. Every path keeps `spare` cases outside the items, for demonstrations.
    """
    by_path: dict[str, list[int]] = {}
    for i in rng.permutation(len(cases)):
        by_path.setdefault(cases[i].path, []).append(int(i))
    waiting = [indices[: len(indices) - spare] for indices in by_path.values()]
    chosen: list[int] = []
    guessed = _Guessed(int(MAX_SHARE_OF_ONE_ANSWER * count))
    while len(chosen) < count and any(waiting):
        for indices in waiting:
            if not indices and not even:
                continue
            i = next((i for i in indices if guessed.allows(cases[i])), None)
            if i is None:
                return None
            indices.remove(i)
            chosen.append(i)
            guessed.add(cases[i])
            if len(chosen) == count:
                break
    return tuple(sorted(chosen)) if len(chosen) == count else None


class _Guessed:
    """How often guessing would pay on the items chosen so far; white space does not count."""

    def __init__(self, most: int) -> None:
        self._most = most
        self._answers: Counter[str] = Counter()
        self._copies = 0

    def allows(self, case: Case) -> bool:
        pays = self._answers[squeezed(case.answer)] >= self._most
        return not pays and not (case.copied and self._copies >= self._most)

    def add(self, case: Case) -> None:
        self._answers[squeezed(case.answer)] += 1
        self._copies += case.copied

"""Ready stages in the order in which workers take them, found without looking at all of them."""

from __future__ import annotations

import heapq
from typing import NamedTuple

Rank = tuple[int, int, int]
"""Least first. A stage of another base than the worker has loaded comes after those of its own base
whose first number is the same."""

CohortKey = tuple[object, ...]


class _Place(NamedTuple):
    rank: Rank
    base: str
    key: CohortKey | None


_Heap = list[tuple[Rank, str]]


class ReadyStages:
    """Names of stages, each with its rank, its base and the key of those that it may run beside.

    Taking a cohort costs the logarithm of how many there are, times its size. What is no longer
    true of a heap's entry is found when the entry comes to its top.
    """

    def __init__(self) -> None:
        self._places: dict[str, _Place] = {}
        self._of_base: dict[str, _Heap] = {}
        self._alike: dict[CohortKey, _Heap] = {}

    def put(self, name: str, rank: Rank, base: str, key: CohortKey | None) -> None:
        """Make a stage ready, or give it another place. key: null = it goes by itself."""
        place = _Place(rank, base, key)
        if self._places.get(name) == place:
            return
        self._places[name] = place
        heapq.heappush(self._of_base.setdefault(base, []), (rank, name))
        if key is not None:
            heapq.heappush(self._alike.setdefault(key, []), (rank, name))

    def remove(self, name: str) -> None:
        """It is not ready any more, if it was."""
        self._places.pop(name, None)

    def take(self, base: str | None, at_most: int) -> list[str]:
        """The first stage for a worker that has this base loaded, and the next of its key."""
        firsts = [name for each in tuple(self._of_base) if (name := self._first_of(each))]
        if not firsts:
            return []
        first = min(firsts, key=lambda name: self._rank_for(base, name))
        key = self._places[first].key
        cohort = [first]
        self.remove(first)
        while key is not None and len(cohort) < at_most and (other := self._next_alike(key)):
            cohort.append(other)
            self.remove(other)
        return cohort

    def _rank_for(self, base: str | None, name: str) -> tuple[int, bool, int, int]:
        place = self._places[name]
        return (place.rank[0], place.base != base, *place.rank[1:])

    def _first_of(self, base: str) -> str | None:
        heap = self._of_base[base]
        while heap:
            rank, name = heap[0]
            place = self._places.get(name)
            if place is not None and place.rank == rank:
                return name
            heapq.heappop(heap)
        del self._of_base[base]
        return None

    def _next_alike(self, key: CohortKey) -> str | None:
        heap = self._alike.get(key, [])
        while heap:
            rank, name = heap[0]
            place = self._places.get(name)
            if place is not None and place.rank == rank and place.key == key:
                return name
            heapq.heappop(heap)
        self._alike.pop(key, None)
        return None

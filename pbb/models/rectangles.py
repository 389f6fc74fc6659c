"""Rectangles of sequences that lie one after the other: what reads several of them at once."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray

Places = NDArray[np.int64]
Shapes = Sequence[tuple[int, int]]
"""(rows, width) of each rectangle."""


@dataclass(frozen=True)
class Rectangles:
    """A sequence a row, filled up on the right; of M places, rectangle by rectangle, row by row.

    tokens (M,): which of the N tokens each place holds. What fills a row up is its own first token:
    with another's, what is not finite there would reach this one's gradients. fills (M,): whether
    it is that. places (N,): where each token lies; 0 of those that belong to no sequence.
    """

    shapes: tuple[tuple[int, int], ...]
    tokens: Places
    fills: NDArray[np.bool_]
    places: Places

    @classmethod
    def of(
        cls, lengths: Sequence[int], counts: Sequence[int], n: int, multiple: int = 1
    ) -> Rectangles:
        """counts: how many sequences in turn, of a token at least, are side by side. n: all tokens.

        multiple: widths are one of it.
        """
        longest = [max(each) for each in _in_turn(lengths, counts)]
        shapes = [
            (count, -(-most // multiple) * multiple)
            for count, most in zip(counts, longest, strict=True)
        ]
        widths = np.repeat([width for _, width in shapes], counts)
        tall, size = np.array(lengths), int(widths.sum())
        first = np.repeat(np.cumsum(tall) - tall, widths)
        within = np.arange(size) - np.repeat(np.cumsum(widths) - widths, widths)
        fills = within >= np.repeat(tall, widths)
        places = np.zeros(n, dtype=np.int64)
        places[: tall.sum()] = np.flatnonzero(~fills)
        return cls(tuple(shapes), first + np.where(fills, 0, within), fills, places)

    def on(self, device: torch.device) -> tuple[torch.Tensor, torch.Tensor]:
        """tokens and places there."""
        tokens, places = (torch.from_numpy(each) for each in (self.tokens, self.places))
        return tokens.to(device, non_blocking=True), places.to(device, non_blocking=True)


def alike(lengths: Sequence[int], share: float) -> list[int]:
    """How many in turn are as long as their first one, or shorter, but not below this share."""
    counts: list[int] = []
    first = 0
    for length in lengths:
        if counts and share * first <= length <= first:
            counts[-1] += 1
        else:
            counts.append(1)
            first = length
    return counts


def _in_turn(lengths: Sequence[int], counts: Sequence[int]) -> Iterator[Sequence[int]]:
    start = 0
    for count in counts:
        yield lengths[start : start + count]
        start += count

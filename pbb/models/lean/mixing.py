"""Attention of short sequences and its backward pass, written out.

Rows are short: torch's attention takes longer to begin than to compute. So they are mixed in few
rectangles, which are gathered head by head out of the row of tokens, and read back, at once.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from typing import Final

import numpy as np
import torch
from torch import Tensor

from pbb.models.lean.pieces import turned_by
from pbb.models.packing import Packed
from pbb.models.rectangles import Places, Rectangles, Shapes, alike

WIDEST: Final = 256
"""Of sequences, and of the rectangles: a multiple of MULTIPLE. All scores of one are in memory."""
SHARE: Final = 0.7
"""A sequence shorter than this share of its rectangle's longest opens a new one."""
MULTIPLE: Final = 8
"""Of widths: softmax takes up to twice as long for the others."""


@dataclass(frozen=True)
class Gathering:
    """Where `mixed` finds the heads that it reads, and where each token finds its own again.

    n_filled: tokens that belong to sequences, of N. shapes: (rows, width) of rectangles, in which
    sequences lie row by row, in each row head by head: in M places. turning (2 M,): queries, then
    keys, among the N x 2 heads that are turned. values (M,): among all N x 3 heads. seen (M,):
    among the N x heads of what is seen. fills (F,): the places that fill rows up. back (N x
    heads,): among the places. back_each (N x 3 heads,): among those of queries, keys and values one
    after the other.
    """

    heads: int
    n_filled: int
    shapes: tuple[tuple[int, int], ...]
    turning: Tensor
    values: Tensor
    seen: Tensor
    fills: Tensor
    back: Tensor
    back_each: Tensor

    @classmethod
    def of(cls, packed: Packed, heads: int) -> Gathering:
        """Of sequences on the CPU."""
        n, counts = len(packed.tokens), alike(packed.lengths, SHARE)
        rows = Rectangles.of(packed.lengths, counts, n, MULTIPLE)
        place, head = _head_by_head(rows.shapes, heads)
        token, fills = rows.tokens[place], rows.fills[place]
        seen, real = token * heads + head, np.flatnonzero(~fills)
        back = np.zeros((n, heads), dtype=np.int64)
        back.flat[seen[real]] = real
        queries = token * (2 * heads) + head
        found = (
            np.concatenate([queries, queries + heads]),
            token * (3 * heads) + 2 * heads + head,
            seen,
            np.flatnonzero(fills),
            back.ravel(),
            (back[:, None] + len(token) * np.arange(3)[:, None]).ravel(),
        )
        return cls(heads, sum(packed.lengths), rows.shapes, *map(torch.from_numpy, found))

    def rectangles(self, each: Tensor) -> list[tuple[Tensor, ...]]:
        """(k, M, d) -> of each rectangle k views (rows x heads, width, d)."""
        sizes = [rows * self.heads * width for rows, width in self.shapes]
        k, _, d = each.shape
        parts = zip(torch.split_with_sizes(each, sizes, 1), self.shapes, strict=True)
        return [part.view(k, -1, width, d).unbind() for part, (_, width) in parts]


def _head_by_head(shapes: Shapes, heads: int) -> tuple[Places, Places]:
    """Of each place where rows lie head by head: its place among the rectangles', and its head."""
    places, which, start = [], [], 0
    for rows, width in shapes:
        end = start + rows * width
        places.append(np.arange(start, end).reshape(rows, 1, width).repeat(heads, axis=1).ravel())
        which.append(np.tile(np.arange(heads).repeat(width), rows))
        start = end
    return np.concatenate(places), np.concatenate(which)


def mixed(
    each: Tensor, cos: Tensor, sin: Tensor, gathering: Gathering
) -> tuple[Tensor, tuple[Tensor, ...]]:
    """Of all heads (N, 3 heads, d): what turning and attention within sequences make of them, (N,
    heads x d), and what `mixed_back` needs. No gradient.
    """
    d, size = each.shape[2], len(gathering.values)
    turned = turned_by(each[:, : 2 * gathering.heads], cos, sin, 1)
    read, found, kept = each.new_empty(3, size, d), each.new_empty(1, size, d), []
    _gather(turned, gathering.turning, read[:2])
    _gather(each, gathering.values, read[2])
    rectangles = zip(*map(gathering.rectangles, (read, found)), strict=True)
    for (queries, keys, values), (into,) in rectangles:
        hidden = _later(keys.shape[1], each.dtype)
        weights = torch.baddbmm(hidden, queries, keys.mT, alpha=d**-0.5).softmax(-1)
        torch.bmm(weights, values, out=into)
        kept.append(weights)
    seen = found[0].index_select(0, gathering.back).view(len(each), -1)
    seen[gathering.n_filled :] = 0.0
    return seen, (read, *kept)


def mixed_back(
    grad: Tensor, kept: Sequence[Tensor], cos: Tensor, sin: Tensor, gathering: Gathering
) -> Tensor:
    """The gradient of all heads from that of what `mixed` gave."""
    read, *weights = kept
    d, of_found, of_read = read.shape[2], torch.empty_like(read[:1]), torch.empty_like(read)
    _gather(grad, gathering.seen, of_found)
    of_found.index_fill_(1, gathering.fills, 0.0)
    rectangles = zip(*map(gathering.rectangles, (read, of_read, of_found)), weights, strict=True)
    for (queries, keys, values), (of_queries, of_keys, of_values), (of_seen,), shares in rectangles:
        torch.bmm(shares.mT, of_seen, out=of_values)
        of_weights = torch.bmm(of_seen, values.mT)
        of_scores = torch.ops.aten._softmax_backward_data(of_weights, shares, -1, shares.dtype)
        torch.baddbmm(of_queries, of_scores, keys, beta=0, alpha=d**-0.5, out=of_queries)
        torch.baddbmm(of_keys, of_scores.mT, queries, beta=0, alpha=d**-0.5, out=of_keys)
    of_turned = of_read.view(-1, d).index_select(0, gathering.back_each).view(len(grad), -1, d)
    of_turned[gathering.n_filled :] = 0.0
    of_each, turning = torch.empty_like(of_turned), 2 * gathering.heads
    turned_by(of_turned[:, :turning], cos, sin, -1, of_each[:, :turning])
    of_each[:, turning:] = of_turned[:, turning:]
    return of_each


def _gather(heads: Tensor, places: Tensor, into: Tensor) -> None:
    d = into.shape[-1]
    torch.index_select(heads.view(-1, d), 0, places, out=into.view(-1, d))


@cache
def _later(width: int, dtype: torch.dtype) -> Tensor:
    """What is added to a query's scores (width, width): no weight for what comes after it."""
    return torch.full((width, width), -math.inf, dtype=dtype).triu_(1)

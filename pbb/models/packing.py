"""Sequences of different lengths -> one row of tokens, none of them padded.

Blocks of like length are kept in mind: what reads several sequences at once (attention, a model's
own code) is given each block as a rectangle (`pbb.models.rectangles`).
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import chain
from typing import Final

import numpy as np
import torch
from torch import Tensor

GROUP_RATIO: Final = 0.85
"""A sequence shorter than this share of its block's longest opens a new block."""
ROWS: Final = 32
"""Tokens are a multiple of it, so that few shapes are met: matrix products may be made for each."""
MIN_BLOCK_TOKENS: Final = 64
"""Below this many tokens of a rectangle a further block costs more than its padding saves."""


@dataclass(frozen=True)
class Packed:
    """Sequences one after the other; after the last come tokens that belong to none.

    tokens and positions (N,): positions count from each sequence's first token. order: of each
    sequence in turn, its place among those given. starts and lengths: where each begins among the
    N, and its tokens. blocks: how many sequences in turn are one block.
    """

    tokens: Tensor
    positions: Tensor
    order: tuple[int, ...]
    starts: tuple[int, ...]
    lengths: tuple[int, ...]
    blocks: tuple[int, ...]


def groups(lengths: Sequence[int], max_tokens: int) -> Iterator[list[list[int]]]:
    """Sequences by their places, longest first: batches of at most max_tokens (one sequence at
    least), counted as if padded to their block's longest, each in blocks."""
    batch: list[list[int]] = []
    total = 0
    for i in sorted(range(len(lengths)), key=lambda i: -lengths[i]):
        joins = bool(batch) and _joins(lengths[i], lengths[batch[-1][0]], len(batch[-1]))
        grows = lengths[batch[-1][0]] if joins else lengths[i]
        if batch and total + grows > max_tokens:
            yield batch
            batch, total, joins, grows = [], 0, False, lengths[i]
        if joins:
            batch[-1].append(i)
        else:
            batch.append([i])
        total += grows
    if batch:
        yield batch


def _joins(length: int, longest: int, rows: int) -> bool:
    return length >= GROUP_RATIO * longest or longest * (rows + 1) <= MIN_BLOCK_TOKENS


def pack(
    sequences: Sequence[Sequence[int]],
    blocks: Sequence[Sequence[int]],
    *,
    pad_id: int,
    device: torch.device,
) -> Packed:
    """Lay the sequences of `blocks` out."""
    order = [i for block in blocks for i in block]
    lengths = np.array([len(sequences[i]) for i in order], dtype=np.int64)
    starts = np.cumsum(lengths) - lengths
    filled = int(lengths.sum())
    tokens = np.full(-(-filled // ROWS) * ROWS, pad_id, dtype=np.int64)
    tokens[:filled] = list(chain.from_iterable(sequences[i] for i in order))
    positions = np.zeros_like(tokens)
    positions[:filled] = np.arange(filled) - np.repeat(starts, lengths)
    return Packed(
        torch.from_numpy(tokens).to(device, non_blocking=True),
        torch.from_numpy(positions).to(device, non_blocking=True),
        tuple(order),
        tuple(starts.tolist()),
        tuple(lengths.tolist()),
        tuple(map(len, blocks)),
    )

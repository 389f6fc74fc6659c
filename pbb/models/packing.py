"""Sequences of different lengths -> one row of tokens, in blocks of like length.

A block is a rectangle for attention. All else reads the row of tokens as it is, so it costs little
to have many blocks, and little is padded.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
import torch
from torch import Tensor

GROUP_RATIO: Final = 0.85
"""A sequence shorter than this share of its block's longest opens a new block."""
ROWS: Final = 32
"""Tokens are a multiple of it, so that few shapes are met: matrix products may be made for each."""
MIN_BLOCK_TOKENS: Final = 64
"""Below this many padded tokens a further block costs more than its padding saves."""


@dataclass(frozen=True)
class Packed:
    """Blocks one after the other, each row by row, padded on the right to the block's width.

    After the last block comes padding that belongs to none.

    tokens and positions (N,): positions count from each sequence's first token. shapes: (rows,
    width) of each block. order: of each row in turn, its place among the sequences given.
    starts: where each row begins among the N.
    """

    tokens: Tensor
    positions: Tensor
    shapes: tuple[tuple[int, int], ...]
    order: tuple[int, ...]
    starts: tuple[int, ...]


def groups(lengths: Sequence[int], max_tokens: int) -> Iterator[list[list[int]]]:
    """Sequences by their places, longest first: batches of at most max_tokens padded tokens (one
    sequence at least), each in blocks."""
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
    shapes = [(len(block), max(len(sequences[i]) for i in block)) for block in blocks]
    widths = np.repeat([width for _, width in shapes], [rows for rows, _ in shapes])
    starts = np.cumsum(widths) - widths
    filled = int(widths.sum())
    tokens = np.full(-(-filled // ROWS) * ROWS, pad_id, dtype=np.int64)
    for i, start in zip(order, starts, strict=True):
        tokens[start : start + len(sequences[i])] = sequences[i]
    positions = np.zeros_like(tokens)
    positions[:filled] = np.arange(filled) - np.repeat(starts, widths)
    return Packed(
        torch.from_numpy(tokens).to(device, non_blocking=True),
        torch.from_numpy(positions).to(device, non_blocking=True),
        tuple(shapes),
        tuple(order),
        tuple(starts.tolist()),
    )

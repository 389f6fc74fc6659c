"""A step's documents -> microbatches: right-padded, grouped by length to waste little."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import torch
from torch import Tensor

from pbb.models.encoding import Encoded

GROUP_RATIO: Final = 0.8
"""A document shorter than this share of its microbatch's longest opens a new microbatch."""
MIN_GROUP_TOKENS: Final = 256
"""Below this many padded tokens a further microbatch costs more than its padding saves."""


@dataclass(frozen=True)
class Microbatch:
    """tokens (B, T) padded on the right; target (B, T) marks tokens that carry loss.

    rows: of each of its B rows, the place among the documents that were cut.
    """

    tokens: Tensor
    target: Tensor
    rows: tuple[int, ...]


def microbatches(
    documents: Sequence[Encoded], *, pad_id: int, max_tokens: int, device: torch.device
) -> list[Microbatch]:
    """Cut a step into microbatches of at most max_tokens padded tokens (one document at least)."""
    groups: list[list[int]] = []
    lengths = [len(document.ids) for document in documents]
    for i in sorted(range(len(documents)), key=lambda i: -lengths[i]):
        if groups and _fits(lengths[i], lengths[groups[-1][0]], len(groups[-1]), max_tokens):
            groups[-1].append(i)
        else:
            groups.append([i])
    return [_pad(documents, group, pad_id, device) for group in groups]


def _fits(length: int, longest: int, rows: int, max_tokens: int) -> bool:
    """Whether a document joins a microbatch of so many rows."""
    padded = longest * (rows + 1)
    similar = length >= GROUP_RATIO * longest or padded <= MIN_GROUP_TOKENS
    return similar and padded <= max_tokens


def _pad(
    documents: Sequence[Encoded], rows: Sequence[int], pad_id: int, device: torch.device
) -> Microbatch:
    width = max(len(documents[i].ids) for i in rows)
    tokens = torch.full((len(rows), width), pad_id, dtype=torch.long)
    target = torch.zeros((len(rows), width), dtype=torch.bool)
    for row, document in enumerate(documents[i] for i in rows):
        tokens[row, : len(document.ids)] = torch.tensor(document.ids)
        target[row, document.n_prompt : len(document.ids)] = True
    return Microbatch(tokens.to(device), target.to(device), tuple(rows))

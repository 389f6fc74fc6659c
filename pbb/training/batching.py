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
    """tokens (B, T) padded on the right; target (B, T) marks tokens that carry loss."""

    tokens: Tensor
    target: Tensor


def microbatches(
    documents: Sequence[Encoded], *, pad_id: int, max_tokens: int, device: torch.device
) -> list[Microbatch]:
    """Cut a step into microbatches of at most max_tokens padded tokens (one document at least)."""
    groups: list[list[Encoded]] = []
    for document in sorted(documents, key=lambda d: -len(d.ids)):
        if groups and _fits(document, groups[-1], max_tokens):
            groups[-1].append(document)
        else:
            groups.append([document])
    return [_pad(group, pad_id, device) for group in groups]


def _fits(document: Encoded, group: Sequence[Encoded], max_tokens: int) -> bool:
    longest = len(group[0].ids)
    padded = longest * (len(group) + 1)
    similar = len(document.ids) >= GROUP_RATIO * longest or padded <= MIN_GROUP_TOKENS
    return similar and padded <= max_tokens


def _pad(group: Sequence[Encoded], pad_id: int, device: torch.device) -> Microbatch:
    width = max(len(d.ids) for d in group)
    tokens = torch.full((len(group), width), pad_id, dtype=torch.long)
    target = torch.zeros((len(group), width), dtype=torch.bool)
    for row, document in enumerate(group):
        tokens[row, : len(document.ids)] = torch.tensor(document.ids)
        target[row, document.n_prompt : len(document.ids)] = True
    return Microbatch(tokens.to(device), target.to(device))

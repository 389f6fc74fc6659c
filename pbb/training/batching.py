"""A step's documents -> microbatches, of which no document is padded."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from pbb.models.encoding import Encoded
from pbb.models.packing import Packed, groups, pack


@dataclass(frozen=True)
class Microbatch:
    """Documents side by side, and which of their n tokens carry loss.

    before (n,): places of the tokens that stand before those; wanted (n,): their ids; owner (n,):
    their documents, counted among those that were cut.
    """

    packed: Packed
    before: Tensor
    wanted: Tensor
    owner: Tensor


def microbatches(
    documents: Sequence[Encoded], *, pad_id: int, max_tokens: int, device: torch.device
) -> list[Microbatch]:
    """Cut a step into microbatches of at most max_tokens (one document at least), by `groups`."""
    lengths = [len(document.ids) for document in documents]
    return [microbatch(documents, blocks, pad_id, device) for blocks in groups(lengths, max_tokens)]


def microbatch(
    documents: Sequence[Encoded],
    blocks: Sequence[Sequence[int]],
    pad_id: int,
    device: torch.device,
) -> Microbatch:
    """Those documents whose places are in `blocks`, laid out so."""
    packed = pack([document.ids for document in documents], blocks, pad_id=pad_id, device=device)
    rows = [documents[i] for i in packed.order]
    counts = np.array([row.n_target for row in rows])
    firsts = np.array(packed.starts) + [row.n_prompt - 1 for row in rows]
    spans = np.repeat(firsts - counts.cumsum() + counts, counts) + np.arange(counts.sum())
    before = torch.from_numpy(spans).to(device, non_blocking=True)
    owner = np.repeat(packed.order, counts)
    return Microbatch(
        packed,
        before,
        packed.tokens[before + 1],
        torch.from_numpy(owner).to(device, non_blocking=True),
    )

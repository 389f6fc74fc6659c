"""Which documents of a step each process trains on, and how they are cut for a sharded model."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import torch

from pbb.models.encoding import Encoded
from pbb.training.batching import Microbatch, microbatch


def shares(documents: Sequence[Encoded], size: int) -> list[list[Encoded]]:
    """A step's documents in `size` shares of about as many tokens, the same in every process.

    The longest first, each to the share that has least. Where there are fewer documents than
    shares, some are empty.
    """
    found: list[list[Encoded]] = [[] for _ in range(size)]
    tokens = [0] * size
    for document in sorted(documents, key=lambda d: -len(d.ids)):
        least = tokens.index(min(tokens))
        found[least].append(document)
        tokens[least] += len(document.ids)
    return found


def rectangles(
    of_all: Sequence[Sequence[Encoded]],
    rank: int,
    *,
    pad_id: int,
    max_tokens: int,
    device: torch.device,
) -> list[Microbatch]:
    """The microbatches of share `rank`, each one rectangle, as many as any of the shares has.

    A sharded model exchanges its weights whenever a layer is called, so all processes must call
    equally often: those with fewer microbatches have some without a target token in place of them.
    """
    cuts = [_blocks([len(d.ids) for d in share], max_tokens) for share in of_all]
    own = [microbatch(of_all[rank], [block], pad_id, device) for block in cuts[rank]]
    shortest = min((d for share in of_all for d in share), key=lambda d: len(d.ids))
    idle = microbatch([shortest], [[0]], pad_id, device)
    idle = replace(idle, before=idle.before[:0], wanted=idle.wanted[:0], owner=idle.owner[:0])
    return own + [idle] * (max(map(len, cuts)) - len(own))


def _blocks(lengths: Sequence[int], max_tokens: int) -> list[list[int]]:
    """Places of documents, longest first, in rectangles of at most max_tokens padded tokens."""
    blocks: list[list[int]] = []
    for i in sorted(range(len(lengths)), key=lambda i: -lengths[i]):
        if blocks and lengths[blocks[-1][0]] * (len(blocks[-1]) + 1) <= max_tokens:
            blocks[-1].append(i)
        else:
            blocks.append([i])
    return blocks

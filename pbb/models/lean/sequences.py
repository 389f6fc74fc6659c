"""Attention of sequences that lie one after the other in one row of tokens."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn.attention.varlen import varlen_attn

from pbb.models.lean.llama import attended


def in_sequences(
    queries: Tensor, keys: Tensor, values: Tensor, bounds: Tensor, longest: int
) -> Tensor:
    """Causal attention within each sequence -> (n, heads x d).

    queries (n, heads, d), keys and values (n, key heads, d). bounds (S,), int32: where each
    sequence begins, and n; the first is 0, repeated ones hold nothing. longest: no sequence has
    more tokens.
    """
    if queries.is_cuda and queries.dtype in (torch.bfloat16, torch.float16):
        found = varlen_attn(
            queries, keys, values, bounds, bounds, longest, longest, window_size=(-1, 0)
        )
        seen: Tensor = found[0] if isinstance(found, tuple) else found
        return seen.flatten(1)
    return _in_rectangle(queries, keys, values, bounds.long(), longest)


def _in_rectangle(
    queries: Tensor, keys: Tensor, values: Tensor, bounds: Tensor, longest: int
) -> Tensor:
    """Where there is no kernel for it: each sequence a row, filled up with its own first token.

    With another's token, what is not finite there would reach this one's gradients.
    """
    n, begins, ends = len(queries), bounds[:-1, None], bounds[1:, None]
    places = begins + torch.arange(longest, device=queries.device)
    places = torch.where(places < ends, places, begins).clamp(max=n - 1)
    read = [_rows(t, places) for t in (queries, keys, values)]
    seen = attended(read[0], read[1], read[2], None).flatten(0, 1)
    tokens = torch.arange(n, device=queries.device)
    owner = torch.searchsorted(bounds, tokens, right=True) - 1
    return seen.index_select(0, owner * longest + tokens - bounds[owner])


def _rows(tokens: Tensor, places: Tensor) -> Tensor:
    read: Tensor = tokens.index_select(0, places.flatten()).unflatten(0, places.shape)
    return read

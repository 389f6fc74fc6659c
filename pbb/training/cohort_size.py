"""How many adapters train side by side: as many as gain by it, and as the memory holds."""

from __future__ import annotations

import contextlib
from collections.abc import Sequence
from typing import Final, TypeVar

import torch

from pbb.config import TrainStage
from pbb.memory_share import free_bytes
from pbb.models.encoding import Encoded
from pbb.models.lean.abreast import layer_pass
from pbb.models.lean.frozen_head import loss_and_slope
from pbb.models.lean.llama import Llama
from pbb.models.stacked import Stack
from pbb.training.cohort_batching import AT_ONCE, Layout
from pbb.training.cohort_step import Plain

T = TypeVar("T")

SHARE_OF_MEMORY: Final = 0.8
"""Of what is free; the rest is for documents of other lengths, and for what the probe misses."""
STATES: Final = 3
"""AdamW's moments and the gradient's norm, beside weights and gradients: tensors of their size."""


def even_shares(jobs: Sequence[T], most: int) -> list[Sequence[T]]:
    """As few shares of at most `most` as there can be, of sizes that differ by one at most."""
    shares = -(-len(jobs) // most)
    ends = [len(jobs) * (i + 1) // shares for i in range(shares)]
    return [jobs[begin:end] for begin, end in zip([0, *ends], ends, strict=False)]


def most_abreast(stage: TrainStage, llama: Llama, documents: Sequence[Encoded], pad_id: int) -> int:
    """How many adapters of a stage's shape one step takes on a GPU, by one that is measured.

    documents: one step's. More than AT_ONCE tokens are not faster in one microbatch, and later
    adapters would only wait longer.
    """
    width = min(sum(len(d.ids) for d in documents), stage.numerics.max_batch_tokens)
    gaining = max(1, AT_ONCE // width)
    device = llama.embedding.device
    torch.cuda.empty_cache()
    free = free_bytes(device)
    # Not handled in `except`: there the error would still hold on to what was allocated.
    with contextlib.suppress(torch.OutOfMemoryError):
        used = _peak_bytes(stage, llama, documents, pad_id)
        return max(1, min(gaining, int(SHARE_OF_MEMORY * free / used)))
    torch.cuda.empty_cache()
    return 1


def _peak_bytes(stage: TrainStage, llama: Llama, documents: Sequence[Encoded], pad_id: int) -> int:
    """Of one adapter's step, beside the base. As written it takes more than compiled."""
    device = llama.embedding.device
    before = torch.cuda.memory_allocated(device)
    torch.cuda.reset_peak_memory_stats(device)
    stack = Stack(llama, [stage.lora])
    layout = Layout(pad_id=pad_id, max_tokens=stage.numerics.max_batch_tokens)
    share = torch.ones(1, dtype=torch.float64, device=device)
    Plain(stack, layer_pass, loss_and_slope)(layout([documents])[0], share)
    states = STATES * stack.weights.nbytes
    return torch.cuda.max_memory_allocated(device) - before + states

"""One way to a model's logits, whatever computes them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Protocol

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from pbb.models.head import backbone, head_logits
from pbb.models.lean.blocks import through_packed
from pbb.models.lean.frozen_head import frozen_head_loss, loss_and_slope_at_once
from pbb.models.lean.llama import Llama, Through
from pbb.models.lean.reading import lean_llama
from pbb.models.lean.row import AdapterRow
from pbb.models.lean.trained import suits, through_merged
from pbb.models.packing import ROWS, Packed
from pbb.models.rectangles import Rectangles


class Forward(Protocol):
    """What a model says after the tokens at `places` (n,) of packed sequences."""

    def __call__(self, packed: Packed, places: Tensor) -> Tensor:
        """Logits (n, V), float32."""
        ...

    def nll(self, packed: Packed, places: Tensor, wanted: Tensor) -> Tensor:
        """Summed NLL [nats] of the tokens wanted (n,) there, a scalar.

        Both of the paper's losses (declarative and execution, arXiv 2506.18777) are this one: what
        is the target and what the prompt is decided by the document. A sum and no mean: the caller
        divides once a step, so cuts into microbatches cannot change the loss.
        """
        ...


def forward_of(model: nn.Module) -> Forward:
    """The lean forward of a model that has one, else the model's own; parameters are shared.

    It reads how the model's parameters are wrapped, so it is asked for anew after a change of that.
    """
    return _forward(model, lean_llama(model))


def _forward(model: nn.Module, lean: Llama | None) -> Forward:
    if lean is None:
        return Whole(model)
    return Lean(lean, partial(through_packed, lean))


@dataclass(frozen=True)
class Learner:
    """How a model is trained: what computes its logits and losses, and what is to be moved."""

    forward: Forward
    parameters: list[nn.Parameter]


def learner_of(model: nn.Module) -> Learner:
    """As `forward_of`, for many steps of training.

    LoRA that is merged in every step is moved as one parameter: the model's own, under which it can
    still be read, become views of that.
    """
    lean = lean_llama(model)
    if lean is None or not suits(lean):
        return Learner(_forward(model, lean), [p for p in model.parameters() if p.requires_grad])
    row = AdapterRow(lean)
    return Learner(Lean(lean, partial(through_merged, lean, row)), [row.parameter])


class Lean:
    """By `pbb.models.lean`. through: through its layers."""

    def __init__(self, llama: Llama, through: Callable[[Packed], Through]) -> None:
        self._llama, self._through = llama, through

    def __call__(self, packed: Packed, places: Tensor) -> Tensor:
        return self._llama.logits(self._hidden(packed, places))[: len(places)]

    def nll(self, packed: Packed, places: Tensor, wanted: Tensor) -> Tensor:
        head = self._llama.head
        if head.requires_grad or torch.is_autocast_enabled(head.device.type):
            return F.cross_entropy(self(packed, places), wanted, reduction="sum")
        hidden = self._hidden(packed, places)
        filled = F.pad(wanted, (0, len(hidden) - len(wanted)), value=-1)
        return frozen_head_loss(hidden, head, filled, loss_and_slope_at_once).sum()

    def _hidden(self, packed: Packed, places: Tensor) -> Tensor:
        """At the places, and at some more, so that their number is a multiple of ROWS."""
        filled = F.pad(places, (0, -len(places) % ROWS))
        through = self._through(packed)
        return self._llama.passed(packed.tokens, packed.positions, through, filled)


class Whole:
    """By the model's own code, block by block.

    Causality keeps what fills rows up on the right from reaching any token before it, so no mask
    is needed.
    """

    def __init__(self, model: nn.Module) -> None:
        self._model = model

    def __call__(self, packed: Packed, places: Tensor) -> Tensor:
        rows = Rectangles.of(packed.lengths, packed.blocks, len(packed.tokens))
        tokens, lie_at = rows.on(places.device)
        blocks = packed.tokens[tokens].split([size * width for size, width in rows.shapes])
        hidden = [self._hidden(b.view(s)) for b, s in zip(blocks, rows.shapes, strict=True)]
        return head_logits(self._model, torch.cat(hidden).index_select(0, lie_at[places]))

    def nll(self, packed: Packed, places: Tensor, wanted: Tensor) -> Tensor:
        return F.cross_entropy(self(packed, places), wanted, reduction="sum")

    def _hidden(self, tokens: Tensor) -> Tensor:
        found: Tensor = backbone(self._model)(input_ids=tokens, use_cache=False).last_hidden_state
        return found.flatten(0, 1)

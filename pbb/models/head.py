"""A transformers causal LM taken apart: what gives hidden states, and what makes logits of them."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn

from pbb.models.precision import widened


def head_logits(model: nn.Module, hidden: Tensor) -> Tensor:
    """Logits (..., V) of hidden states (..., d), float32, or float64 of a model in it."""
    head: Any = model.get_output_embeddings()  # type: ignore[operator]
    logits: Tensor = head(hidden)
    return _softcapped(widened(logits), model)


def last_logits(model: nn.Module, hidden: Tensor) -> Tensor:
    """Logits (B, V) after the last position of hidden states (B, T, d), as `head_logits`."""
    return head_logits(model, hidden[:, -1])


def backbone(model: nn.Module) -> Any:
    """The causal LM without its head."""
    return getattr(model, str(model.base_model_prefix))


def _softcapped(logits: Tensor, model: nn.Module) -> Tensor:
    """Some families (Gemma) cap their logits after the head."""
    cap = getattr(model.config, "final_logit_softcapping", None)
    return logits if cap is None else torch.tanh(logits / cap) * cap

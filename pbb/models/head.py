"""Logits at chosen positions only: most tokens of a document carry no loss."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn


def target_logits(model: nn.Module, tokens: Tensor, target: Tensor) -> Tensor:
    """Logits (number of targets, V) that predict tokens[target], float32.

    model: a transformers causal LM; tokens (B, T) right-padded, target (B, T) bool. Causality keeps
    right padding from reaching any target, so no attention mask is needed.
    """
    hidden = backbone(model)(input_ids=tokens, use_cache=False).last_hidden_state
    before = hidden[:, :-1][target[:, 1:]]
    head: Any = model.get_output_embeddings()  # type: ignore[operator]
    logits: Tensor = head(before)
    return _softcapped(logits.float(), model)


def last_logits(model: nn.Module, hidden: Tensor) -> Tensor:
    """Logits (B, V) after the last position of hidden states (B, T, d), float32."""
    head: Any = model.get_output_embeddings()  # type: ignore[operator]
    logits: Tensor = head(hidden[:, -1])
    return _softcapped(logits.float(), model)


def backbone(model: nn.Module) -> Any:
    """The causal LM without its head."""
    return getattr(model, str(model.base_model_prefix))


def _softcapped(logits: Tensor, model: nn.Module) -> Tensor:
    """Some families (Gemma) cap their logits after the head."""
    cap = getattr(model.config, "final_logit_softcapping", None)
    return logits if cap is None else torch.tanh(logits / cap) * cap

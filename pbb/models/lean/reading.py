"""A transformers model -> the lean Llama over its weights, where it is one that we know."""

from __future__ import annotations

from typing import Any, Final

import torch
from torch import Tensor, nn
from transformers import LlamaForCausalLM

from pbb.models.lean.llama import Layer, Llama, Shape
from pbb.models.lean.projection import LowRank, Projection

FIXED_ROTARY: Final = frozenset({"default", "linear", "llama3"})
"""Kinds of rotary positions whose angles do not depend on the length of what is read."""


def lean_llama(model: nn.Module) -> Llama | None:
    """The model as a lean Llama that shares its weights; null for what it cannot stand for."""
    if type(model) is not LlamaForCausalLM or not _is_plain(model.config):
        return None
    config: Any = model.config
    inner: Any = model.model
    head_dim = inner.layers[0].self_attn.head_dim
    return Llama(
        Shape(
            config.num_attention_heads, config.num_key_value_heads, head_dim, config.rms_norm_eps
        ),
        inner.embed_tokens.weight,
        tuple(_layer(each) for each in inner.layers),
        inner.norm.weight,
        model.lm_head.weight,
        inner.rotary_emb.inv_freq.float(),
        float(inner.rotary_emb.attention_scaling),
    )


def _is_plain(config: Any) -> bool:
    return (
        config.hidden_act == "silu"
        and not config.attention_bias
        and not config.mlp_bias
        and not config.attention_dropout
        and config.rope_parameters["rope_type"] in FIXED_ROTARY
    )


def _layer(module: Any) -> Layer:
    attention, mlp = module.self_attn, module.mlp
    return Layer(
        module.input_layernorm.weight,
        _projection(attention.q_proj, attention.k_proj, attention.v_proj),
        _projection(attention.o_proj),
        module.post_attention_layernorm.weight,
        _projection(mlp.gate_proj, mlp.up_proj),
        _projection(mlp.down_proj),
    )


def _projection(*modules: Any) -> Projection:
    weights = [getattr(module, "base_layer", module).weight for module in modules]
    if any(weight.requires_grad for weight in weights):
        return Projection(tuple(weights))
    weight = weights[0] if len(weights) == 1 else torch.cat(weights)
    return Projection(weight, tuple(_low_rank(m) for m in modules if hasattr(m, "lora_A")))


def _low_rank(module: Any) -> LowRank:
    (name,) = module.lora_A
    down: Tensor = module.lora_A[name].weight
    return LowRank(down, module.lora_B[name].weight, float(module.scaling[name]))

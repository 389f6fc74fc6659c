"""A tiny random model and answers of it, for tests that need no domain."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from transformers import LlamaConfig, LlamaForCausalLM

from pbb.config import Numerics, RlRecipe
from pbb.documents import Document
from pbb.evaluation.decoding import Continue, continued
from pbb.evaluation.sampling_decoder import sampled
from pbb.models.encoding import Encoded
from pbb.seeds import stream
from pbb.training.grpo import Policy

CPU = torch.device("cpu")
VOCABULARY, END, PAD = 12, 1, 0
NOTHING = Document("", "", "execution", "acquisition", "")


def tiny_model(spread: float = 0.3) -> LlamaForCausalLM:
    """Random; spread: of its weights, and so of what it says."""
    torch.manual_seed(3)
    config = LlamaConfig(
        vocab_size=VOCABULARY,
        hidden_size=16,
        intermediate_size=32,
        num_hidden_layers=2,
        num_attention_heads=2,
        max_position_embeddings=64,
        initializer_range=spread,
    )
    return LlamaForCausalLM(config)


def tiny_policy(model: LlamaForCausalLM, numerics: Numerics | None = None, **recipe: Any) -> Policy:
    settings = {"steps": 100, "peak_lr": 1e-2, "warmup_steps": 0, **recipe}
    return Policy(
        model,
        RlRecipe.model_validate(settings),
        numerics or Numerics(),
        pad_id=PAD,
        device=CPU,
    )


def tiny_answers(
    model: LlamaForCausalLM,
    prompts: Sequence[tuple[int, ...]],
    *,
    group_size: int,
    most: int,
    key: int,
    temperature: float = 1.0,
    by: Continue = continued,
) -> list[Encoded]:
    """group_size answers to each prompt, of at most so many tokens; key: of their randomness."""
    asked = [prompt for prompt in prompts for _ in range(group_size)]
    said = sampled(
        model,
        asked,
        uniforms=stream("test-grpo", key).random((len(asked), most)),
        pad_id=PAD,
        eos_id=END,
        max_new_tokens=most,
        device=CPU,
        temperature=temperature,
        by=by,
    )
    return [
        Encoded((*prompt, *ids, *([END] if len(ids) < most else [])), len(prompt), NOTHING)
        for prompt, ids in zip(asked, said, strict=True)
    ]

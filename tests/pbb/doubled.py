"""A Llama in float64, where two ways to one result agree to all digits that matter."""

from __future__ import annotations

from typing import Any

from torch import Tensor, nn
from transformers import LlamaForCausalLM


class DoubleNorm(nn.Module):
    """transformers' own norm works in float32 whatever the model is in."""

    def __init__(self, weight: Tensor, eps: float) -> None:
        super().__init__()
        self.weight, self.eps = nn.Parameter(weight), eps

    def forward(self, x: Tensor) -> Tensor:
        return self.weight * x * (x.pow(2).mean(-1, keepdim=True) + self.eps).rsqrt()


def doubled(model: LlamaForCausalLM) -> LlamaForCausalLM:
    model.double()
    norms = [n for n, m in model.named_modules() if type(m).__name__ == "LlamaRMSNorm"]
    for name in norms:
        old: Any = model.get_submodule(name)
        model.set_submodule(name, DoubleNorm(old.weight.detach(), old.variance_epsilon))
    model.requires_grad_(False)
    return model

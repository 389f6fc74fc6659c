"""LoRA adapters of one base in one block of memory, to be trained side by side.

Ranks may differ: each adapter is padded with zeros to the greatest. A row of zeros down and its
column of zeros up give each other no gradient, so they stay zero and change nothing.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Final

import torch
from torch import Tensor, nn

from pbb.config import Lora
from pbb.models.lean.llama import Layer, Llama
from pbb.models.lean.projection import LowRank, Projection

PARTS: Final = {
    "qkv": ("self_attn.q_proj", "self_attn.k_proj", "self_attn.v_proj"),
    "out": ("self_attn.o_proj",),
    "gate_up": ("mlp.gate_proj", "mlp.up_proj"),
    "down": ("mlp.down_proj",),
}
"""transformers' names of the linear layers in each of a `Layer`'s projections."""


class Stack:
    """Adapters of a lean Llama that has none.

    weights and gradients (adapters, P): all parameters of each adapter in a row. What the forward
    reads are views of the weights.
    """

    def __init__(self, llama: Llama, loras: Sequence[Lora]) -> None:
        if any(lora.rank == 0 for lora in loras):
            raise ValueError("rank 0 trains all weights: it shares a base with no other adapter")
        self.loras = tuple(loras)
        rank, kind = max(lora.rank for lora in loras), llama.embedding
        dtype = torch.float64 if kind.dtype == torch.float64 else torch.float32
        scales = torch.tensor([_scale(lora) for lora in loras], dtype=dtype, device=kind.device)
        self._scale = scales[:, None, None]
        shapes = _shapes(llama, rank)
        sizes = [rows * columns for rows, columns in shapes.values()]
        self.weights = torch.zeros(len(loras), sum(sizes), dtype=dtype, device=kind.device)
        self.gradients = torch.zeros_like(self.weights)
        self._parameters: dict[str, nn.Parameter] = {}
        self._gradients: list[Tensor] = []
        for (name, shape), weight, gradient in zip(
            shapes.items(),
            self.weights.split(sizes, dim=1),
            self.gradients.split(sizes, dim=1),
            strict=True,
        ):
            self._parameters[name] = nn.Parameter(weight.unflatten(1, shape))
            self._gradients.append(gradient.unflatten(1, shape))
        layers = [self._layer(i, layer) for i, layer in enumerate(llama.layers)]
        self.llama = replace(llama, layers=tuple(layers))

    def _layer(self, index: int, layer: Layer) -> Layer:
        return Layer(
            layer.norm_in,
            self._projection(index, layer.qkv, PARTS["qkv"]),
            self._projection(index, layer.out, PARTS["out"]),
            layer.norm_mlp,
            self._projection(index, layer.gate_up, PARTS["gate_up"]),
            self._projection(index, layer.down, PARTS["down"]),
        )

    def _projection(self, index: int, base: Projection, modules: Sequence[str]) -> Projection:
        names = [f"{_of(index, module)}.lora" for module in modules]
        of = self._parameters
        parts = [LowRank(of[f"{n}_A.weight"], of[f"{n}_B.weight"], self._scale) for n in names]
        return Projection(base.weight, tuple(parts))

    def add_gradient(self, loss: Tensor) -> None:
        """Add what a loss has, which is a sum over the adapters, so that each gets its own."""
        found = torch.autograd.grad(loss, list(self._parameters.values()))
        torch._foreach_add_(self._gradients, found)

    @property
    def names(self) -> tuple[str, ...]:
        """peft's, of each adapter's weights."""
        return tuple(self._parameters)

    @torch.no_grad()
    def put(self, adapter: int, tensors: Mapping[str, Tensor]) -> None:
        """Take an adapter's weights, by peft's names."""
        for name, parameter in self._parameters.items():
            given = tensors[name]
            own = parameter[adapter].zero_()
            own[: given.shape[0], : given.shape[1]] = given

    def tensors(self, adapter: int) -> dict[str, Tensor]:
        """An adapter's weights by peft's names, on the CPU."""
        rank = self.loras[adapter].rank
        found = {}
        row = self.weights[adapter].cpu()
        sizes = [p[0].numel() for p in self._parameters.values()]
        parts = row.split(sizes)
        for (name, parameter), flat in zip(self._parameters.items(), parts, strict=True):
            whole = flat.view(parameter.shape[1:])
            own = whole[:rank] if "lora_A" in name else whole[:, :rank]
            found[name] = own.contiguous().clone()
        return found


def _of(index: int, module: str) -> str:
    return f"base_model.model.model.layers.{index}.{module}"


def _scale(lora: Lora) -> float:
    return float(lora.alpha / (lora.rank**0.5 if lora.scaling == "rslora" else lora.rank))


def _shapes(llama: Llama, rank: int) -> dict[str, tuple[int, int]]:
    """Of each parameter of one adapter, by peft's name."""
    found = {}
    for index, layer in enumerate(llama.layers):
        for field, modules in PARTS.items():
            weight = getattr(layer, field).weight
            inputs = weight.shape[1]
            for module, outputs in zip(modules, _outputs(llama, field, weight), strict=True):
                found[f"{_of(index, module)}.lora_A.weight"] = (rank, inputs)
                found[f"{_of(index, module)}.lora_B.weight"] = (outputs, rank)
    return found


def _outputs(llama: Llama, field: str, weight: Tensor) -> Sequence[int]:
    if field == "qkv":
        shape = llama.shape
        heads = (shape.heads, shape.key_heads, shape.key_heads)
        return [each * shape.head_dim for each in heads]
    parts = len(PARTS[field])
    return [weight.shape[0] // parts] * parts

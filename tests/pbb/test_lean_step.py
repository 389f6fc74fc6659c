"""The pieces of a lean step against what they stand for: autograd, torch's optimizer, malloc."""

from __future__ import annotations

import platform
import subprocess
import sys
from collections.abc import Callable

import pytest
import torch
from torch import Tensor, nn
from torch.nn.utils import clip_grad_norm_

from pbb.config import Recipe
from pbb.models.lean import blocks
from pbb.models.lean.blocks import in_blocks, trained_in_blocks
from pbb.models.lean.llama import Mix, Shape, turned
from pbb.models.lean.products import summed_outer
from pbb.models.lean.projection import LowRank, Projection
from pbb.training.optimiser import Optimiser, clip_by_norm, learning_rate

SHAPE = Shape(heads=3, key_heads=3, head_dim=8, eps=1e-5)
BLOCKS = ((2, 9), (1, 5), (3, 2))
N = 32
"""Tokens: more than the blocks hold."""


def _mixed(mix: Mix, each: Tensor) -> tuple[Tensor, Tensor]:
    """What mixing gives, and its gradient under a weighting that tells places apart."""
    angles = torch.arange(N)[:, None] * torch.linspace(0.1, 1, SHAPE.head_dim // 2)
    cos = torch.cat([angles.cos(), angles.cos()], -1)[:, None].to(each.dtype)
    own = each.clone().requires_grad_()
    seen = mix(0, own, cos, angles.sin()[:, None].to(each.dtype))
    weights = torch.linspace(-1, 1, seen.numel(), dtype=seen.dtype).view_as(seen)
    (seen * weights).sum().backward()
    assert own.grad is not None
    return seen.detach(), own.grad


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_mixing_in_one_function_has_the_bytes_of_mixing_step_by_step(dtype: torch.dtype) -> None:
    each = torch.randn(N, 9, SHAPE.head_dim, dtype=dtype)
    assert blocks._FLASH is not None and blocks._FLASH_BACK is not None, "torch renamed them"
    assert blocks._suits(SHAPE, each.clone().requires_grad_())
    one = _mixed(trained_in_blocks(SHAPE, BLOCKS), each)
    steps = _mixed(turned(SHAPE, in_blocks(BLOCKS)), each)
    assert all(map(torch.equal, one, steps))
    assert one[1].abs().sum() > 0


@pytest.mark.parametrize(("left", "right"), [(96, 24), (24, 96), (40, 40)])
@pytest.mark.parametrize("rows", [64, 33])
def test_an_outer_product_is_summed_over_rows(left: int, right: int, rows: int) -> None:
    a, b = torch.randn(rows, left), torch.randn(rows, right)
    found = summed_outer(a, b)
    torch.testing.assert_close(found.double(), a.double().T @ b.double(), rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("rank", [1, 8])
def test_a_projection_of_one_adapter_has_the_gradients_of_its_formula(rank: int) -> None:
    """Rank 8 is merged into the weight, rank 1 computed beside it."""
    outputs, inputs, scale = (16, 24), 32, 0.7
    weight = torch.randn(sum(outputs), inputs, dtype=torch.float64)
    parts = [
        LowRank(
            torch.randn(rank, inputs, dtype=torch.float64, requires_grad=True),
            torch.randn(out, rank, dtype=torch.float64, requires_grad=True),
            scale,
        )
        for out in outputs
    ]
    projection = Projection(weight, tuple(parts))
    x = torch.randn(32, inputs, dtype=torch.float64, requires_grad=True)
    assert projection._merges(x) == (rank == 8)
    leaves = [x, *(t for part in parts for t in (part.down, part.up))]

    def formula(x: Tensor) -> Tensor:
        added = torch.cat([part.up * scale @ part.down for part in parts])
        return x @ (weight + added).T

    def gradients(of: Callable[[Tensor], Tensor]) -> list[Tensor]:
        return list(torch.autograd.grad(of(x).square().sum(), leaves))

    for found, due in zip(gradients(projection), gradients(formula), strict=True):
        torch.testing.assert_close(found, due, rtol=1e-10, atol=1e-10)


@pytest.mark.parametrize("most", [1e-3, 1e3])
def test_clipping_has_the_bytes_of_torchs(most: float) -> None:
    ours, theirs = ([nn.Parameter(torch.ones(3, n)) for n in (2, 5)] for _ in range(2))
    for mine, other in zip(ours, theirs, strict=True):
        mine.grad = torch.randn_like(mine)
        other.grad = mine.grad.clone()
    assert torch.equal(clip_by_norm(iter(ours), most), clip_grad_norm_(theirs, most))
    for mine, other in zip(ours, theirs, strict=True):
        assert mine.grad is not None and other.grad is not None
        assert torch.equal(mine.grad, other.grad)


def test_steps_have_the_bytes_of_torchs_adamw() -> None:
    """A parameter that no gradient reaches stays as it is."""
    recipe = Recipe(steps=10, tokens_per_step=1, peak_lr=1e-2, warmup_steps=2, weight_decay=0.1)
    ours, theirs = ([nn.Parameter(torch.ones(4, n)) for n in (3, 16, 2)] for _ in range(2))
    optimiser = Optimiser(ours, recipe)
    adam = torch.optim.AdamW(
        theirs, betas=(recipe.beta1, recipe.beta2), weight_decay=recipe.weight_decay, fused=True
    )
    for step in range(1, 6):
        for mine, other in list(zip(ours, theirs, strict=True))[:2]:
            mine.grad = torch.randn_like(mine)
            other.grad = mine.grad.clone()
        adam.param_groups[0]["lr"] = learning_rate(step, recipe)
        assert optimiser.advance(step) == learning_rate(step, recipe)
        adam.step()
        assert all(map(torch.equal, ours, theirs))
        assert all(parameter.grad is None for parameter in ours)
    assert torch.equal(ours[2], torch.ones(4, 2))
    assert not torch.equal(ours[0], torch.ones(4, 3))


FAULTS = """
import resource, sys
import numpy as np
from pbb.freed_memory import keep_freed_memory
if sys.argv[1] == "keep":
    keep_freed_memory()
def touch():
    for size in (9_000_000, 12_000_000):
        a, b = np.ones(size // 8), np.ones(size // 8)
touch()
before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
for _ in range(20):
    touch()
print(resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before)
"""


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="malloc's settings are glibc's")
def test_freed_memory_stays_with_the_process() -> None:
    def faults(how: str) -> int:
        command = [sys.executable, "-c", FAULTS, how]
        return int(subprocess.run(command, check=True, capture_output=True, text=True).stdout)

    assert faults("keep") * 10 < faults("give back")

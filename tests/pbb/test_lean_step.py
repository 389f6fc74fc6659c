"""The pieces of a lean step against what they stand for: autograd, torch's optimizer, malloc."""

from __future__ import annotations

import platform
import subprocess
import sys
from collections.abc import Callable, Sequence

import pytest
import torch
from torch import Tensor, nn
from torch.nn.utils import clip_grad_norm_

from pbb.config import Recipe
from pbb.models.lean import products, trained
from pbb.models.lean.blocks import in_packed, through_packed
from pbb.models.lean.llama import Layer, Llama, Shape, Through
from pbb.models.lean.mixing import WIDEST, Gathering, mixed, mixed_back
from pbb.models.lean.pieces import rotated
from pbb.models.lean.products import summed_outer
from pbb.models.lean.projection import LowRank, Projection
from pbb.models.lean.row import AdapterRow
from pbb.models.lean.trained import suits, through_merged
from pbb.models.packing import ROWS, Packed, groups, pack
from pbb.training.optimiser import Optimiser, clip_by_norm, learning_rate

SHAPE = Shape(heads=3, key_heads=3, head_dim=8, eps=1e-5)
LENGTHS = (9, 3, 8, 2, 5, 2)
"""Of sequences: in several rectangles, in some of which rows are filled up."""


def _llama(dtype: torch.dtype, rank: int) -> tuple[Llama, list[Tensor]]:
    """Two layers of random weights with LoRA; and all its parameters."""

    def projection(inputs: int, *outputs: int) -> Projection:
        parts = [LowRank(leaf(rank, inputs), leaf(out, rank), 0.7) for out in outputs]
        leaves.extend(t for part in parts for t in (part.down, part.up))
        return Projection(torch.randn(sum(outputs), inputs, dtype=dtype) / 5, tuple(parts))

    def leaf(*shape: int) -> Tensor:
        return (torch.randn(shape, dtype=dtype) / 5).requires_grad_()

    def layer() -> Layer:
        norm_in, norm_mlp = torch.rand(2, 24, dtype=dtype)
        attention = projection(24, 24, 24, 24), projection(24, 24)
        return Layer(norm_in, *attention, norm_mlp, projection(24, 40, 40), projection(40, 24))

    leaves: list[Tensor] = []
    embedding, norm = torch.randn(50, 24, dtype=dtype), torch.rand(24, dtype=dtype)
    turns = torch.linspace(0.1, 1, 4)
    return Llama(SHAPE, embedding, (layer(), layer()), norm, embedding, turns, 1.0), leaves


@pytest.mark.parametrize("lengths", [LENGTHS, (30,), (16, 16), (WIDEST - 1, 4), (WIDEST + 4,)])
@pytest.mark.parametrize("again", [[0, 0], [0] * (-sum(LENGTHS) % ROWS)])
@pytest.mark.parametrize("onednn", [True, False])
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_layers_at_once_have_what_they_have_step_by_step(
    dtype: torch.dtype,
    onednn: bool,
    again: list[int],
    lengths: Sequence[int],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """All gradients under a weighting that tells places apart; a place may be asked again."""
    torch.manual_seed(0)
    monkeypatch.setattr(products, "_LINEAR", products._onednn() if onednn else None)
    llama, leaves = _llama(dtype, 8)
    packed = _packed(lengths)
    kept = torch.cat([torch.arange(sum(lengths)), torch.tensor(again)])

    def weighed(through: Through) -> tuple[Tensor, Tensor]:
        after = llama.passed(packed.tokens, packed.positions, through, kept)
        weights = torch.linspace(-1, 1, after.numel(), dtype=dtype).view_as(after)
        return after.detach(), (after * weights).sum()

    due, loss = weighed(through_packed(llama, packed))
    of_leaves = torch.autograd.grad(loss, leaves)
    assert suits(llama)
    row = AdapterRow(llama)
    mixes: list[int] = []
    monkeypatch.setattr(trained, "mixed", lambda *given: mixes.append(0) or mixed(*given))
    found, loss = weighed(through_merged(llama, row, packed))
    assert len(mixes) == (len(llama.layers) if max(lengths) <= WIDEST else 0)
    loss.backward()
    close = 1e-11 if dtype == torch.float64 else 1e-4
    torch.testing.assert_close(found, due, rtol=close, atol=close)
    assert row.parameter.grad is not None
    for leaf, of_leaf in zip(leaves, of_leaves, strict=True):
        place = slice(leaf.storage_offset(), leaf.storage_offset() + leaf.numel())
        assert leaf.data_ptr() == row.parameter[place].data_ptr(), "a view of the row"
        torch.testing.assert_close(
            row.parameter.grad[place].view_as(leaf), of_leaf, rtol=close, atol=close
        )
        assert of_leaf.abs().sum() > 0
    assert row.parameter.numel() == sum(leaf.numel() for leaf in leaves)


def _attention(packed: Packed, each: Tensor, grad: Tensor, written_out: bool) -> list[Tensor]:
    """Of all heads: what they see, and the gradient of all heads from that of it."""
    positions = packed.positions[:, None, None].to(each.dtype) * torch.linspace(0.1, 1, 4)
    cos, sin = torch.cat([positions.cos()] * 2, dim=-1), positions.sin()
    if written_out:
        gathering = Gathering.of(packed, SHAPE.heads)
        seen, kept = mixed(each, cos, sin, gathering)
        return [seen, mixed_back(grad, kept, cos, sin, gathering)]
    leaf = each.clone().requires_grad_()
    turned = rotated(leaf[:, : 2 * SHAPE.heads], cos, sin)
    seen = in_packed(packed)(0, *turned.chunk(2, dim=1), leaf[:, 2 * SHAPE.heads :])
    return [seen.detach(), *torch.autograd.grad(seen, leaf, grad)]


@pytest.mark.parametrize("written_out", [True, False])
def test_what_is_not_finite_in_a_document_reaches_no_other(written_out: bool) -> None:
    packed = _packed(LENGTHS)
    n, filled = len(packed.tokens), sum(LENGTHS)
    each, grad = torch.randn(n, 3 * SHAPE.heads, SHAPE.head_dim), torch.randn(n, 24)
    grad[filled:] = 0.0
    due = _attention(packed, each, grad, written_out)
    assert all(whole.isfinite().all() for whole in due)
    for start, length in zip(packed.starts, packed.lengths, strict=True):
        own = torch.zeros(n, dtype=torch.bool)
        own[start : start + length] = True
        others = ~own
        others[filled:] = written_out  # else they see what the first token does
        found = _attention(
            packed, each.masked_fill(own[:, None, None], torch.nan), grad, written_out
        )
        for one, whole in zip(found, due, strict=True):
            assert torch.equal(one[others], whole[others])
            assert one[own].isnan().any()


def _packed(lengths: Sequence[int]) -> Packed:
    (blocks,) = groups(lengths, 10**6)
    ids = [[(7 * i + t) % 50 for t in range(length)] for i, length in enumerate(lengths)]
    return pack(ids, blocks, pad_id=0, device=torch.device("cpu"))


def test_large_layers_all_weights_and_half_precision_are_not_taken_into_a_row(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    whole, _ = _llama(torch.float64, 8)
    assert suits(whole)
    whole.layers[0].norm_in.requires_grad_()
    assert not suits(whole)
    assert not suits(_llama(torch.bfloat16, 8)[0])
    monkeypatch.setattr(trained, "LARGEST", 1000)
    assert not suits(_llama(torch.float64, 8)[0])


@pytest.mark.parametrize(("left", "right"), [(96, 24), (24, 96), (40, 40)])
@pytest.mark.parametrize("rows", [64, 33])
def test_an_outer_product_is_summed_over_rows(left: int, right: int, rows: int) -> None:
    a, b = torch.randn(rows, left), torch.randn(rows, right)
    found = summed_outer(a, b)
    torch.testing.assert_close(found.double(), a.double().T @ b.double(), rtol=1e-5, atol=1e-5)


def test_a_projection_of_one_adapter_has_the_gradients_of_its_formula() -> None:
    outputs, inputs, rank, scale = (16, 24), 32, 2, 0.7
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

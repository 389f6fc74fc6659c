"""The pieces of a cohort's step, each against its formula: layout, attention, loss, compiled."""

from __future__ import annotations

import itertools
import shutil
from collections.abc import Sequence
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor

from pbb.models.encoding import Encoded
from pbb.models.lean.abreast import layer_pass
from pbb.models.lean.frozen_head import frozen_head_loss, loss_and_slope
from pbb.models.lean.llama import attended
from pbb.models.lean.reading import lean_llama
from pbb.models.lean.sequences import in_sequences
from pbb.models.stacked import Stack
from pbb.training.cohort_batching import IGNORED, Layout, Together
from pbb.training.cohort_size import even_shares
from pbb.training.cohort_step import Plain, _compiled, accumulator
from tests.pbb.test_cohort import MIXED, Member
from tests.pbb.test_lean import a_model
from tests.pbb.tiny import NOTHING

DOCUMENT = st.integers(2, 40).flatmap(
    lambda n: st.builds(
        lambda ids, prompt: Encoded(tuple(ids), prompt, NOTHING),
        st.lists(st.integers(1, 49), min_size=n, max_size=n),
        st.integers(1, n - 1),
    )
)
STEP = st.lists(DOCUMENT, min_size=1, max_size=6)

TORCHS_OWN_WARNINGS = pytest.mark.filterwarnings("default::DeprecationWarning")
"""While it compiles, torch uses what it has deprecated itself."""


@given(
    st.lists(st.lists(STEP, min_size=2, max_size=2), min_size=1, max_size=3), st.integers(1, 150)
)
def test_microbatches_hold_every_token_once_in_its_place(
    steps: list[list[list[Encoded]]], most: int
) -> None:
    layout = Layout(pad_id=0, max_tokens=most)
    for step in steps:
        found: list[list[tuple[int, ...]]] = [[] for _ in step]
        targets: list[list[int]] = [[] for _ in step]
        for batch in layout(step):
            for i, (sequences, wanted) in enumerate(told(batch)):
                found[i] += sequences
                targets[i] += wanted
        for i, documents in enumerate(step):
            assert found[i] == [d.ids for d in documents]
            assert targets[i] == [t for d in documents for t in d.ids[d.n_prompt :]]


def told(batch: Together) -> list[tuple[list[tuple[int, ...]], list[int]]]:
    """Each adapter's documents and targets, read off a microbatch; padding is id 0."""
    adapters, width = batch.tokens.shape
    flat, positions = batch.tokens.flatten(), batch.positions.flatten()
    bounds = batch.bounds.tolist()
    assert bounds[0] == 0 and bounds[-1] == adapters * width
    found: list[tuple[list[tuple[int, ...]], list[int]]] = [([], []) for _ in range(adapters)]
    for begin, end in itertools.pairwise(bounds):
        assert end - begin <= batch.longest
        assert positions[begin:end].tolist() == list(range(end - begin))
        if end > begin:
            assert begin // width == (end - 1) // width, "a sequence of two adapters"
            if flat[begin] != 0:
                found[begin // width][0].append(tuple(flat[begin:end].tolist()))
    for i in range(adapters):
        counts = batch.wanted[i] != IGNORED
        places = batch.before[i][counts]
        assert bool((batch.before[i] // width == i).all()), "a place of another adapter"
        found[i][1].extend(batch.wanted[i][counts].tolist())
        assert flat[places + 1].tolist() == batch.wanted[i][counts].tolist()
    return found


def test_steps_of_like_length_have_one_shape() -> None:
    layout = Layout(pad_id=0, max_tokens=10**6)
    members = (Member(seed=1), Member(seed=2))
    steps = zip(*(member.batches() for member in members), strict=True)
    shapes = {tuple(t.shape for t in batch.tensors[:3]) for step in steps for batch in layout(step)}
    assert len(shapes) == 1


def test_attention_reads_its_own_sequence_alone() -> None:
    """Empty sequences and another's infinities change nothing."""
    rng = torch.Generator().manual_seed(0)
    lengths, key_heads = (5, 1, 7, 3), 2
    n = sum(lengths)
    queries = torch.randn(n, 4, 8, generator=rng, dtype=torch.float64)
    keys, values = torch.randn(2, n, key_heads, 8, generator=rng, dtype=torch.float64)
    ends = torch.tensor([0, *torch.tensor(lengths).cumsum(0), n, n], dtype=torch.int32)
    parts = [t.split(list(lengths)) for t in (queries, keys, values)]
    wanted = torch.cat(
        [attended(q[None], k[None], v[None], None)[0] for q, k, v in zip(*parts, strict=True)]
    )
    assert torch.allclose(in_sequences(queries, keys, values, ends, 8), wanted, atol=1e-12)
    values[5] = float("nan")  # the second sequence
    q, v = queries.requires_grad_(), values.requires_grad_()
    found = in_sequences(q, keys, v, ends, 8)
    others = torch.arange(n) != 5
    assert torch.allclose(found[others], wanted[others], atol=1e-12)
    found[others].sum().backward()
    assert q.grad is not None and v.grad is not None
    assert bool(q.grad[others].isfinite().all() and v.grad[others].isfinite().all())


def test_the_loss_of_a_frozen_head_is_cross_entropy(monkeypatch: pytest.MonkeyPatch) -> None:
    """In pieces, with its gradient; targets that are ignored have none."""
    monkeypatch.setattr("pbb.models.lean.frozen_head.AT_ONCE", 30)
    rng = torch.Generator().manual_seed(0)
    hidden = torch.randn(7, 4, generator=rng, dtype=torch.float64, requires_grad=True)
    head = torch.randn(11, 4, generator=rng, dtype=torch.float64)
    wanted = torch.tensor([3, IGNORED, 0, 10, IGNORED, 5, 5])
    weights = torch.rand(7, generator=rng, dtype=torch.float64)
    expected = F.cross_entropy(hidden @ head.T, wanted, reduction="none", ignore_index=IGNORED)
    (slope,) = torch.autograd.grad((expected * weights).sum(), hidden)
    found = frozen_head_loss(hidden, head, wanted)
    (ours,) = torch.autograd.grad((found * weights).sum(), hidden)
    assert torch.allclose(found, expected, atol=1e-12)
    assert torch.allclose(ours, slope, atol=1e-12)


@given(st.lists(st.integers(), min_size=1, max_size=40), st.integers(1, 12))
def test_shares_are_few_and_even(jobs: list[int], most: int) -> None:
    shares = even_shares(jobs, most)
    sizes = [len(share) for share in shares]
    assert [job for share in shares for job in share] == jobs
    assert max(sizes) <= most and max(sizes) - min(sizes) <= 1
    assert len(shares) == -(-len(jobs) // most)


def accumulated(stack: Stack, accumulate: Any, members: Sequence[Member]) -> tuple[Tensor, Tensor]:
    """Losses and gradients of a few steps; the adapters hold noise, so that all have gradients."""
    rng = torch.Generator().manual_seed(0)
    for i in range(len(members)):
        found = stack.tensors(i)
        noise = {name: 0.1 * torch.randn(t.shape, generator=rng) for name, t in found.items()}
        stack.put(i, noise)
    stack.gradients.zero_()
    device = stack.weights.device
    share = torch.full((len(members),), 0.01, dtype=torch.float64, device=device)
    layout = Layout(pad_id=0, max_tokens=10**6)
    steps = list(zip(*(member.batches() for member in members), strict=True))[:4]
    losses = [accumulate(batch, share) for step in steps for batch in layout(step)]
    return torch.stack(losses).cpu(), stack.gradients.cpu().clone()


@TORCHS_OWN_WARNINGS
@pytest.mark.slow
@pytest.mark.skipif(shutil.which("g++") is None, reason="needs a C++ compiler")
def test_compiled_is_as_written() -> None:
    llama = lean_llama(a_model())
    assert llama is not None
    for members in (MIXED[:1], MIXED):
        stack = Stack(llama, [member.lora for member in members])
        wanted = accumulated(stack, Plain(stack, layer_pass, loss_and_slope), members)
        found = accumulated(stack, Plain(stack, *_compiled()), members)
        assert torch.allclose(found[0], wanted[0], rtol=1e-5)
        assert torch.allclose(
            found[1], wanted[1], rtol=1e-4, atol=1e-5 * float(wanted[1].abs().max())
        )


@TORCHS_OWN_WARNINGS
@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a GPU")
def test_on_a_gpu_too_compiled_is_as_written() -> None:
    model: Any = a_model(num_key_value_heads=2).to("cuda")
    llama = lean_llama(model)
    assert llama is not None
    stack = Stack(llama, [member.lora for member in MIXED])
    wanted = accumulated(stack, Plain(stack, layer_pass, loss_and_slope), MIXED)
    found = accumulated(stack, Plain(stack, *_compiled()), MIXED)
    assert torch.allclose(found[0], wanted[0], rtol=1e-4)
    assert relative_gap(found[1], wanted[1]) < 1e-3


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a GPU")
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_a_recorded_step_is_the_compiled_one(dtype: torch.dtype) -> None:
    """A shape is replayed from the second time on; attention adds up in another order each time."""
    model: Any = a_model(num_key_value_heads=2).to("cuda", dtype)
    llama = lean_llama(model)
    assert llama is not None
    stack = Stack(llama, [member.lora for member in MIXED])
    wanted = accumulated(stack, Plain(stack, *_compiled()), MIXED)
    found = accumulated(stack, accumulator(stack), MIXED)
    assert torch.allclose(found[0], wanted[0], rtol=1e-5 if dtype == torch.float32 else 1e-2)
    assert relative_gap(found[1], wanted[1]) < (1e-4 if dtype == torch.float32 else 2e-2)


def relative_gap(found: Tensor, wanted: Tensor) -> float:
    """The largest of any adapter, in norms."""
    return float(((found - wanted).norm(dim=1) / wanted.norm(dim=1)).max())

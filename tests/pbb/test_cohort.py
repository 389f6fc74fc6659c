"""Adapters side by side: each learns what it would alone, and none touches another."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from torch import Tensor
from torch.nn.utils import clip_grad_norm_
from transformers import LlamaForCausalLM

from pbb.config import Lora, Numerics, Recipe
from pbb.models.adapters import Attached
from pbb.models.encoding import Encoded
from pbb.models.lean.reading import lean_llama
from pbb.models.stacked import Stack
from pbb.records import StepRecord
from pbb.training.cohort import cohort_steps
from pbb.training.loop import train_steps
from pbb.training.optimiser import Diverged, learning_rate
from tests.pbb.doubled import doubled
from tests.pbb.test_lean import a_model
from tests.pbb.tiny import CPU, NOTHING

NUMERICS = Numerics(max_batch_tokens=10**6)


RECIPE = Recipe(steps=20, tokens_per_step=60, peak_lr=1e-2, warmup_steps=3)


@dataclass(frozen=True)
class Member:
    """An adapter to train: what it is, and what it reads."""

    lora: Lora = field(default_factory=lambda: Lora(rank=3))
    recipe: Recipe = field(default_factory=lambda: RECIPE)
    seed: int = 0

    def batches(self) -> list[list[Encoded]]:
        rng = np.random.default_rng(self.seed)
        return [self._batch(rng) for _ in range(self.recipe.steps)]

    def _batch(self, rng: np.random.Generator) -> list[Encoded]:
        """Sequences that count up or down by the seed, so that there is something to learn."""
        documents, tokens = [], 0
        while tokens < self.recipe.tokens_per_step:
            length, start = int(rng.integers(3, 25)), int(rng.integers(50))
            ids = tuple((start + (self.seed + 1) * i) % 50 for i in range(length))
            documents.append(Encoded(ids, int(rng.integers(1, length)), NOTHING))
            tokens += length
        return documents


def replace_recipe(recipe: Recipe, **changes: Any) -> Recipe:
    return Recipe.model_validate({**recipe.model_dump(), **changes})


Result = tuple[list[float], dict[str, Tensor]]
"""Losses, and the adapter at the end."""


def trained(
    model: LlamaForCausalLM, members: Sequence[Member], numerics: Numerics = NUMERICS
) -> list[Result]:
    """Together."""
    llama = lean_llama(model)
    assert llama is not None
    stack = Stack(llama, [member.lora for member in members])
    for i, member in enumerate(members):
        with Attached(model, "b", member.lora, member.seed) as attached:
            stack.put(i, attached.tensors())
    steps = list(
        cohort_steps(
            stack,
            [member.batches() for member in members],
            [member.recipe for member in members],
            numerics,
            pad_id=0,
            device=model.device,
        )
    )
    return [
        (
            [s.loss_nats_per_token for step in steps if isinstance(s := step[i], StepRecord)],
            stack.tensors(i),
        )
        for i in range(len(members))
    ]


def trained_by_peft(model: LlamaForCausalLM, member: Member) -> Result:
    """The oracle: transformers' forward and loss, peft's LoRA, torch's AdamW; a document a time."""
    with Attached(model, "b", member.lora, member.seed) as attached:
        tuned: Any = attached.model.to(model.dtype)
        weights = [p for p in tuned.parameters() if p.requires_grad]
        recipe = member.recipe
        adam = torch.optim.AdamW(
            weights,
            lr=0.0,
            betas=(recipe.beta1, recipe.beta2),
            weight_decay=recipe.weight_decay,
        )
        losses = []
        for step, documents in enumerate(member.batches(), start=1):
            n_target = sum(d.n_target for d in documents)
            total = 0.0
            for document in documents:
                logits = tuned(torch.tensor([document.ids])).logits[0, document.n_prompt - 1 : -1]
                wanted = torch.tensor(document.ids[document.n_prompt :])
                loss = F.cross_entropy(logits, wanted, reduction="sum") / n_target
                loss.backward()
                total += loss.item()
            losses.append(total)
            clip_grad_norm_(weights, recipe.max_grad_norm)
            adam.param_groups[0]["lr"] = learning_rate(step, recipe)
            adam.step()
            adam.zero_grad()
        return losses, attached.tensors()


def trained_alone(model: LlamaForCausalLM, member: Member) -> Result:
    """By the engine's loop for one adapter."""
    with Attached(model, "b", member.lora, member.seed) as attached:
        attached.model.to(model.dtype)
        records = list(
            train_steps(
                attached.model, member.batches(), member.recipe, NUMERICS, pad_id=0, device=CPU
            )
        )
        return [r.loss_nats_per_token for r in records], attached.tensors()


def assert_close(found: Result, wanted: Result, tolerance: float) -> None:
    """Losses relative to each, weights to the largest of their tensor."""
    assert found[0] == pytest.approx(wanted[0], rel=tolerance)
    assert found[1].keys() == wanted[1].keys()
    for name, tensor in wanted[1].items():
        gap = float((found[1][name] - tensor).abs().max())
        assert gap <= tolerance * float(tensor.abs().max()), name


def assert_same(found: Result, wanted: Result) -> None:
    assert found[0] == wanted[0]
    assert all(torch.equal(found[1][name], wanted[1][name]) for name in wanted[1])


LONG = Recipe(steps=200, tokens_per_step=60, peak_lr=3e-3, warmup_steps=10, weight_decay=0.01)


@pytest.mark.parametrize("rank", [2, 16])
def test_one_adapter_learns_what_peft_learns_in_double_precision(rank: int) -> None:
    """200 steps; at the higher rank the lone adapter is merged into its weights."""
    model = doubled(a_model())
    member = Member(Lora(rank=rank), LONG)
    wanted = trained_by_peft(model, member)
    assert wanted[0][-1] < 0.7 * wanted[0][0]
    assert_close(trained_alone(model, member), wanted, 1e-9)
    assert_close(trained(model, [member])[0], wanted, 1e-9)


@pytest.mark.parametrize("rank", [2, 16])
def test_one_adapter_learns_what_peft_learns_in_single_precision(rank: int) -> None:
    model, member = a_model(), Member(Lora(rank=rank))
    wanted = trained_by_peft(model, member)
    for found in (trained_alone(model, member), trained(model, [member])[0]):
        assert found[0] == pytest.approx(wanted[0], rel=1e-5)


# --- side by side

MIXED = (
    Member(Lora(rank=3), seed=0),
    Member(
        Lora(rank=1, alpha=4.0),
        Recipe(steps=20, tokens_per_step=60, peak_lr=3e-3, warmup_steps=0),
        seed=1,
    ),
    Member(
        Lora(rank=8, scaling="standard"),
        replace_recipe(
            RECIPE, peak_lr=2e-2, weight_decay=0.1, beta1=0.8, beta2=0.9, max_grad_norm=0.1
        ),
        seed=2,
    ),
)


def test_each_of_a_mixed_cohort_learns_what_it_would_alone() -> None:
    """Ranks, scales, rates, decay, betas, clipping, seeds and documents all differ."""
    model = doubled(a_model())
    for found, member in zip(trained(model, MIXED), MIXED, strict=True):
        assert_close(found, trained_by_peft(model, member), 1e-9)


def test_single_precision_is_close_in_a_mixed_cohort_too() -> None:
    model = a_model()
    for (losses, _), member in zip(trained(model, MIXED), MIXED, strict=True):
        assert losses == pytest.approx(trained_alone(model, member)[0], rel=1e-4)


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a GPU")
def test_a_gpu_trains_a_mixed_cohort_as_the_cpu_does() -> None:
    wanted = trained(a_model(), MIXED)
    model: Any = a_model().to("cuda")
    for (losses, _), (expected, _) in zip(trained(model, MIXED), wanted, strict=True):
        assert losses == pytest.approx(expected, rel=1e-3)
    alone = trained(model, MIXED[:1])[0]
    assert alone[0] == pytest.approx(wanted[0][0], rel=1e-3)


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a GPU")
def test_a_gpu_trains_half_precision_near_the_single_one() -> None:
    wanted = trained(a_model(), MIXED[:1])[0][0]
    model: Any = a_model().to("cuda", torch.bfloat16)
    found = trained(model, MIXED[:1], Numerics(dtype="bfloat16", max_batch_tokens=10**6))[0][0]
    assert found == pytest.approx(wanted, rel=0.05)


def test_a_lower_rank_is_exact_in_a_higher_ones_room() -> None:
    """What pads it is zero, and stays so."""
    model = doubled(a_model())
    llama = lean_llama(model)
    assert llama is not None
    low, high = Member(Lora(rank=2)), Member(Lora(rank=7), seed=1)
    assert_close(trained(model, [low, high])[0], trained(model, [low])[0], 1e-10)
    stack = Stack(llama, [low.lora, high.lora])
    with Attached(model, "b", low.lora, 0) as attached:
        initial = attached.tensors()
    stack.put(0, initial)
    assert {name: tuple(t.shape) for name, t in stack.tensors(0).items()} == {
        name: tuple(t.shape) for name, t in initial.items()
    }
    steps = [member.batches() for member in (low, high)]
    for _ in cohort_steps(stack, steps, [low.recipe] * 2, NUMERICS, pad_id=0, device=CPU):
        pass
    own = sum(t.numel() for t in stack.tensors(0).values())
    assert int((stack.weights[0] != 0).sum()) <= own < stack.weights.shape[1]


def test_nothing_of_one_reaches_another() -> None:
    """Bit by bit, where shapes stay as they are: other documents, another rate, another scale."""
    model = a_model()
    one, other = Member(), Member(seed=4)
    wanted = trained(model, [one, other])[0]
    scrambled = replace(other, recipe=replace_recipe(other.recipe, peak_lr=0.3))
    assert_same(trained(model, [one, scrambled])[0], wanted)
    assert_same(trained(model, [one, replace(other, lora=Lora(rank=3, alpha=1.0))])[0], wanted)


def test_one_that_diverges_neither_stops_nor_moves_the_others() -> None:
    model = a_model()
    calm = Member()
    wild = Member(recipe=replace_recipe(calm.recipe, peak_lr=1e30), seed=1)
    tame = Member(recipe=calm.recipe, seed=1)
    wanted, found = trained(model, [calm, tame]), trained(model, [calm, wild])
    assert_same(found[0], wanted[0])
    assert len(found[0][0]) == 20 and len(found[1][0]) < 20
    assert all(bool(t.isfinite().all()) for t in found[1][1].values())


def test_a_divergence_is_told_once_with_its_step() -> None:
    model = a_model()
    llama = lean_llama(model)
    assert llama is not None
    wild = Member(recipe=replace_recipe(Member().recipe, peak_lr=1e30))
    stack = Stack(llama, [wild.lora])
    with Attached(model, "b", wild.lora, 0) as attached:
        stack.put(0, attached.tensors())
    steps = list(
        cohort_steps(stack, [wild.batches()], [wild.recipe], NUMERICS, pad_id=0, device=CPU)
    )
    told = [taken for step in steps for taken in step if isinstance(taken, Diverged)]
    assert len(told) == 1 and steps[-1] == told
    assert str(told[0]).startswith(f"step {len(steps)}:")


def test_how_a_step_is_cut_changes_nothing_but_rounding() -> None:
    model = doubled(a_model())
    whole = trained(model, MIXED)
    for most in (1, 150, 300):
        cut = trained(model, MIXED, Numerics(max_batch_tokens=most))
        for found, wanted in zip(cut, whole, strict=True):
            assert_close(found, wanted, 1e-9)


def test_rank_0_shares_a_base_with_none() -> None:
    llama = lean_llama(a_model())
    assert llama is not None
    with pytest.raises(ValueError, match="rank 0"):
        Stack(llama, [Lora(rank=4), Lora(rank=0)])

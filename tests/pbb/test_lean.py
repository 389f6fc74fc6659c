"""The lean Llama is the model it was read from: logits, gradients, continuations."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import islice
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor, nn
from transformers import GPT2Config, GPT2LMHeadModel, LlamaConfig, LlamaForCausalLM

from pbb.config import Lora
from pbb.evaluation.decoding import continued
from pbb.evaluation.whole_decoding import WholeDecoding
from pbb.models.adapters import Attached
from pbb.models.forward import Lean, Whole, forward_of
from pbb.models.lean import products
from pbb.models.lean.reading import lean_llama
from pbb.models.packing import ROWS, groups, pack
from pbb.models.rectangles import Rectangles, alike
from tests.pbb.doubled import doubled

CPU = torch.device("cpu")
LENGTHS = (30, 28, 27, 9, 8, 60, 5)


def a_model(**changes: Any) -> LlamaForCausalLM:
    torch.manual_seed(0)
    settings = {
        "vocab_size": 50,
        "hidden_size": 32,
        "intermediate_size": 64,
        "num_hidden_layers": 3,
        "num_attention_heads": 4,
        "max_position_embeddings": 128,
        "initializer_range": 0.2,
        **changes,
    }
    model = LlamaForCausalLM(LlamaConfig(**settings))
    model.requires_grad_(False)
    return model.eval()


def sequences(seed: int = 1, lengths: Sequence[int] = LENGTHS) -> list[list[int]]:
    draw = torch.Generator().manual_seed(seed)
    return [torch.randint(0, 50, (n,), generator=draw).tolist() for n in lengths]


def lean_and_own(model: LlamaForCausalLM, wanted: type = Lean) -> tuple[Tensor, Tensor]:
    """Logits after every token: by `forward_of`, and document by document by the model itself."""
    texts = sequences()
    (blocks,) = groups([len(t) for t in texts], 10**6)
    packed = pack(texts, blocks, pad_id=0, device=CPU)
    places = [
        torch.arange(start, start + len(texts[i]))
        for i, start in zip(packed.order, packed.starts, strict=True)
    ]
    forward = forward_of(model)
    assert isinstance(forward, wanted)
    own = torch.cat([model(torch.tensor([texts[i]])).logits[0] for i in packed.order])
    return forward(packed, torch.cat(places)), own


KINDS = {
    "plain": {},
    "shared heads": {"num_key_value_heads": 2},
    "tied": {"tie_word_embeddings": True},
    "wide heads": {"head_dim": 16},
    "llama3 positions": {
        "rope_parameters": {
            "rope_type": "llama3",
            "rope_theta": 1e4,
            "factor": 8.0,
            "low_freq_factor": 1.0,
            "high_freq_factor": 4.0,
            "original_max_position_embeddings": 16,
        }
    },
}


@pytest.mark.parametrize("rank", [0, 1, 12])
@pytest.mark.parametrize("kind", KINDS)
def test_logits_and_gradients_are_the_models_own(kind: str, rank: int) -> None:
    """float64, for all weights and for LoRA both thin and, at the higher rank, merged."""
    with Attached(doubled(a_model(**KINDS[kind])), "b", Lora(rank=rank), seed=0) as attached:
        model: Any = attached.model.double()
        trained = [p for p in model.parameters() if p.requires_grad]
        for p in trained:
            nn.init.normal_(p, std=0.2)
        lean, own = lean_and_own(model)
        torch.testing.assert_close(lean, own, rtol=1e-9, atol=1e-9)
        weight = torch.randn_like(own)
        found = torch.autograd.grad((lean * weight).sum(), trained)
        expected = torch.autograd.grad((own * weight).sum(), trained)
        for ours, theirs in zip(found, expected, strict=True):
            torch.testing.assert_close(ours, theirs, rtol=1e-8, atol=1e-8)


def test_packed_documents_have_the_loss_and_the_gradient_of_padded_ones() -> None:
    """float64; padded as a plain loop does it: one rectangle, and a mask."""
    with Attached(doubled(a_model()), "b", Lora(rank=4), seed=0) as attached:
        model: Any = attached.model.double()
        trained = [p for p in model.parameters() if p.requires_grad]
        for p in trained:
            nn.init.normal_(p, std=0.2)
        texts = sequences()
        (blocks,) = groups([len(t) for t in texts], 10**6)
        packed = pack(texts, blocks, pad_id=0, device=CPU)
        begun = list(zip(packed.order, packed.starts, strict=True))
        places = [torch.arange(at, at + len(texts[i]) - 1) for i, at in begun]
        wanted = torch.tensor([token for i, _ in begun for token in texts[i][1:]])
        loss = F.cross_entropy(forward_of(model)(packed, torch.cat(places)), wanted)
        rows = torch.zeros(len(texts), max(map(len, texts)), dtype=torch.long)
        mask = torch.zeros_like(rows)
        for row, own, text in zip(rows, mask, texts, strict=True):
            row[: len(text)], own[: len(text)] = torch.tensor(text), 1
        logits = model(rows, attention_mask=mask).logits[:, :-1]
        labels = rows.masked_fill(mask == 0, -100)[:, 1:]
        padded = F.cross_entropy(logits.flatten(0, 1), labels.flatten())
        torch.testing.assert_close(loss, padded, rtol=1e-9, atol=0)
        pairs = zip(*(torch.autograd.grad(each, trained) for each in (loss, padded)), strict=True)
        for ours, theirs in pairs:
            torch.testing.assert_close(ours, theirs, rtol=1e-8, atol=1e-8)


@pytest.mark.parametrize("onednn", [True, False])
@pytest.mark.parametrize("rank", [0, 1, 12])
def test_single_precision_stays_close(
    rank: int, onednn: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(products, "_LINEAR", products._onednn() if onednn else None)
    with Attached(a_model(), "b", Lora(rank=rank), seed=0) as attached:
        model: Any = attached.model
        trained = [p for p in model.parameters() if p.requires_grad]
        lean, own = lean_and_own(model)
        torch.testing.assert_close(lean, own, rtol=1e-4, atol=1e-4)
        found = torch.autograd.grad(lean.square().mean(), trained)
        expected = torch.autograd.grad(own.square().mean(), trained)
        for ours, theirs in zip(found, expected, strict=True):
            torch.testing.assert_close(ours, theirs, rtol=1e-3, atol=1e-4)


def test_half_precision_stays_close() -> None:
    with Attached(a_model().bfloat16(), "b", Lora(rank=8), seed=0) as attached:
        model: Any = attached.model
        with torch.autocast("cpu", torch.bfloat16):
            lean, own = lean_and_own(model)
        assert lean.dtype == torch.float32
        assert (lean - own).abs().mean() < 0.02 * own.abs().mean()


def test_what_it_does_not_know_runs_as_it_is() -> None:
    torch.manual_seed(0)
    other: Any = GPT2LMHeadModel(GPT2Config(vocab_size=50, n_embd=32, n_layer=2, n_head=2)).eval()
    biased = a_model(attention_bias=True)
    dynamic = a_model(rope_parameters={"rope_type": "dynamic", "rope_theta": 1e4, "factor": 2.0})
    for model in (other, biased, dynamic):
        assert lean_llama(model) is None
        ours, own = lean_and_own(model, Whole)
        torch.testing.assert_close(ours, own)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("rank", [0, 3])
def test_continuations_are_those_of_the_models_own_cache(
    kind: str, rank: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """In float64, where no two tokens are as likely: prompts of all lengths, early ends."""

    def ending(logits: Tensor, step: int, rows: Tensor) -> Tensor:
        return torch.where(rows * 3 % 40 + 2 == step, 0, 1 + logits[:, 1:].argmax(-1))

    with Attached(doubled(a_model(**KINDS[kind])), "b", Lora(rank=rank), seed=0) as attached:
        model: Any = attached.model.double()
        for p in model.parameters():
            if p.requires_grad:
                nn.init.normal_(p, std=0.2)
        prompts = sequences(3, [1, 5, 40, 7, 7, 39, 2, 12] * 3)
        settings: Any = {"pad_id": 0, "eos_id": 0, "max_new_tokens": 30, "device": CPU}
        lean = continued(model, prompts, ending, **settings)
        monkeypatch.setattr(
            "pbb.evaluation.decoding._begun",
            lambda model, prompts, pad_id, most, device: WholeDecoding(
                model, prompts, pad_id=pad_id, device=device
            ),
        )
        assert lean == continued(model, prompts, ending, **settings)
        assert [len(answer) for answer in lean] == [min(30, 2 + 3 * row % 40) for row in range(24)]


@given(st.lists(st.integers(1, 70), min_size=1, max_size=40), st.integers(1, 500))
def test_packing_loses_nothing_and_keeps_to_its_limit(lengths: list[int], most: int) -> None:
    texts = [[i + 1] * n for i, n in enumerate(lengths)]
    seen: list[int] = []
    for blocks in groups(lengths, most):
        packed = pack(texts, blocks, pad_id=0, device=CPU)
        padded = sum(len(block) * max(lengths[i] for i in block) for block in blocks)
        assert padded <= most or len(packed.order) == 1
        filled = sum(packed.lengths)
        assert len(packed.tokens) % ROWS == 0 and 0 <= len(packed.tokens) - filled < ROWS
        assert packed.blocks == tuple(map(len, blocks))
        for i, start in zip(packed.order, packed.starts, strict=True):
            row = slice(start, start + lengths[i])
            assert packed.tokens[row].tolist() == texts[i]
            assert packed.positions[row].tolist() == list(range(lengths[i]))
        assert int((packed.tokens > 0).sum()) == sum(lengths[i] for i in packed.order)
        seen += packed.order
    assert sorted(seen) == list(range(len(lengths)))


@given(
    st.lists(st.integers(1, 40), min_size=1, max_size=20),
    st.floats(0.1, 1.0),
    st.integers(1, 8),
    st.integers(0, 9),
)
def test_rectangles_hold_each_token_once_and_give_it_back(
    lengths: list[int], share: float, multiple: int, rest: int
) -> None:
    """A row is its sequence, then that one's first token; those side by side are about as long."""
    counts = alike(lengths, share)
    rectangles = Rectangles.of(lengths, counts, sum(lengths) + rest, multiple)
    assert [rows for rows, _ in rectangles.shapes] == counts
    firsts = [lengths[sum(counts[:i])] for i in range(len(counts))]
    opened = [lengths[sum(counts[: i + 1])] for i in range(len(counts) - 1)]
    for first, length in zip(firsts, opened, strict=False):
        assert length > first or length < share * first, "as few as there may be"
    tokens, fills = iter(rectangles.tokens.tolist()), iter(rectangles.fills.tolist())
    start, each = 0, iter(lengths)
    for rows, width in rectangles.shapes:
        side_by_side = list(islice(each, rows))
        assert share * width - multiple < min(side_by_side)
        assert width % multiple == 0 and width - multiple < max(side_by_side) <= width
        for length in side_by_side:
            filled = width - length
            row = [*range(start, start + length), *[start] * filled]
            assert list(islice(tokens, width)) == row
            assert list(islice(fills, width)) == [False] * length + [True] * filled
            start += length
    assert start == sum(lengths) and not list(tokens) and not list(fills)
    assert rectangles.tokens[rectangles.places[:start]].tolist() == list(range(start))
    assert rectangles.places[start:].tolist() == [0] * rest

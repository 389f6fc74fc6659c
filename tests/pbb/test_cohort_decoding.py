"""Adapters decoded side by side: each says what it says alone."""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from typing import Any

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor, nn
from torch.utils._python_dispatch import TorchDispatchMode

from pbb.config import Lora
from pbb.evaluation.cohort_decoding import Resident
from pbb.evaluation.decoding import Choice, continued
from pbb.evaluation.recorded import AsTheyAre
from pbb.evaluation.waves import NOBODY, beginnings, waves
from pbb.models.adapters import Attached
from pbb.models.lean.llama import Llama
from pbb.models.lean.reading import lean_llama
from pbb.models.stacked import Stack
from tests.pbb.doubled import doubled
from tests.pbb.test_lean import KINDS, a_model, sequences
from tests.pbb.tiny import CPU

LORAS = (Lora(rank=3), Lora(rank=1, alpha=4.0), Lora(rank=8, scaling="standard"))
NEW = 30
ENDS: Any = {"eos_id": 0, "max_new_tokens": NEW}


def adapters(model: nn.Module, loras: Sequence[Lora] = LORAS) -> list[dict[str, Tensor]]:
    """Far enough from nothing to change what is said."""
    found = []
    for seed, lora in enumerate(loras):
        with Attached(model, "b", lora, seed) as attached:
            draw = torch.Generator().manual_seed(seed)
            found.append(
                {
                    name: 0.2 * torch.randn(t.shape, generator=draw, dtype=t.dtype)
                    for name, t in attached.tensors().items()
                }
            )
    return found


def stacked(
    model: nn.Module, weights: Sequence[dict[str, Tensor]], loras: Sequence[Lora] = LORAS
) -> Llama:
    llama = lean_llama(model)
    assert llama is not None
    stack = Stack(llama, loras)
    for i, tensors in enumerate(weights):
        stack.put(i, tensors)
    return stack.llama


def alone(
    model: nn.Module, lora: Lora, weights: dict[str, Tensor], prompts: Any, choose: Choice
) -> list[list[int]]:
    """By the decoder of one adapter, which says what transformers says (test_like_transformers)."""
    with Attached(model, "b", lora, seed=0) as attached:
        attached.model.to(next(model.parameters()).dtype)
        for name, parameter in attached.model.named_parameters():
            if "lora_" in name:
                saved = weights["base_model.model." + name.replace(".default.", ".")]
                parameter.data = saved.clone().to(parameter)
        return continued(attached.model, prompts, choose, pad_id=0, device=CPU, **ENDS)


def ending(logits: Tensor, step: int, rows: Tensor) -> Tensor:
    """The likeliest, and an early end that is each row's own."""
    return torch.where(rows * 3 % 40 + 2 == step, 0, 1 + logits[:, 1:].argmax(-1))


def begun_alike(count: int, common: int) -> list[list[int]]:
    """Prompts of a few programs, the same instruction before each of a program's."""
    (head,) = sequences(9, [common])
    return [[*head, i % 3, *tail] for i, tail in enumerate(sequences(4, [2, 5, 3] * (count // 3)))]


PROMPTS = {
    "of all lengths": sequences(3, [1, 5, 40, 7, 7, 39, 2, 12] * 2),
    "begun alike": begun_alike(15, 30),
    "asked again": [p for p in sequences(6, [9, 20, 14]) for _ in range(5)],
}


@pytest.mark.parametrize(
    ("asked", "columns"), [("of all lengths", 5), ("begun alike", 16), ("asked again", 7)]
)
def test_each_adapter_says_what_it_says_alone(asked: str, columns: int) -> None:
    """In float64, where no two tokens are as likely: several waves, early ends, shared heads."""
    model = doubled(a_model(num_key_value_heads=2))
    weights, prompts = adapters(model), PROMPTS[asked]
    own = [prompts, prompts[:11], prompts[::-1]]
    resident = Resident(CPU)
    found = resident.together(stacked(model, weights), own, ending, columns=columns, **ENDS)
    first = 0
    for lora, tensors, own_prompts, said in zip(LORAS, weights, own, found, strict=True):

        def choose(logits: Tensor, step: int, rows: Tensor, n: int = first) -> Tensor:
            return ending(logits, step, rows + n)

        assert said == alone(model, lora, tensors, own_prompts, choose)
        first += len(own_prompts)
    assert len({tuple(row) for own in found for row in own}) > 30


@pytest.mark.parametrize("kind", KINDS)
def test_one_adapter_is_decoded_as_by_the_decoder_of_one(kind: str) -> None:
    """In float64, of every kind of Llama; with LoRA on it and bare."""
    model, prompts = doubled(a_model(**KINDS[kind])), PROMPTS["of all lengths"]
    settings: Any = {"pad_id": 0, "device": CPU, **ENDS}
    resident = Resident(CPU)
    bare = continued(model, prompts, ending, **settings)
    assert resident.continued(model, prompts, ending, **settings) == bare
    with Attached(model, "b", Lora(rank=3), seed=0) as attached:
        attached.model.double()
        for parameter in attached.model.parameters():
            if parameter.requires_grad:
                nn.init.normal_(parameter, std=0.2)
        wanted = continued(attached.model, prompts, ending, **settings)
        assert wanted != bare
        assert resident.continued(attached.model, prompts, ending, **settings) == wanted


def test_what_is_resident_reads_the_adapters_of_the_call() -> None:
    """The same memory, other weights; other ranks, longer prompts, and the first ones again."""
    model = doubled(a_model())
    weights, prompts = adapters(model), PROMPTS["of all lengths"]
    resident = Resident(CPU)

    def said(loras: Sequence[Lora], order: Sequence[int], asked: Any) -> Any:
        llama = stacked(model, [weights[i] for i in order], loras)
        return resident.together(llama, [asked] * len(order), greedy_choice, columns=16, **ENDS)

    low, other, high = LORAS
    first = said([low, other], [0, 1], prompts)
    grid = resident._grid
    assert said([other, low], [1, 0], prompts) == first[::-1]
    assert resident._grid is grid
    longer = [[*p, *p] for p in prompts]
    assert said([low, high], [0, 2], longer) == [
        alone(model, lora, weights[i], longer, greedy_choice) for lora, i in ((low, 0), (high, 2))
    ]
    assert said([low, other], [0, 1], prompts) == first


def greedy_choice(logits: Tensor, step: int, rows: Tensor) -> Tensor:
    return logits.argmax(dim=-1)


def test_nothing_of_one_reaches_another() -> None:
    """Bit by bit: an adapter whose weights are not finite, beside and before."""
    model = a_model()
    weights = adapters(model)
    broken = {name: torch.full_like(t, float("nan")) for name, t in weights[1].items()}
    resident, prompts = Resident(CPU), [PROMPTS["of all lengths"]] * 3
    seen: list[Tensor] = []

    def watched(logits: Tensor, step: int, rows: Tensor) -> Tensor:
        seen.append(logits.unflatten(0, (3, -1))[[0, 2]].clone())
        return greedy_choice(logits, step, rows)

    runs = []
    for three in (weights, [weights[0], broken, weights[2]], weights):
        seen.clear()
        resident.together(stacked(model, three), prompts, watched, columns=16, **ENDS)
        runs.append(list(seen))
    assert all(bool(t.isfinite().all()) for t in runs[1])
    for run in runs[1:]:
        assert all(torch.equal(*pair) for pair in zip(runs[0], run, strict=False))


def test_full_training_and_other_models_are_decoded_as_they_are() -> None:
    settings: Any = {"pad_id": 0, "device": CPU, **ENDS}
    prompts = PROMPTS["of all lengths"]
    with Attached(a_model(), "b", Lora(rank=0), seed=0) as attached:
        wanted = continued(attached.model, prompts, ending, **settings)
        assert Resident(CPU).continued(attached.model, prompts, ending, **settings) == wanted
    biased = a_model(attention_bias=True)
    wanted = continued(biased, prompts, ending, **settings)
    assert Resident(CPU).continued(biased, prompts, ending, **settings) == wanted


def test_a_step_may_be_repeated_and_few_shapes_are_met() -> None:
    """What lets a GPU record it."""

    class Twice(AsTheyAre):
        def __init__(self) -> None:
            self.keys: list[Hashable] = []

        def __call__(self, key: Hashable, step: Any) -> Tensor:
            self.keys.append(key)
            step()
            return super().__call__(key, step)

    model = doubled(a_model())
    llama, prompts = stacked(model, adapters(model)), [sequences(1, [9, 30, 12] * 20)] * 3
    twice = Twice()
    once = Resident(CPU).together(llama, prompts, ending, columns=60, **ENDS)
    assert Resident(CPU, twice).together(llama, prompts, ending, columns=60, **ENDS) == once
    assert len(twice.keys) == NEW - 1 and len(set(twice.keys)) <= 6


class Watched(TorchDispatchMode):
    """Notes every operation."""

    def __init__(self) -> None:
        super().__init__()
        self.seen: set[str] = set()

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        self.seen.add(func.overloadpacket.__name__)
        return func(*args, **(kwargs or {}))


def test_a_step_asks_nothing_of_the_host_and_brings_nothing_from_it() -> None:
    """What cannot be recorded: numbers read, shapes that depend on them, constants copied over."""

    class Spy(AsTheyAre):
        def __init__(self) -> None:
            self.seen: set[str] = set()
            self.results: set[int] = set()

        def __call__(self, key: Hashable, step: Any) -> Tensor:
            with Watched() as watched:
                result: Tensor = step()
            self.seen |= watched.seen
            self.results.add(result.data_ptr())
            return result

    spy, model = Spy(), a_model(num_key_value_heads=2)
    llama, prompts = stacked(model, adapters(model)), [PROMPTS["of all lengths"]] * 3
    Resident(CPU, spy).together(llama, prompts, ending, columns=16, **ENDS)
    assert {"mm", "baddbmm_", "scatter_"} <= spy.seen
    assert not spy.seen & {"_local_scalar_dense", "nonzero", "lift_fresh", "index", "index_put_"}
    assert len(spy.results) == 1  # in memory that the recording was given


# --- on a GPU

gpu = pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a GPU")


@gpu
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_a_recorded_step_gives_what_the_step_itself_gives(dtype: torch.dtype) -> None:
    """Logits bit by bit, with other adapters in the same recordings too."""
    device = torch.device("cuda")
    model: Any = a_model(num_key_value_heads=2).to(device, dtype)
    recorded, eager = Resident(device), Resident(device, AsTheyAre())
    weights, prompts = adapters(model), [PROMPTS["of all lengths"] * 4] * 3
    for order in ((0, 1, 2), (2, 1, 0), (0, 1, 2)):
        loras, own = [LORAS[i] for i in order], [weights[i] for i in order]
        seen: list[list[Tensor]] = [[], []]
        found = []
        for resident, kept in zip((recorded, eager), seen, strict=True):

            def watched(logits: Tensor, step: int, rows: Tensor, kept: Any = kept) -> Tensor:
                kept.append(logits.clone())
                return ending(logits, step, rows)

            llama = stacked(model, own, loras)
            found.append(resident.together(llama, prompts, watched, columns=64, **ENDS))
        assert found[0] == found[1]
        assert all(torch.equal(*pair) for pair in zip(*seen, strict=True))


@gpu
def test_a_gpu_decodes_as_the_cpu_does() -> None:
    """float32; where a row parts, the CPU's two best logits were as good as equal."""
    device = torch.device("cuda")
    model: Any = a_model(num_key_value_heads=2)
    weights, prompts = adapters(model), [PROMPTS["begun alike"], PROMPTS["of all lengths"]]
    two: Any = {"columns": 64, **ENDS}
    wanted = Resident(CPU).together(
        stacked(model, weights[:2], LORAS[:2]), prompts, greedy_choice, **two
    )
    model.to(device)
    found = Resident(device).together(
        stacked(model, weights[:2], LORAS[:2]), prompts, greedy_choice, **two
    )
    same = [a == b for own in zip(found, wanted, strict=True) for a, b in zip(*own, strict=True)]
    assert sum(same) >= len(same) - 1


# --- waves


@given(
    st.lists(
        st.lists(st.lists(st.integers(0, 2), min_size=1, max_size=9), max_size=12), min_size=1
    ).filter(any),
    st.integers(1, 9),
)
def test_waves_hold_every_prompt_once(asked: list[list[list[int]]], columns: int) -> None:
    flat = [prompt for own in asked for prompt in own]
    seen: dict[int, Sequence[int]] = {}
    for wave in waves(asked, columns):
        assert len(wave.numbers[0]) <= columns
        for adapter, (prompts, numbers) in enumerate(zip(wave.prompts, wave.numbers, strict=True)):
            for prompt, number in zip(prompts, numbers, strict=True):
                if number != NOBODY:
                    assert number not in seen
                    seen[number] = prompt
                    start = sum(map(len, asked[:adapter]))
                    assert 0 <= number - start < len(asked[adapter])
        for each in beginnings(wave, 10**6):
            for own in wave.prompts:
                heads = {tuple(own[i][: each.length]) for i in each.columns}
                assert len(heads) == 1 and all(len(own[i]) > each.length for i in each.columns)
    assert {number: list(prompt) for number, prompt in seen.items()} == dict(enumerate(flat))


def test_like_prompts_have_a_common_beginning_and_unlike_ones_none() -> None:
    (wave,) = waves([PROMPTS["asked again"]] * 2, 100)
    assert sorted(len(each.columns) for each in beginnings(wave, 100)) == [5, 5, 5]
    assert beginnings(wave, 10) == []
    (wave,) = waves([PROMPTS["of all lengths"][:8]] * 2, 100)
    assert beginnings(wave, 1000) == []

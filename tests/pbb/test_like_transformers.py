"""Items of every domain are answered as transformers answers them, one by one."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import islice
from typing import Any, Final

import pytest
import torch
from torch import nn

from pbb.config import CorpusConfig, Lora, Question
from pbb.corpus import build_corpus
from pbb.domains.configs import (
    AlgorithmsConfig,
    ArithmeticConfig,
    CiphersConfig,
    GrammarsConfig,
)
from pbb.domains.domain import DomainConfig
from pbb.evaluation.cohort_decoding import Resident
from pbb.evaluation.decoding import Continue, continued, greedy
from pbb.evaluation.items import items
from pbb.models.adapters import Attached
from pbb.models.encoding import Encoder
from pbb.models.loading import load_base
from pbb.models.registry import resolve
from tests.pbb.tiny import CPU

DOMAINS: Final[dict[str, DomainConfig]] = {
    "arithmetic": ArithmeticConfig(),
    "ciphers": CiphersConfig(),
    "grammars": GrammarsConfig(),
    "algorithms": AlgorithmsConfig(),
}
NEAR: Final = 1e-4
"""Between the reference's two best logits: nearer than this, rounding may choose either."""
MOST_NEAR_SHARE: Final = 0.005
BATCH: Final = 64


@dataclass(frozen=True)
class Reference:
    """What transformers says, without the end token; gaps: of its two best logits at each token,
    the end token's included."""

    answer: list[int]
    gaps: list[float]


def asked(domain: str, encoder: Encoder, count: int) -> list[tuple[int, ...]]:
    """So many prompts of target programs, in all formats of the domain, with the instruction and
    without, evenly from all."""
    targets = 16 if count > 100 else 2
    corpus = build_corpus(
        CorpusConfig(
            domain=DOMAINS[domain], data_seed=77, acquisition=1, validation=1, targets=targets
        )
    )
    questions = [
        Question(split="target", response_format=form, in_context=shown)
        for form in corpus.domain.formats
        for shown in (False, True)
    ]
    prompts = [item.prompt for question in questions for item in items(question, corpus)]
    assert len(prompts) >= count
    chosen = islice(prompts, 0, None, max(1, len(prompts) // count))
    return [encoder.prompt(prompt) for prompt in islice(chosen, count)]


@torch.inference_mode()
def reference(model: Any, encoder: Encoder, prompt: Sequence[int], most_new: int) -> Reference:
    """transformers' own generate, one prompt, its own cache."""
    found = model.generate(
        torch.tensor([prompt], device=model.device),
        attention_mask=torch.ones(1, len(prompt), dtype=torch.long, device=model.device),
        max_new_tokens=most_new,
        do_sample=False,
        use_cache=True,
        return_dict_in_generate=True,
        output_logits=True,
    )
    best = torch.stack(found.logits)[:, 0].topk(2).values
    answer = found.sequences[0, len(prompt) :].tolist()
    ended = answer[:-1] if answer[-1] == encoder.eos_id else answer
    return Reference(ended, (best[:, 0] - best[:, 1]).tolist())


def in_batches(
    model: Any, encoder: Encoder, prompts: Sequence[Sequence[int]], most_new: int, by: Continue
) -> list[list[int]]:
    ends: Any = {"pad_id": encoder.pad_id, "eos_id": encoder.eos_id, "device": model.device}
    cut = [prompts[start : start + BATCH] for start in range(0, len(prompts), BATCH)]
    return [
        answer
        for batch in cut
        for answer in greedy(model, batch, max_new_tokens=most_new, by=by, **ends)
    ]


@contextmanager
def adapted(device: torch.device) -> Iterator[tuple[nn.Module, Encoder]]:
    """A base with an adapter that changes what it says, and leaves it able to say things."""
    base, encoder = load_base(resolve("nano-xs"), "float32", device)
    with Attached(base, "b", Lora(rank=8), seed=0) as attached:
        for name, weight in attached.model.named_parameters():
            if "lora_B" in name:
                nn.init.normal_(weight, std=0.01)
        attached.model.to(device)
        yield attached.model, encoder


def departures(found: Sequence[Sequence[int]], wanted: Sequence[Reference]) -> dict[int, float]:
    """Items that are answered otherwise -> the reference's gap where they part."""
    apart = {}
    for item, (ours, theirs) in enumerate(zip(found, wanted, strict=True)):
        if ours != theirs.answer:
            pairs = zip([*ours, None], [*theirs.answer, None], strict=False)
            token = next(i for i, (a, b) in enumerate(pairs) if a != b)
            apart[item] = theirs.gaps[token]
    return apart


def check(domain: str, count: int, most_new: int, device: torch.device) -> None:
    """By the decoder of one adapter, and by the one that takes several."""
    with adapted(device) as (model, encoder):
        prompts = asked(domain, encoder, count)
        assert len(prompts) == count
        wanted = [reference(model, encoder, prompt, most_new) for prompt in prompts]
        for by in (continued, Resident(device).continued):
            apart = departures(in_batches(model, encoder, prompts, most_new, by), wanted)
            print(f"{domain}: {len(apart)} of {count} items part, by {by.__qualname__}: {apart}")
            assert all(gap < NEAR for gap in apart.values()), apart
            assert len(apart) <= MOST_NEAR_SHARE * count, apart
    assert sum(len(each.answer) for each in wanted) > 4 * count
    assert len({tuple(each.answer) for each in wanted}) > count // 8


@pytest.mark.parametrize("domain", DOMAINS)
def test_a_few_items_are_answered_as_transformers_answers_them(domain: str) -> None:
    check(domain, 24, 24, CPU)


@pytest.mark.slow
@pytest.mark.timeout(1200)
@pytest.mark.parametrize("domain", DOMAINS)
def test_500_items_are_answered_as_transformers_answers_them(domain: str) -> None:
    """Greedily in every domain: where answers are sampled, the same logits are drawn from."""
    check(domain, 500, 64, CPU)


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a GPU")
@pytest.mark.parametrize("domain", DOMAINS)
def test_a_gpu_answers_as_transformers_does_there(domain: str) -> None:
    check(domain, 24, 64, torch.device("cuda"))

"""The questions of several stages, answered side by side by the adapters of one base."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import zip_longest

import numpy as np
import polars as pl
import torch
from numpy.typing import NDArray
from torch import Tensor

from pbb.config import AnyQuestion, EvaluateStage
from pbb.corpus import Corpus, build_corpus
from pbb.evaluation.cohort_decoding import Resident
from pbb.evaluation.decoding import Choice
from pbb.evaluation.items import Item, is_sampled, items, scored, table, uniforms
from pbb.evaluation.sampling_decoder import drawing
from pbb.models.encoding import Encoder
from pbb.models.lean.llama import Llama


@dataclass(frozen=True)
class _Asked:
    """One stage's next question; null where it has no more."""

    stage: EvaluateStage
    corpus: Corpus
    question: AnyQuestion | None
    items: tuple[Item, ...]


def evaluate_together(
    llama: Llama, encoder: Encoder, stages: Sequence[EvaluateStage], resident: Resident
) -> list[pl.DataFrame]:
    """Neutral item rows of each stage, by the adapter in its place of `llama`.

    All first questions are decoded together, then all second ones; at most batch_size items of each
    stage at once. max_new_tokens and batch_size are the same in all stages.
    """
    corpora = [build_corpus(stage.corpus) for stage in stages]
    rows: list[list[dict[str, object]]] = [[] for _ in stages]
    for questions in zip_longest(*(stage.questions for stage in stages)):
        asked = [_asked(*each) for each in zip(stages, corpora, questions, strict=True)]
        texts = _answers(llama, encoder, asked, resident)
        for each, into, told in zip(asked, rows, texts, strict=True):
            if each.question is not None:
                into += scored(each.question, each.items, told, each.stage, each.corpus)
    return [table(each) for each in rows]


def _asked(stage: EvaluateStage, corpus: Corpus, question: AnyQuestion | None) -> _Asked:
    found = () if question is None else tuple(items(question, corpus))
    return _Asked(stage, corpus, question, found)


def _answers(
    llama: Llama, encoder: Encoder, asked: Sequence[_Asked], resident: Resident
) -> list[list[str]]:
    stage = asked[0].stage
    answers = resident.together(
        llama,
        [[encoder.prompt(item.prompt) for item in each.items] for each in asked],
        _choice(asked, llama.embedding.device),
        columns=stage.batch_size,
        eos_id=encoder.eos_id,
        max_new_tokens=stage.max_new_tokens,
    )
    return [[encoder.decode(ids) for ids in own] for own in answers]


def _choice(asked: Sequence[_Asked], device: torch.device) -> Choice:
    """The likeliest, but drawn by its own numbers where an item's answer is."""
    drawn = [_is_drawn(each) for each in asked for _ in each.items]
    if not any(drawn):
        return lambda logits, step, rows: logits.argmax(dim=-1)
    draw = drawing(np.concatenate([_numbers(each) for each in asked if each.items]), device)
    is_drawn = torch.tensor(drawn, device=device)

    def choose(logits: Tensor, step: int, rows: Tensor) -> Tensor:
        return torch.where(is_drawn[rows], draw(logits, step, rows), logits.argmax(dim=-1))

    return choose


def _is_drawn(asked: _Asked) -> bool:
    return asked.question is not None and is_sampled(asked.question, asked.corpus)


def _numbers(asked: _Asked) -> NDArray[np.float64]:
    if _is_drawn(asked):
        return uniforms(asked.items, asked.stage, asked.corpus)
    return np.zeros((len(asked.items), asked.stage.max_new_tokens))

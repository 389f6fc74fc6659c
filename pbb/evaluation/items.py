"""Questions -> prompts -> scored item rows."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import groupby

import numpy as np
import polars as pl
import torch
from torch import nn

from pbb.config import EvaluateStage, Question
from pbb.corpus import Corpus, compositions
from pbb.documents import Told, execution_prompt, said
from pbb.domains.domain import Measured, Program
from pbb.evaluation.decoding import greedy
from pbb.evaluation.sampling_decoder import sampled
from pbb.models.encoding import Encoder
from pbb.models.precision import autocast
from pbb.records import ITEM_SCHEMA, NEUTRAL_ITEM_COLUMNS
from pbb.sampling import instruction_text
from pbb.seeds import stream


@dataclass(frozen=True)
class Item:
    """One evaluated case: what is asked, and where it stands.

    index: within the program's items; case: index into the program's cases.
    """

    question: Question
    program: Program
    index: int
    case: int
    prompt: str


def items(question: Question, corpus: Corpus) -> Iterator[Item]:
    """Items of a question, programs in corpus order. The template follows the item's index."""
    domain, told = corpus.domain, Told(corpus.config.representation)
    templates = domain.templates.execution[: corpus.config.templates]
    for program in programs(question, corpus):
        for index, i in enumerate(program.items):
            prompt = execution_prompt(
                domain,
                program,
                program.draft.cases[i],
                question.response_format,
                told,
                templates[index % len(templates)],
            )
            if question.in_context:
                shown = instruction_text(domain, program, told, domain.templates.declaration[0])
                prompt = f"{shown}\n{prompt}"
            yield Item(question, program, index, i, prompt)


def programs(question: Question, corpus: Corpus) -> tuple[Program, ...]:
    """The programs that a question asks about."""
    if question.composed:
        return compositions(corpus.config, question.split, question.programs)
    return corpus.split(question.split)[: question.programs]


def evaluate(
    model: nn.Module,
    encoder: Encoder,
    stage: EvaluateStage,
    corpus: Corpus,
    device: torch.device,
) -> pl.DataFrame:
    """Neutral item rows (pbb.records.NEUTRAL_ITEM_COLUMNS) of every question of the stage.

    Each question is decoded by itself in batches of stage.batch_size rows in item order, so a
    result never depends on which other questions were asked.
    """
    model.eval()
    rows: list[dict[str, object]] = []
    for question in stage.questions:
        asked = list(items(question, corpus))
        texts: list[str] = []
        for batch in _batches(asked, stage.batch_size):
            with autocast(stage.numerics, device):
                outputs = _decoded(model, encoder, batch, stage, corpus, device)
            texts += [encoder.decode(ids) for ids in outputs]
        rows += [_row(item, text, stage, corpus) for item, text in zip(asked, texts, strict=True)]
        rows += _beside(asked, texts, stage, corpus)
    schema = {name: ITEM_SCHEMA[name] for name in NEUTRAL_ITEM_COLUMNS}
    return pl.DataFrame(rows, schema=schema)


def _decoded(
    model: nn.Module,
    encoder: Encoder,
    batch: Sequence[Item],
    stage: EvaluateStage,
    corpus: Corpus,
    device: torch.device,
) -> list[list[int]]:
    """Ids of the answers: the likeliest, or drawn at temperature 1 from each item's stream."""
    prompts = [encoder.prompt(item.prompt) for item in batch]
    ends = {
        "pad_id": encoder.pad_id,
        "eos_id": encoder.eos_id,
        "max_new_tokens": stage.max_new_tokens,
    }
    if not corpus.domain.sampled:
        return greedy(model, prompts, **ends, device=device)
    seed = corpus.config.data_seed
    uniforms = np.stack(
        [
            stream("sampling", seed, item.program.name, item.index).random(stage.max_new_tokens)
            for item in batch
        ]
    )
    return sampled(model, prompts, uniforms=uniforms, **ends, device=device)


def _row(item: Item, output: str, stage: EvaluateStage, corpus: Corpus) -> dict[str, object]:
    answer = said(output, item.question.response_format)
    correct = corpus.domain.correct(item.program, item.case, answer)
    return _about(item, stage, corpus) | {
        "measure": "execution",
        "item": item.index,
        "correct": correct,
        "score": float(correct),
        "prompt": item.prompt,
        "expected": item.program.draft.cases[item.case].answer,
        "output": output,
    }


def _beside(
    asked: Sequence[Item], texts: Sequence[str], stage: EvaluateStage, corpus: Corpus
) -> Iterator[dict[str, object]]:
    """Of each program: what a guess would get, and the domain's further measures."""
    pairs = zip(asked, texts, strict=True)
    for _, group in groupby(pairs, key=lambda pair: pair[0].program.name):
        of_program = list(group)
        first = of_program[0][0]
        answers = [said(text, item.question.response_format) for item, text in of_program]
        chance = Measured("chance", 0, False, corpus.domain.chance(first.program))
        for found in (chance, *corpus.domain.beside(first.program, answers)):
            yield _about(first, stage, corpus) | {
                "measure": found.measure,
                "item": found.item,
                "correct": found.correct,
                "score": found.score,
                "prompt": "",
                "expected": "",
                "output": "",
            }


def _about(item: Item, stage: EvaluateStage, corpus: Corpus) -> dict[str, object]:
    return {
        "response_format": item.question.response_format,
        "domain": corpus.config.domain.kind,
        "representation": corpus.config.representation,
        "paths": item.program.paths,
        "split": "composed" if item.question.composed else item.question.split,
        "step": stage.step,
        "program": item.program.name,
    }


def _batches(all_items: Sequence[Item], size: int) -> Iterator[Sequence[Item]]:
    for start in range(0, len(all_items), size):
        yield all_items[start : start + size]

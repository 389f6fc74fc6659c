"""Questions -> prompts -> scored item rows."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import groupby

import numpy as np
import polars as pl
import torch
from numpy.typing import NDArray
from torch import nn

from pbb.config import AnyQuestion, EvaluateStage, Question, RecallQuestion
from pbb.corpus import Corpus, compositions
from pbb.documents import Told, declaration, execution_prompt, said
from pbb.domains.domain import Measured, Program
from pbb.evaluation.decoding import Continue, continued, greedy
from pbb.evaluation.recall import recalled_right, recited_right
from pbb.evaluation.sampling_decoder import sampled
from pbb.models.encoding import Encoder
from pbb.models.precision import autocast
from pbb.records import ITEM_SCHEMA, NEUTRAL_ITEM_COLUMNS
from pbb.sampling import instruction_text
from pbb.seeds import stream


@dataclass(frozen=True)
class Item:
    """One evaluated case: what is asked, and where it stands.

    index: within the program's items; of recall, the pointer's template. case: index into the
    program's cases; null of recall. expected: a right answer.
    """

    question: AnyQuestion
    program: Program
    index: int
    case: int | None
    prompt: str
    expected: str


def items(question: AnyQuestion, corpus: Corpus) -> Iterator[Item]:
    """Items of a question, programs in corpus order. The template follows the item's index."""
    if isinstance(question, RecallQuestion):
        return _recalls(question, corpus)
    return _executions(question, corpus)


def _executions(question: Question, corpus: Corpus) -> Iterator[Item]:
    domain, told = corpus.domain, Told(corpus.config.representation)
    templates = domain.templates.execution[: corpus.config.templates]
    for program in programs(question, corpus):
        for index, i in enumerate(program.items):
            case = program.draft.cases[i]
            prompt = execution_prompt(
                domain,
                program,
                case,
                question.response_format,
                told,
                templates[index % len(templates)],
            )
            if question.in_context:
                shown = instruction_text(domain, program, told, domain.templates.declaration[0])
                prompt = f"{shown}\n{prompt}"
            yield Item(question, program, index, i, prompt, case.answer)


def _recalls(question: RecallQuestion, corpus: Corpus) -> Iterator[Item]:
    """As a declaration begins, so that it takes no understanding of another task to go on."""
    domain, told = corpus.domain, Told(corpus.config.representation)
    templates = domain.templates.declaration[: question.templates]
    for program in programs(question, corpus):
        for index, template in enumerate(templates):
            prompt, right = declaration(domain, program.name, program.draft, told, template)
            yield Item(question, program, index, None, prompt, right.strip("\n"))


def programs(question: AnyQuestion, corpus: Corpus) -> tuple[Program, ...]:
    """The programs that a question asks about."""
    if isinstance(question, Question) and question.composed:
        return compositions(corpus.config, question.split, question.programs)
    return corpus.split(question.split)[: question.programs]


def evaluate(
    model: nn.Module,
    encoder: Encoder,
    stage: EvaluateStage,
    corpus: Corpus,
    device: torch.device,
    by: Continue = continued,
) -> pl.DataFrame:
    """Neutral item rows (pbb.records.NEUTRAL_ITEM_COLUMNS) of every question of the stage.

    Each question is decoded by itself in batches of stage.batch_size rows in item order, so a
    result never depends on which other questions were asked. by: the decoder.
    """
    return item_rows(
        stage, corpus, lambda asked: answered(model, encoder, asked, stage, corpus, device, by)
    )


def answered(
    model: nn.Module,
    encoder: Encoder,
    asked: Sequence[Item],
    stage: EvaluateStage,
    corpus: Corpus,
    device: torch.device,
    by: Continue = continued,
) -> list[str]:
    """What the model says to items of one question."""
    model.eval()
    texts: list[str] = []
    for batch in _batches(asked, stage.batch_size):
        with autocast(stage.numerics, device):
            outputs = _decoded(model, encoder, batch, stage, corpus, device, by)
        texts += [encoder.decode(ids) for ids in outputs]
    return texts


def item_rows(
    stage: EvaluateStage, corpus: Corpus, answer: Callable[[Sequence[Item]], Sequence[str]]
) -> pl.DataFrame:
    """Rows as `evaluate` gives; answer: called once a question, with its items."""
    rows: list[dict[str, object]] = []
    for question in stage.questions:
        asked = list(items(question, corpus))
        rows += scored(question, asked, answer(asked), stage, corpus)
    return table(rows)


def scored(
    question: AnyQuestion,
    asked: Sequence[Item],
    texts: Sequence[str],
    stage: EvaluateStage,
    corpus: Corpus,
) -> Iterator[dict[str, object]]:
    """Rows of a question's items, and of what stands beside them. texts: the answers."""
    pairs = zip(asked, texts, strict=True)
    yield from (_row(item, text, stage, corpus) for item, text in pairs)
    yield from _beside(question, asked, texts, stage, corpus)


def table(rows: Sequence[dict[str, object]]) -> pl.DataFrame:
    """Neutral item rows."""
    schema = {name: ITEM_SCHEMA[name] for name in NEUTRAL_ITEM_COLUMNS}
    return pl.DataFrame(rows, schema=schema)


def is_sampled(question: AnyQuestion, corpus: Corpus) -> bool:
    """Whether answers are drawn. There is one right instruction, so recall is of the likeliest."""
    return corpus.domain.sampled and not isinstance(question, RecallQuestion)


def uniforms(asked: Sequence[Item], stage: EvaluateStage, corpus: Corpus) -> NDArray[np.float64]:
    """Of each item's own stream: (items, stage.max_new_tokens) numbers to draw its answer by."""
    seed = corpus.config.data_seed
    return np.stack(
        [
            stream("sampling", seed, item.program.name, item.index).random(stage.max_new_tokens)
            for item in asked
        ]
    )


def _decoded(
    model: nn.Module,
    encoder: Encoder,
    batch: Sequence[Item],
    stage: EvaluateStage,
    corpus: Corpus,
    device: torch.device,
    by: Continue,
) -> list[list[int]]:
    """Ids of the answers: the likeliest, or drawn at temperature 1 from each item's stream."""
    prompts = [encoder.prompt(item.prompt) for item in batch]
    ends = {
        "pad_id": encoder.pad_id,
        "eos_id": encoder.eos_id,
        "max_new_tokens": stage.max_new_tokens,
    }
    if not is_sampled(batch[0].question, corpus):
        return greedy(model, prompts, **ends, device=device, by=by)
    numbers = uniforms(batch, stage, corpus)
    return sampled(model, prompts, uniforms=numbers, **ends, device=device, by=by)


def _row(item: Item, output: str, stage: EvaluateStage, corpus: Corpus) -> dict[str, object]:
    question = item.question
    if isinstance(question, RecallQuestion):
        measure, correct = "recall", recalled_right(output, item.program, corpus)
    else:
        assert item.case is not None, "an execution is of a case"
        answer = said(output, question.response_format)
        measure = question.measure
        correct = corpus.domain.correct(item.program, item.case, answer)
    return _about(item, stage, corpus) | {
        "measure": measure,
        "item": item.index,
        "correct": correct,
        "score": float(correct),
        "prompt": item.prompt,
        "expected": item.expected,
        "output": output,
    }


def _beside(
    question: AnyQuestion,
    asked: Sequence[Item],
    texts: Sequence[str],
    stage: EvaluateStage,
    corpus: Corpus,
) -> Iterator[dict[str, object]]:
    """Beside executions: of each program what a guess would get, and further measures.

    Nothing beside other measures: they have no further ones, and a guess is the same everywhere.
    """
    if not isinstance(question, Question) or question.measure != "execution":
        return
    pairs = zip(asked, texts, strict=True)
    for _, group in groupby(pairs, key=lambda pair: pair[0].program.name):
        of_program = list(group)
        first = of_program[0][0]
        for found in _measured(question, first.program, [text for _, text in of_program], corpus):
            yield _about(first, stage, corpus) | {
                "measure": found.measure,
                "item": found.item,
                "correct": found.correct,
                "score": found.score,
                "prompt": "",
                "expected": "",
                "output": "",
            }


def _measured(
    question: Question, program: Program, texts: Sequence[str], corpus: Corpus
) -> Iterator[Measured]:
    yield Measured("chance", 0, False, corpus.domain.chance(program))
    yield from corpus.domain.beside(
        program, [said(text, question.response_format) for text in texts]
    )
    if question.response_format == "recite":
        for index, text in enumerate(texts):
            right = recited_right(text, program, corpus)
            yield Measured("recitation", index, right, float(right))


def _about(item: Item, stage: EvaluateStage, corpus: Corpus) -> dict[str, object]:
    asked = item.question
    return {
        "response_format": asked.response_format if isinstance(asked, Question) else None,
        "domain": corpus.config.domain.kind,
        "representation": corpus.config.representation,
        "paths": item.program.paths,
        "split": "composed" if isinstance(asked, Question) and asked.composed else asked.split,
        "stage": stage.stage,
        "step": stage.step,
        "program": item.program.name,
    }


def _batches(all_items: Sequence[Item], size: int) -> Iterator[Sequence[Item]]:
    for start in range(0, len(all_items), size):
        yield all_items[start : start + size]

"""Questions -> prompts -> scored item rows."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import islice

import polars as pl
import torch
from torch import nn

from pbb.config import EvaluateStage, Question
from pbb.corpus import Corpus, Program
from pbb.documents import execution_prompt, parse_answer
from pbb.evaluation.decoding import greedy
from pbb.models.encoding import Encoder
from pbb.models.precision import autocast
from pbb.records import ITEM_SCHEMA, NEUTRAL_ITEM_COLUMNS
from pbb.sampling import instruction_text
from pbb.templates import STUDY


@dataclass(frozen=True)
class Item:
    """One evaluated input: what is asked, what is right, and where it stands."""

    question: Question
    program: Program
    index: int
    prompt: str
    expected: int


def items(question: Question, corpus: Corpus) -> Iterator[Item]:
    """Items of a question, programs in corpus order. The template follows the item's index."""
    templates = STUDY.execution[: corpus.config.templates]
    for program in corpus.split(question.split)[: question.programs]:
        for index, x in enumerate(program.items):
            template = templates[index % len(templates)]
            prompt = execution_prompt(template, program.name, x, question.response_format)
            if question.in_context:
                prompt = f"{instruction_text(program, STUDY.declaration[0])}\n{prompt}"
            yield Item(question, program, index, prompt, program.executions[x].answer)


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
        for batch in _batches(items(question, corpus), stage.batch_size):
            with autocast(stage.numerics, device):
                outputs = greedy(
                    model,
                    [encoder.prompt(item.prompt) for item in batch],
                    pad_id=encoder.pad_id,
                    eos_id=encoder.eos_id,
                    max_new_tokens=stage.max_new_tokens,
                    device=device,
                )
            texts = [encoder.decode(ids) for ids in outputs]
            rows += [
                _row(item, text, stage, corpus) for item, text in zip(batch, texts, strict=True)
            ]
    schema = {name: ITEM_SCHEMA[name] for name in NEUTRAL_ITEM_COLUMNS}
    return pl.DataFrame(rows, schema=schema)


def _row(item: Item, output: str, stage: EvaluateStage, corpus: Corpus) -> dict[str, object]:
    correct = parse_answer(output, item.question.response_format) == item.expected
    return {
        "response_format": item.question.response_format,
        "domain": corpus.config.domain.kind,
        "representation": corpus.config.representation,
        "paths": item.program.paths,
        "split": item.question.split,
        "measure": "execution",
        "step": stage.step,
        "program": item.program.name,
        "item": item.index,
        "correct": correct,
        "score": float(correct),
        "prompt": item.prompt,
        "expected": str(item.expected),
        "output": output,
    }


def _batches(all_items: Iterator[Item], size: int) -> Iterator[list[Item]]:
    while batch := list(islice(all_items, size)):
        yield batch

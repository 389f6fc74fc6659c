"""What a stage costs: amounts of work, and the seconds that each takes on one CPU core.

How long texts are is read from the corpus, which is built for it.
"""

from __future__ import annotations

import math
import re
from dataclasses import astuple, dataclass
from functools import lru_cache
from typing import Final

from pbb.config import (
    AnyQuestion,
    Base,
    CorpusConfig,
    EvaluateStage,
    Question,
    ResponseFormat,
    RlRecipe,
    RlStage,
    Split,
    Stage,
    TrainingStage,
    TrainStage,
)
from pbb.corpus import build_corpus
from pbb.documents import Told, declaration, execution_completion, execution_prompt

SAMPLED_PROGRAMS: Final = 12
"""So many of a split show how long its texts are."""
ADAPTERS_CALL: Final = 2.0
"""Kernels called beside adapters, for each that is called with all weights trained."""
_TOKEN: Final = re.compile(r"\w+|[^\w\s]|\n")


@dataclass(frozen=True)
class Work:
    """Amounts of work; a CPU's seconds are linear in them.

    stages: each starts, saves and is committed. updates: layers times optimizer updates, which call
    their kernels however few tokens there are. learnt_tokens: read in updates, padding excluded.
    choices: layers times tokens chosen one after the other for a whole batch. decoded_tokens: read
    and chosen. flop: of matrix products, learning and decoding.
    """

    stages: float = 0.0
    updates: float = 0.0
    learnt_tokens: float = 0.0
    choices: float = 0.0
    decoded_tokens: float = 0.0
    flop: float = 0.0

    def __add__(self, other: Work) -> Work:
        return Work(*(a + b for a, b in zip(astuple(self), astuple(other), strict=True)))


def seconds(work: Work, each: Work) -> float:
    """each: seconds that one of every amount takes."""
    return math.fsum(a * b for a, b in zip(astuple(work), astuple(each), strict=True))


def stage_work(stage: Stage) -> Work:
    """The work of one stage."""
    match stage:
        case TrainStage():
            return Work(stages=1) + _learning(stage, stage.recipe.steps, train_tokens(stage))
        case RlStage():
            return Work(stages=1) + _reinforcing(stage)
        case EvaluateStage():
            asked = (_question(stage, each) for each in stage.questions)
            return sum(asked, Work(stages=1))


def train_tokens(stage: TrainingStage) -> int:
    """Non-padding tokens read; of reinforcement those sampled, answers as long as they may be."""
    recipe = stage.recipe
    if isinstance(recipe, RlRecipe):
        return recipe.steps * _answers(recipe) * recipe.max_new_tokens
    return recipe.steps * recipe.tokens_per_step


def evaluated_items(stage: EvaluateStage) -> int:
    """Items asked in all questions of the stage."""
    return sum(_items(stage, each) for each in stage.questions)


def _learning(stage: TrainingStage, updates: float, tokens: float) -> Work:
    """6N per token with all weights trained, 4N with the base frozen (Kaplan 2020, section 2.1)."""
    learnt = 6 if stage.lora.rank == 0 else 4
    return Work(
        updates=updates * layers(stage.base) * (1.0 if stage.lora.rank == 0 else ADAPTERS_CALL),
        learnt_tokens=tokens,
        flop=learnt * stage.base.n_params * tokens,
    )


def _decoding(base: Base, answers: int, batches: int, prompt: float, answer: float) -> Work:
    """2N per token read or chosen."""
    tokens = answers * (prompt + answer)
    return Work(
        choices=batches * answer * layers(base),
        decoded_tokens=tokens,
        flop=2 * base.n_params * tokens,
    )


def _reinforcing(stage: RlStage) -> Work:
    """Answers are sampled, judged by the parent too where the recipe says so, and learnt from."""
    recipe, formats = stage.recipe, stage.source.formats
    split = stage.source.split
    lengths = [execution_tokens(stage.corpus, split, each) for each in formats]
    prompt = sum(each for each, _ in lengths) / len(lengths)
    answer = min(sum(each for _, each in lengths) / len(lengths) + 1, recipe.max_new_tokens)
    answers, steps = _answers(recipe), recipe.steps
    updates = steps * recipe.updates_per_batch
    tokens = answers * (prompt + answer)
    judged = 2 * stage.base.n_params * tokens * steps if recipe.kl else 0.0
    return (
        _decoding(stage.base, answers * steps, 0, prompt, answer)
        + Work(choices=steps * recipe.max_new_tokens * layers(stage.base), flop=judged)
        + _learning(stage, updates, updates * tokens)
    )


def _answers(recipe: RlRecipe) -> int:
    return recipe.prompts_per_step * recipe.group_size


def _question(stage: EvaluateStage, question: AnyQuestion) -> Work:
    items = _items(stage, question)
    batches = math.ceil(items / stage.batch_size)
    if isinstance(question, Question):
        prompt, answer = execution_tokens(stage.corpus, question.split, question.response_format)
        prompt += instruction_tokens(stage.corpus, question.split) if question.in_context else 0
    else:
        prompt, answer = 0.0, instruction_tokens(stage.corpus, question.split)
    return _decoding(stage.base, items, batches, prompt, min(answer + 1, stage.max_new_tokens))


def _items(stage: EvaluateStage, question: AnyQuestion) -> int:
    corpus = stage.corpus
    sizes = {
        "acquisition": corpus.acquisition,
        "validation": corpus.validation,
        "target": corpus.targets,
    }
    programs = min(question.programs or sizes[question.split], sizes[question.split])
    each = corpus.items_per_program if isinstance(question, Question) else question.templates
    return programs * each


def layers(base: Base) -> float:
    """About how many a Llama of its size has: 12 width^2 parameters each, width / 32 of them."""
    return width(base) / 32


def width(base: Base) -> float:
    """About that of a Llama of its size; see `layers`."""
    return float((2.7 * base.n_params) ** (1 / 3))


@lru_cache(maxsize=256)
def execution_tokens(
    config: CorpusConfig, split: Split, response_format: ResponseFormat
) -> tuple[float, float]:
    """Mean tokens of a prompt and of its right answer; see `tokens`."""
    corpus, told = build_corpus(config), Told(config.representation)
    domain, template = corpus.domain, corpus.domain.templates.execution[0]
    prompts, answers = [], []
    for program in corpus.split(split)[:SAMPLED_PROGRAMS]:
        case = program.draft.cases[program.items[0]]
        prompts.append(execution_prompt(domain, program, case, response_format, told, template))
        answers.append(execution_completion(domain, program, case, response_format, told))
    return _mean(prompts), _mean(answers)


@lru_cache(maxsize=256)
def instruction_tokens(config: CorpusConfig, split: Split) -> float:
    """Mean tokens of a declaration; see `tokens`."""
    corpus, told = build_corpus(config), Told(config.representation)
    domain, template = corpus.domain, corpus.domain.templates.declaration[0]
    texts = []
    for program in corpus.split(split)[:SAMPLED_PROGRAMS]:
        texts.append("".join(declaration(domain, program.name, program.draft, told, template)))
    return _mean(texts)


def tokens(text: str) -> int:
    """About how many a tokenizer makes of it: words, numbers, signs and ends of line."""
    return len(_TOKEN.findall(text))


def _mean(texts: list[str]) -> float:
    return sum(map(tokens, texts)) / len(texts)

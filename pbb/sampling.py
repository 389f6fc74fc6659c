"""A stage's mixture -> its steps' documents. Pure functions of (stage, corpus)."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from typing import TypeVar

import numpy as np

from pbb.config import (
    Component,
    Declarations,
    Executions,
    InContext,
    PlaceboDeclarations,
    Source,
    TrainStage,
)
from pbb.corpus import Corpus, Program
from pbb.documents import (
    Document,
    declaration_completion,
    declaration_prompt,
    execution_completion,
    execution_prompt,
)
from pbb.seeds import stream
from pbb.templates import STUDY

T = TypeVar("T")


def step_documents(
    stage: TrainStage,
    corpus: Corpus,
    encode: Callable[[Document], T],
    length: Callable[[T], int],
) -> Iterator[list[T]]:
    """Encoded documents of each step, for `stage.recipe.steps` steps.

    Step k ends where the stage's non-padding tokens reach k x tokens_per_step, so two arms of a
    comparison differ by less than one document in all. The component furthest below its share of
    tokens goes next, so shares are of tokens and hold at every moment.
    """
    streams = [
        component_documents(component, corpus, stage, i)
        for i, component in enumerate(stage.mixture)
    ]
    shares = np.array([component.share for component in stage.mixture])
    used = np.zeros(len(shares))
    for step in range(1, stage.recipe.steps + 1):
        batch: list[T] = []
        while used.sum() < step * stage.recipe.tokens_per_step:
            neediest = int(np.argmax(shares * (used.sum() + 1) - used))
            encoded = encode(next(streams[neediest]))
            used[neediest] += length(encoded)
            batch.append(encoded)
        yield batch


def component_documents(
    component: Component, corpus: Corpus, stage: TrainStage, index: int
) -> Iterator[Document]:
    """Endless documents of one component; each pass over its cases is shuffled afresh."""
    rng = stream("order", stage.seed, stage.role, index)
    for document in source_documents(component.source, corpus, stage.seed, rng):
        yield replace(document, replay=True) if component.replay else document


def source_documents(
    source: Source, corpus: Corpus, seed: int, rng: np.random.Generator
) -> Iterator[Document]:
    """Endless documents of a source. Templates are drawn per document, from the study's number."""
    match source:
        case Declarations(split=split):
            pairs = [(p, p) for p in corpus.split(split)]
            return _declarations(pairs, "declaration", corpus, rng)
        case PlaceboDeclarations(split=split):
            pairs = deranged(corpus.split(split), corpus.config.data_seed, seed)
            return _declarations(pairs, "placebo", corpus, rng)
        case Executions(split=split, demonstrations=n):
            cases = [
                (program, x)
                for program in corpus.split(split)
                for x in demonstration_inputs(program, corpus.config.data_seed, seed)[:n]
            ]
            return _executions(cases, source, corpus, rng)
        case InContext(split=split):
            cases = [(p, x) for p in corpus.split(split) for x in p.free]
            return _executions(cases, source, corpus, rng)


def demonstration_inputs(program: Program, data_seed: int, seed: int) -> list[int]:
    """Inputs free of items in this seed's order: the demonstrations of n are its first n.

    Paths take turns, so few demonstrations already show different branches.
    """
    rng = stream("demonstrations", data_seed, seed, program.name)
    by_path: dict[tuple[bool, ...], list[int]] = {}
    for x in rng.permutation(np.array(program.free)):
        by_path.setdefault(program.executions[x].path, []).append(int(x))
    rounds = itertools.zip_longest(*by_path.values())
    return [x for turn in rounds for x in turn if x is not None]


def deranged(
    programs: Sequence[Program], data_seed: int, seed: int
) -> list[tuple[Program, Program]]:
    """(pointer, instruction) pairs in which no program keeps its own: a shuffled single cycle."""
    order = stream("placebo", data_seed, seed).permutation(len(programs))
    return [(programs[a], programs[b]) for a, b in zip(order, np.roll(order, 1), strict=True)]


def _epochs(cases: Sequence[T], rng: np.random.Generator) -> Iterator[T]:
    while True:
        for i in rng.permutation(len(cases)):
            yield cases[i]


def _template(templates: Sequence[str], corpus: Corpus, rng: np.random.Generator) -> str:
    return templates[int(rng.integers(corpus.config.templates))]


def _declarations(
    pairs: Sequence[tuple[Program, Program]],
    kind: str,
    corpus: Corpus,
    rng: np.random.Generator,
) -> Iterator[Document]:
    for pointer, instruction in _epochs(pairs, rng):
        yield Document(
            prompt=declaration_prompt(_template(STUDY.declaration, corpus, rng), pointer.name),
            completion=declaration_completion(instruction.body),
            kind="placebo" if kind == "placebo" else "declaration",
            split=pointer.split,
            program=pointer.name,
        )


def _executions(
    cases: Sequence[tuple[Program, int]],
    source: Executions | InContext,
    corpus: Corpus,
    rng: np.random.Generator,
) -> Iterator[Document]:
    formats = itertools.cycle(source.formats)
    shown = isinstance(source, InContext)
    for program, x in _epochs(cases, rng):
        response_format = next(formats)
        prompt = execution_prompt(
            _template(STUDY.execution, corpus, rng), program.name, x, response_format
        )
        if shown:
            prompt = (
                f"{instruction_text(program, _template(STUDY.declaration, corpus, rng))}\n{prompt}"
            )
        yield Document(
            prompt=prompt,
            completion=execution_completion(program.body, program.executions[x], response_format),
            kind="in_context" if shown else "execution",
            split=program.split,
            program=program.name,
            input=x,
            response_format=response_format,
        )


def instruction_text(program: Program, template: str) -> str:
    """The instruction as shown in a prompt."""
    return declaration_prompt(template, program.name) + declaration_completion(program.body)

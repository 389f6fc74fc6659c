"""A stage's mixture -> its steps' documents. Pure functions of (stage, corpus)."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Collection, Iterator, Sequence
from dataclasses import replace
from typing import Literal, TypeVar

import numpy as np

from pbb.config import (
    Component,
    Compositions,
    Declarations,
    Executions,
    InContext,
    PlaceboDeclarations,
    Source,
    TrainStage,
)
from pbb.corpus import Corpus, compositions
from pbb.documents import (
    Document,
    Told,
    declaration,
    execution_completion,
    execution_prompt,
    told_apart,
)
from pbb.domains.domain import Domain, Program
from pbb.seeds import stream

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
    """Endless documents of a source. Templates and phrasings are drawn per document."""
    match source:
        case Declarations(split=split):
            pairs = [(p, p) for p in corpus.split(split)]
            return _declarations(pairs, "declaration", corpus, rng)
        case PlaceboDeclarations(split=split):
            pairs = deranged(corpus.split(split), corpus.config.data_seed, seed)
            return _declarations(pairs, "placebo", corpus, rng)
        case Executions(split=split, demonstrations=n, skew=skew):
            cases = [
                (program, i)
                for program in corpus.split(split)
                for i in demonstration_inputs(program, corpus.config.data_seed, seed, skew, n)
            ]
            return _executions(cases, source, corpus, rng)
        case Compositions(split=split):
            composed = compositions(corpus.config, split)
            cases = [(p, i) for p in composed for i in p.free]
            return _executions(cases, source, corpus, rng)
        case InContext(split=split):
            cases = [(p, i) for p in corpus.split(split) for i in p.free]
            return _executions(cases, source, corpus, rng)


class SkewUnavailable(ValueError):
    """A program has too few inputs on one path for the skew that was asked for."""


def demonstration_inputs(
    program: Program, data_seed: int, seed: int, skew: float = 0.0, count: int | None = None
) -> list[int]:
    """Cases free of items in this seed's order: the demonstrations of n are its first n.

    Paths take turns, so few demonstrations already show different branches. With a skew, that share
    of them takes the program's one preferred path, and the others take turns for the rest. count:
    how many are wanted; null = all there are. Raises SkewUnavailable.
    """
    rng = stream("demonstrations", data_seed, seed, program.name)
    by_path: dict[str, list[int]] = {}
    for i in rng.permutation(np.array(program.free)):
        by_path.setdefault(program.draft.cases[i].path, []).append(int(i))
    if skew == 0:
        return _in_turn(by_path.values())[:count]
    wanted = len(program.free) if count is None else count
    preferred = by_path.pop(preferred_path(program, data_seed))
    others = _in_turn(by_path.values())
    chosen: list[int] = []
    for takes in rng.random(wanted) < skew:
        waiting = preferred if takes else others
        if not waiting:
            raise SkewUnavailable(
                f"skew={skew}: program {program.name} has too few inputs on "
                f"{'its preferred path' if takes else 'other paths'} for {wanted} demonstrations; "
                "raise domain.inputs, or lower demonstrations"
            )
        chosen.append(waiting.pop(0))
    return chosen


def preferred_path(program: Program, data_seed: int) -> str:
    """The path that skewed demonstrations of a program mostly take; the same for every seed."""
    paths = sorted({program.draft.cases[i].path for i in program.free})
    return paths[int(stream("skew", data_seed, program.name).integers(len(paths)))]


def _in_turn(groups: Collection[list[int]]) -> list[int]:
    rounds = itertools.zip_longest(*groups)
    return [i for turn in rounds for i in turn if i is not None]


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


def _pick(choices: Sequence[str], corpus: Corpus, rng: np.random.Generator) -> str:
    return choices[int(rng.integers(corpus.config.templates))]


def _told(corpus: Corpus, rng: np.random.Generator) -> Told:
    representation = corpus.config.representation
    return Told(representation, int(rng.integers(corpus.domain.phrasings[representation])))


def _declarations(
    pairs: Sequence[tuple[Program, Program]],
    kind: Literal["declaration", "placebo"],
    corpus: Corpus,
    rng: np.random.Generator,
) -> Iterator[Document]:
    domain = corpus.domain
    for pointer, instruction in _epochs(pairs, rng):
        template = _pick(domain.templates.declaration, corpus, rng)
        prompt, completion = declaration(
            domain, pointer.name, instruction.draft, _told(corpus, rng), template
        )
        yield Document(prompt, completion, kind, pointer.split, pointer.name)


def _executions(
    cases: Sequence[tuple[Program, int]],
    source: Executions | Compositions | InContext,
    corpus: Corpus,
    rng: np.random.Generator,
) -> Iterator[Document]:
    domain = corpus.domain
    formats = itertools.cycle(source.formats)
    shown = isinstance(source, InContext)
    for program, i in _epochs(cases, rng):
        case, response_format, told = program.draft.cases[i], next(formats), _told(corpus, rng)
        template = _pick(domain.templates.execution, corpus, rng)
        prompt = execution_prompt(domain, program, case, response_format, told, template)
        if shown:
            template = _pick(domain.templates.declaration, corpus, rng)
            prompt = f"{instruction_text(domain, program, told, template)}\n{prompt}"
        yield Document(
            prompt=prompt,
            completion=execution_completion(domain, program, case, response_format, told),
            kind="in_context" if shown else "execution",
            split=program.split,
            program=program.name,
            input=i,
            response_format=response_format,
        )


def instruction_text(domain: Domain, program: Program, told: Told, template: str) -> str:
    """The instruction as shown in a prompt; of a composed program, those of its parts."""
    return "\n".join(
        "".join(declaration(domain, part.name, part.draft, told, template))
        for part in told_apart(program)
    )

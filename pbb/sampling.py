"""A stage's mixture -> its steps' documents. Pure functions of (stage, corpus)."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Collection, Iterator, Sequence
from typing import Final, Literal, TypeVar

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
from pbb.corpus import Corpus, composed_cases
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

DRAWN_AT_ONCE: Final = 256


def step_documents(
    stage: TrainStage,
    corpus: Corpus,
    encode: Callable[[Iterator[Document]], Iterator[T]],
    length: Callable[[T], int],
) -> Iterator[list[T]]:
    """Encoded documents of each step, for `stage.recipe.steps` steps.

    encode: of a stream of documents, which it may read ahead; length: an encoded one's tokens.

    Step k ends where the stage's non-padding tokens reach k x tokens_per_step, so two arms of a
    comparison differ by less than one document in all. The component furthest below its share of
    tokens goes next, so shares are of tokens and hold at every moment.
    """
    streams = [
        encode(component_documents(component, corpus, stage, i))
        for i, component in enumerate(stage.mixture)
    ]
    shares = [component.share for component in stage.mixture]
    used, total = [0] * len(shares), 0
    for step in range(1, stage.recipe.steps + 1):
        batch: list[T] = []
        while total < step * stage.recipe.tokens_per_step:
            lacks = [share * (total + 1) - u for share, u in zip(shares, used, strict=True)]
            neediest = lacks.index(max(lacks))
            encoded = next(streams[neediest])
            tokens = length(encoded)
            used[neediest] += tokens
            total += tokens
            batch.append(encoded)
        yield batch


def component_documents(
    component: Component, corpus: Corpus, stage: TrainStage, index: int
) -> Iterator[Document]:
    """Endless documents of one component; each pass over its cases is shuffled afresh."""
    rng = stream("order", stage.seed, stage.role, index)
    return source_documents(component.source, corpus, stage.seed, rng, replay=component.replay)


def source_documents(
    source: Source, corpus: Corpus, seed: int, rng: np.random.Generator, *, replay: bool = False
) -> Iterator[Document]:
    """Endless documents of a source. Templates and phrasings are drawn per document.

    Raises NoFreeCase, TooFewPrograms.
    """
    match source:
        case Declarations(split=split):
            pairs = [(p, p) for p in corpus.split(split)]
            return _declarations(pairs, "declaration", corpus, rng, replay)
        case PlaceboDeclarations(split=split):
            pairs = deranged(corpus.split(split), corpus.config.data_seed, seed)
            return _declarations(pairs, "placebo", corpus, rng, replay)
        case Executions(split=split, demonstrations=n, skew=skew):
            cases = [
                (program, i)
                for program in corpus.split(split)
                for i in demonstration_inputs(program, corpus.config.data_seed, seed, skew, n)
            ]
            return _executions(cases, source, corpus, rng, replay)
        case Compositions(split=split):
            return _executions(composed_cases(corpus.config, split), source, corpus, rng, replay)
        case InContext(split=split):
            cases = [(p, i) for p in corpus.split(split) for i in p.free]
            return _executions(cases, source, corpus, rng, replay)


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
        for i in rng.permutation(len(cases)).tolist():
            yield cases[i]


def _picks(choices: Sequence[T], rng: np.random.Generator) -> Iterator[T]:
    """Endless uniform draws, by the block: one at a time they would cost more than a document."""
    while True:
        for i in rng.integers(len(choices), size=DRAWN_AT_ONCE).tolist():
            yield choices[i]


def _tellings(corpus: Corpus) -> list[Told]:
    """Every way in which an instruction of this corpus may be worded."""
    representation = corpus.config.representation
    return [Told(representation, i) for i in range(corpus.domain.phrasings[representation])]


def _declarations(
    pairs: Sequence[tuple[Program, Program]],
    kind: Literal["declaration", "placebo"],
    corpus: Corpus,
    rng: np.random.Generator,
    replay: bool,
) -> Iterator[Document]:
    domain = corpus.domain
    templates = _picks(domain.templates.declaration[: corpus.config.templates], rng)
    tellings = _picks(_tellings(corpus), rng)
    for pointer, instruction in _epochs(pairs, rng):
        prompt, completion = declaration(
            domain, pointer.name, instruction.draft, next(tellings), next(templates)
        )
        yield Document(prompt, completion, kind, pointer.split, pointer.name, replay=replay)


def _executions(
    cases: Sequence[tuple[Program, int]],
    source: Executions | Compositions | InContext,
    corpus: Corpus,
    rng: np.random.Generator,
    replay: bool,
) -> Iterator[Document]:
    domain, shown = corpus.domain, isinstance(source, InContext)
    most = corpus.config.templates
    templates = _picks(domain.templates.execution[:most], rng)
    declared = _picks(domain.templates.declaration[:most], rng)
    tellings = _picks(_tellings(corpus), rng)
    formats = itertools.cycle(source.formats)
    for program, i in _epochs(cases, rng):
        case, response_format, told = program.draft.cases[i], next(formats), next(tellings)
        prompt = execution_prompt(domain, program, case, response_format, told, next(templates))
        if shown:
            prompt = f"{instruction_text(domain, program, told, next(declared))}\n{prompt}"
        yield Document(
            prompt=prompt,
            completion=execution_completion(domain, program, case, response_format, told),
            kind="in_context" if shown else "execution",
            split=program.split,
            program=program.name,
            input=i,
            response_format=response_format,
            replay=replay,
        )


def instruction_text(domain: Domain, program: Program, told: Told, template: str) -> str:
    """The instruction as shown in a prompt; of a composed program, those of its parts."""
    return "\n".join(
        "".join(declaration(domain, part.name, part.draft, told, template))
        for part in told_apart(program)
    )

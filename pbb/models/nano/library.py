"""What the nano bases read in pretraining: an LLM's pretraining in miniature.

Executions of ever-new programs shown in context, and a library of functions seen both as
definitions and as uses. Names, pointer templates and meanings are the library's own: no study
shares one (names by `is_library_name`, meanings by the hashes that ship beside this file).
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Final

import numpy as np

from pbb.config import ArithmeticConfig, CorpusConfig, ResponseFormat
from pbb.corpus import distinct_bodies
from pbb.documents import (
    Document,
    declaration_completion,
    declaration_prompt,
    execution_completion,
    execution_prompt,
)
from pbb.domains.arithmetic import Body, propose
from pbb.domains.names import fresh_names
from pbb.seeds import stream
from pbb.templates import LIBRARY

PRETRAIN_SEED: Final = 20260
FORMATS: Final[tuple[ResponseFormat, ...]] = ("direct", "cot", "recite")
INPUTS: Final = 32
VALUE_MAX: Final = 59
USES_SHOWN: Final = 3
"""Executions that follow one definition in a document read in context."""
PASSING_SHAPES: Final = (
    (1, 1, 0.0),
    (2, 1, 0.1),
    (3, 1, 0.1),
    (1, 2, 0.0),
    (2, 2, 0.0),
    (2, 2, 0.1),
    (1, 3, 0.0),
    (2, 3, 0.0),
    (2, 4, 0.0),
)
LIBRARY_SHAPES: Final = (
    (3, 1, 0.1),
    (1, 2, 0.0),
    (2, 2, 0.0),
    (2, 2, 0.0),
    (2, 3, 0.0),
    (2, 4, 0.0),
)
"""(steps, paths, loops) of the programs read, in equal parts."""


@dataclass(frozen=True)
class Named:
    """A library function."""

    name: str
    body: Body


@dataclass(frozen=True)
class Reading:
    """Everything that pretraining draws from.

    library: functions named for good; passing: programs named afresh each time; unseen: as passing,
    but kept for the model card.
    """

    library: tuple[Named, ...]
    passing: tuple[Body, ...]
    unseen: tuple[Body, ...]
    names: tuple[str, ...]


def build_reading(library: int, passing: int, unseen: int = 300) -> Reading:
    """The library (distinct meanings) and a pool of passing programs, from the committed seed."""
    names = fresh_names(stream("library-names", PRETRAIN_SEED), library=True)
    distinct = _distinct(stream("library", PRETRAIN_SEED))
    kept = [Named(next(names), body) for body in itertools.islice(distinct, library)]
    others = list(itertools.islice(_in_turn(stream("passing", PRETRAIN_SEED)), passing))
    known = {body.answers for body in others} | {named.body.answers for named in kept}
    fresh = (b for b in _in_turn(stream("unseen", PRETRAIN_SEED)) if b.answers not in known)
    return Reading(
        tuple(kept),
        tuple(others),
        tuple(itertools.islice(fresh, unseen)),
        tuple(itertools.islice(names, 20_000)),
    )


def _distinct(rng: np.random.Generator) -> Iterator[Body]:
    sources = [distinct_bodies(_shape(*shape), rng, ()) for shape in LIBRARY_SHAPES]
    seen: set[tuple[int, ...]] = set()
    for body in itertools.chain.from_iterable(zip(*sources, strict=True)):
        if body.answers not in seen:
            seen.add(body.answers)
            yield body


def _in_turn(rng: np.random.Generator) -> Iterator[Body]:
    for shape in itertools.cycle(PASSING_SHAPES):
        body = propose(_shape(*shape).domain, rng)
        if body is not None:
            yield body


def _shape(steps: int, paths: int, loops: float) -> CorpusConfig:
    domain = ArithmeticConfig(
        steps=steps, paths=paths, loops=loops, inputs=INPUTS, value_max=VALUE_MAX
    )
    return CorpusConfig(domain=domain, data_seed=0)


@dataclass(frozen=True)
class Diet:
    """Shares of documents: the rest is executions in context. `uses` by format."""

    definitions: float
    uses: float
    use_odds: tuple[float, float, float] = (0.15, 0.4, 0.45)


def step_reading(reading: Reading, diet: Diet, step: int, count: int) -> list[Document]:
    """`count` documents of one step; a pure function of its arguments."""
    rng = stream("pretrain", PRETRAIN_SEED, step)
    return [_document(reading, diet, rng) for _ in range(count)]


def _document(reading: Reading, diet: Diet, rng: np.random.Generator) -> Document:
    draw = rng.random()
    if draw < diet.definitions:
        named = reading.library[int(rng.integers(len(reading.library)))]
        return _definition(named, rng)
    response_format = FORMATS[int(rng.choice(3, p=diet.use_odds))]
    if draw < diet.definitions + diet.uses:
        named = reading.library[int(rng.integers(len(reading.library)))]
        return execution(named, int(rng.integers(INPUTS)), response_format, rng)
    body = reading.passing[int(rng.integers(len(reading.passing)))]
    named = Named(reading.names[int(rng.integers(len(reading.names)))], body)
    return _in_context_several(named, response_format, rng)


def _in_context_several(
    named: Named, response_format: ResponseFormat, rng: np.random.Generator
) -> Document:
    """A definition and several uses of it; all after the first question carries loss."""
    inputs = rng.choice(INPUTS, size=USES_SHOWN, replace=False)
    first = in_context(named, int(inputs[0]), response_format, rng)
    completion = first.completion
    for x in inputs[1:]:
        also = execution(named, int(x), FORMATS[int(rng.integers(2))], rng)
        completion += f"\n{also.prompt}{also.completion}"
    return replace(first, completion=completion)


def _pick(templates: Sequence[str], rng: np.random.Generator) -> str:
    return templates[int(rng.integers(len(templates)))]


def _definition(named: Named, rng: np.random.Generator) -> Document:
    return Document(
        declaration_prompt(_pick(LIBRARY.declaration, rng), named.name),
        declaration_completion(named.body.source),
        "declaration",
        "acquisition",
        named.name,
    )


def execution(
    named: Named, x: int, response_format: ResponseFormat, rng: np.random.Generator
) -> Document:
    """A use of a library function."""
    return Document(
        execution_prompt(_pick(LIBRARY.execution, rng), named.name, x, response_format),
        execution_completion(named.body.source, named.body.executions[x], response_format),
        "execution",
        "acquisition",
        named.name,
        x,
        response_format,
    )


def in_context(
    named: Named, x: int, response_format: ResponseFormat, rng: np.random.Generator
) -> Document:
    """A use with the definition before it."""
    shown = _definition(named, rng)
    use = execution(named, x, response_format, rng)
    prompt = f"{shown.prompt}{shown.completion}\n{use.prompt}"
    return Document(
        prompt, use.completion, "in_context", "acquisition", named.name, x, response_format
    )

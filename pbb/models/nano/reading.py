"""What the nano bases read in pretraining: an LLM's pretraining in miniature.

Executions of ever-new programs shown in context, and a library of programs seen both as definitions
and as uses, in code and in prose. The reading comes in numbered parts; a part depends on its number
alone.
"""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Final, Literal, TypeVar

import numpy as np

from pbb.documents import Told, declaration, execution_completion, execution_prompt
from pbb.domains.domain import Case, Domain, Program, Representation, ResponseFormat
from pbb.domains.grammars import Grammars
from pbb.models.nano.courses import Course, courses
from pbb.models.nano.library import (
    PRETRAIN_SEED,
    Named,
    build_library,
    named,
    passing,
    passing_names,
)
from pbb.seeds import stream
from pbb.templates import LIBRARY

T = TypeVar("T")

Kind = Literal["context", "library", "grammars"]
"""grammars: in context, and of grammars alone."""
PROGRAMS: Final = 800
"""New programs of a part that is read in context."""
DOCUMENTS: Final[dict[Kind, int]] = {"context": 10_000, "library": 20_000, "grammars": 10_000}
"""Documents of a part."""
FORMAT_ODDS: Final[dict[ResponseFormat, float]] = {"direct": 0.1, "cot": 0.45, "recite": 0.45}
PROSE_SHARE: Final = 0.4
COMPOSED_SHARE: Final = 0.25
"""Of the documents of a domain that composes."""
DEFINITION_SHARE: Final = 0.4
"""Of the library's documents; the others are uses."""
USES: Final = (3, 6)
"""Uses that follow one definition in a document read in context; all sentences of a grammar do."""


@dataclass(frozen=True)
class Passage:
    """A document as it is read: texts in order, and whether each carries loss."""

    texts: tuple[tuple[str, bool], ...]


def read_part(kind: Kind, part: int) -> list[Passage]:
    """The documents of a numbered part, in order."""
    rng = stream("pretrain", PRETRAIN_SEED, kind, part)
    if kind == "library":
        library = build_library()
        return [_of_library(library, rng) for _ in range(DOCUMENTS[kind])]
    read = [each for each in courses() if kind == "context" or isinstance(each.domain, Grammars)]
    shares = np.array([course.share for course in read])
    shares /= shares.sum()
    pools = [_pool(*each, part) for each in zip(read, shares, strict=True)]
    picks = rng.choice(len(pools), p=shares, size=DOCUMENTS[kind])
    return [_in_context(pools[i], rng) for i in picks]


def _pool(course: Course, share: float, part: int) -> list[Named]:
    count = max(2, round(PROGRAMS * share))
    drafts = itertools.islice(passing(course, "passing", part), count)
    return [named(course.domain, "", draft) for draft in drafts]


def _pick(options: Sequence[T], rng: np.random.Generator) -> T:
    return options[int(rng.integers(len(options)))]


def draw_told(domain: Domain, rng: np.random.Generator) -> Told:
    """A representation, and one of its phrasings."""
    prose = "prose" in domain.phrasings and rng.random() < PROSE_SHARE
    return phrased(domain, "prose" if prose else "code", rng)


def phrased(domain: Domain, representation: Representation, rng: np.random.Generator) -> Told:
    """One of the representation's phrasings."""
    return Told(representation, int(rng.integers(domain.phrasings[representation])))


def _format(domain: Domain, rng: np.random.Generator, *, short: bool = False) -> ResponseFormat:
    """short: without reciting."""
    formats = [each for each in domain.formats if not (short and each == "recite")]
    odds = np.array([FORMAT_ODDS[each] for each in formats])
    return formats[int(rng.choice(len(odds), p=odds / odds.sum()))]


def _of_library(library: Sequence[Named], rng: np.random.Generator) -> Passage:
    item = _pick(library, rng)
    told = draw_told(item.domain, rng)
    if rng.random() < DEFINITION_SHARE:
        prompt, completion = definition(item, told, rng)
        return Passage(((prompt, False), (completion, True)))
    if not item.domain.sampled and rng.random() < COMPOSED_SHARE:
        others = [each for each in (_pick(library, rng),) if each.domain is item.domain]
        item = composed(item, others[0]) or item if others else item
    case = _pick(item.program.draft.cases, rng)
    prompt, completion = use(item, case, _format(item.domain, rng), told, rng)
    return Passage(((prompt, False), (completion, True)))


def _in_context(pool: Sequence[Named], rng: np.random.Generator) -> Passage:
    """Definitions and several uses; every answer carries loss."""
    item = _renamed(_pick(pool, rng), rng)
    told = draw_told(item.domain, rng)
    if not item.domain.sampled and rng.random() < COMPOSED_SHARE:
        item = composed(item, _renamed(_pick(pool, rng), rng)) or item
    texts = [(shown(item, told, rng), False)]
    cases = item.program.draft.cases
    low, high = (len(cases), len(cases)) if item.domain.sampled else USES
    uses = min(int(rng.integers(low, high + 1)), len(cases))
    for nth, i in enumerate(rng.choice(len(cases), size=uses, replace=False)):
        response_format = _format(item.domain, rng, short=nth > 0)
        prompt, completion = use(item, cases[int(i)], response_format, told, rng)
        texts += [(f"\n{prompt}", False), (completion, True)]
    return Passage(tuple(texts))


def _renamed(item: Named, rng: np.random.Generator) -> Named:
    return Named(item.domain, replace(item.program, name=_pick(passing_names(), rng)))


def composed(outer: Named, inner: Named) -> Named | None:
    """One program applied to what another gives; null where they do not fit or are one."""
    if outer.program.draft is inner.program.draft:
        return None
    draft = outer.domain.compose(outer.program.draft, inner.program.draft)
    if draft is None:
        return None
    parts = (outer.program, inner.program)
    return Named(outer.domain, Program("", "composed", draft, (), (), parts))


def definition(item: Named, told: Told, rng: np.random.Generator) -> tuple[str, str]:
    """Prompt and completion of one program's definition, under a template of the library's own."""
    program = item.program
    template = _pick(LIBRARY.declaration, rng)
    return declaration(item.domain, program.name, program.draft, told, template)


def shown(item: Named, told: Told, rng: np.random.Generator) -> str:
    """The definitions that it takes to execute a program, in any order."""
    parts = item.program.parts or (item.program,)
    texts = [
        "".join(definition(Named(item.domain, parts[i]), told, rng))
        for i in rng.permutation(len(parts))
    ]
    return "\n".join(texts)


def use(
    item: Named, case: Case, response_format: ResponseFormat, told: Told, rng: np.random.Generator
) -> tuple[str, str]:
    """Prompt and completion of an execution, under a template of the library's own."""
    prompt = execution_prompt(
        item.domain, item.program, case, response_format, told, _pick(LIBRARY.execution, rng)
    )
    completion = execution_completion(item.domain, item.program, case, response_format, told)
    return prompt, completion

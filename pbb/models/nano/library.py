"""The programs that the nano bases read: a library named for good, and ever-new ones in passing.

Names, pointer templates and meanings of the library are its own: no study shares one (names by
`is_library_name`, meanings by the hashes that ship beside this file).
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from typing import Final

from pbb.corpus import distinct_drafts
from pbb.domains.domain import Domain, Draft, Program
from pbb.domains.names import fresh_names
from pbb.models.nano.courses import Course, courses
from pbb.seeds import stream

PRETRAIN_SEED: Final = 20260
NAMES: Final = 20_000
"""Names that programs in passing share."""
KEPT_BACK: Final = 8
"""One program in so many, by its meaning, is never read in passing: the model card asks for it."""


@dataclass(frozen=True)
class Named:
    """A program under a name, and the domain that tells it."""

    domain: Domain
    program: Program


def named(domain: Domain, name: str, draft: Draft) -> Named:
    """A program under a name. No case is held out, and none counts as a demonstration."""
    return Named(domain, Program(name, "acquisition", draft, (), ()))


@cache
def _names() -> tuple[str, ...]:
    sizes = sum(course.library for course in courses())
    found = fresh_names(stream("library-names", PRETRAIN_SEED), library=True)
    return tuple(itertools.islice(found, sizes + NAMES))


@cache
def passing_names() -> tuple[str, ...]:
    """Names for programs in passing; none is the library's."""
    return _names()[-NAMES:]


@cache
def build_library() -> tuple[Named, ...]:
    """The library, pairwise different in meaning, from the committed seed."""
    names = iter(_names())
    taken: set[str] = set()
    found: list[Named] = []
    for i, course in enumerate(courses()):
        drafts = distinct_drafts(course.domain, stream("library", PRETRAIN_SEED, i), taken)
        for draft in itertools.islice(drafts, course.library):
            taken.add(draft.meaning)
            found.append(named(course.domain, next(names), draft))
    return tuple(found)


def meanings() -> list[str]:
    """What studies may not hold: the library's meanings, sorted."""
    return sorted(each.program.draft.meaning for each in build_library())


def kept_back(draft: Draft) -> bool:
    """Whether a program is asked for in the model card, and so never read in passing."""
    return int(draft.meaning[:8], 16) % KEPT_BACK == 0


def passing(course: Course, key: str, part: int) -> Iterator[Draft]:
    """Programs of a course to be read in context in one part of the reading."""
    rng = stream(key, PRETRAIN_SEED, courses().index(course), part)
    drafts = (draft for draft in course.domain.drafts(rng) if draft is not None)
    return (draft for draft in drafts if not kept_back(draft))


def unseen(domain: Domain, key: int) -> Iterator[Draft]:
    """Programs that no base has read, in passing or in the library, pairwise different."""
    library = {each.program.draft.meaning for each in build_library()}
    drafts = distinct_drafts(domain, stream("unseen", PRETRAIN_SEED, key), library)
    return filter(kept_back, drafts)

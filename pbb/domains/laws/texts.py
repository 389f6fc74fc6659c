"""Laws of wording: templates, instructions in every representation and phrasing, calls, traces."""

from __future__ import annotations

import itertools
import string
from collections import Counter
from collections.abc import Iterator
from typing import Final, get_args

from pbb.domains.domain import CUE, Draft, Program, Representation, ResponseFormat, squeezed
from pbb.domains.laws.subject import Subject
from pbb.templates import LIBRARY

NAMES: Final = ("zibfilmab", "qogvuklem")
"""Two names that occur in no instruction by chance."""
TEMPLATES: Final = 20
SHORTEST_LINE: Final = 4
"""A line of fewer characters may stand in a trace by chance."""


def told(subject: Subject, draft: Draft, name: str) -> dict[tuple[Representation, int], str]:
    """Opening and instruction by (representation, phrasing)."""
    domain = subject.domain
    return {
        (way, phrasing): f"{domain.opening(draft, name, way)}\n"
        f"{domain.instruction(draft, name, way, phrasing)}"
        for way, count in domain.phrasings.items()
        for phrasing in range(count)
    }


def twenty_templates(subject: Subject) -> Iterator[str]:
    """Twenty templates of each kind, all different, with their one placeholder, none the library's.

    The bases' library has templates of its own, so that no base has seen a study's.
    """
    ours = subject.domain.templates
    for kind, placeholder, templates, library in (
        ("declaration", "name", ours.declaration, LIBRARY.declaration),
        ("execution", "call", ours.execution, LIBRARY.execution),
    ):
        different = len(set(map(squeezed, templates)))
        if len(templates) != TEMPLATES or different != TEMPLATES:
            yield (
                f"{len(templates)} {kind} templates, {different} of them different; write "
                f"{TEMPLATES} different ones"
            )
        for template in templates:
            fields = [field for _, field, _, _ in string.Formatter().parse(template)]
            if [field for field in fields if field is not None] != [placeholder]:
                yield f"{kind} template {template!r} must hold {{{placeholder}}} once, and no other"
            if template in library:
                yield f"{kind} template {template!r} is one that the bases were trained on"
            if "\n" in template or CUE.search(template):
                yield f"{kind} template {template!r} must be one line without the cue of answers"


def known_formats(subject: Subject) -> Iterator[str]:
    """Formats and representations are ours; `cot` needs a trace of every case."""
    domain = subject.domain
    if not domain.formats or set(domain.formats) - set(get_args(ResponseFormat)):
        yield f"formats are {domain.formats}; choose of {get_args(ResponseFormat)}"
    for way, count in domain.phrasings.items():
        if way not in get_args(Representation) or count < 1:
            yield f"representation {way!r} has {count} phrasings; one at least, of code or prose"
    if "cot" in domain.formats:
        bare = [p.name for p in subject.programs if not all(c.trace for c in p.draft.cases)]
        if bare:
            yield f"program {bare[0]} has cases without a trace; take 'cot' out of `formats`"


def clean_instructions(subject: Subject) -> Iterator[str]:
    """An opening is one line; an instruction is text that neither begins nor ends with a break."""
    domain = subject.domain
    for program in subject.programs:
        for way, count in domain.phrasings.items():
            opening = domain.opening(program.draft, program.name, way)
            if not opening.strip() or "\n" in opening:
                yield f"the {way} opening of {program.name} is {opening!r}; write one line"
            for phrasing in range(count):
                text = domain.instruction(program.draft, program.name, way, phrasing)
                if not text.strip() or text != text.strip("\r\n"):
                    yield f"{way} {phrasing} of {program.name} is empty or has outer line breaks"
                if CUE.search(f"{opening}\n{text}"):
                    yield (
                        f"{way} {phrasing} of {program.name} holds the cue of answers, so a "
                        f"recital is read as the answer: {text!r}"
                    )


def distinct_instructions(subject: Subject) -> Iterator[str]:
    """Different programs read differently, told in any one way; so do different ways of telling."""
    drafts = [program.draft for program in subject.programs]
    by_way: dict[tuple[Representation, int], list[str]] = {}
    for draft in drafts:
        for way, text in told(subject, draft, NAMES[0]).items():
            by_way.setdefault(way, []).append(text)
    for (representation, phrasing), texts in by_way.items():
        text, count = Counter(map(squeezed, texts)).most_common(1)[0]
        if count > 1:
            yield (
                f"{count} different programs read the same, told as {representation} {phrasing}: "
                f"{text!r}"
            )
    for one, other in itertools.combinations(by_way, 2):
        if by_way[one] == by_way[other]:
            yield f"{one[0]} {one[1]} and {other[0]} {other[1]} give the same texts; drop one"


def names_as_given(subject: Subject) -> Iterator[str]:
    """Renaming a program changes its name in the text, and nothing else."""
    first, second = NAMES
    for program in subject.programs:
        renamed = told(subject, program.draft, second)
        for way, text in told(subject, program.draft, first).items():
            if text.replace(first, second) != renamed[way]:
                yield (
                    f"{way[0]} {way[1]} of {program.name} changes with its name beyond the name: "
                    f"{text!r} against {renamed[way]!r}"
                )


def telling_calls(subject: Subject) -> Iterator[str]:
    """A call is one line that holds the names and tells the case apart from the others."""
    domain = subject.domain
    asked = (NAMES[:1], NAMES) if domain.composes else (NAMES[:1],)
    for program in subject.programs:
        for names in asked:
            calls = [domain.call(names, case) for case in program.draft.cases]
            wrong = [c for c in calls if "\n" in c or any(name not in c for name in names)]
            if wrong:
                yield f"call {wrong[0]!r} must be one line that holds {' and '.join(names)}"
            if not domain.sampled and len(set(calls)) < len(calls):
                yield f"program {program.name}: two cases are asked by one call; tell their inputs"


def traces_of_values(subject: Subject) -> Iterator[str]:
    """No trace holds a line of its program's instruction: it would teach what it should test."""
    for program in subject.programs:
        lines = dict.fromkeys(_lines(subject, program))
        for case in program.draft.cases:
            trace = squeezed(case.trace)
            for line in lines:
                if line in trace:
                    yield (
                        f"program {program.name}: the trace {case.trace!r} holds the line {line!r} "
                        "of its instruction; show the values that arose, and no source"
                    )


def _lines(subject: Subject, program: Program) -> Iterator[str]:
    for text in told(subject, program.draft, program.name).values():
        lines = map(squeezed, text.splitlines())
        yield from (line for line in lines if len(line) >= SHORTEST_LINE)

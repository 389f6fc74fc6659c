"""Laws of programs, splits, cases and items."""

from __future__ import annotations

import itertools
from collections import Counter
from collections.abc import Callable, Hashable, Iterable, Iterator, Mapping
from types import MappingProxyType
from typing import Final

from pbb.config import CorpusConfig
from pbb.corpus import build_corpus, library_meanings
from pbb.domains.domain import CUE, Case, Draft, Program, squeezed
from pbb.domains.laws.subject import Subject, with_acquisition
from pbb.domains.registry import domain_class, domain_of
from pbb.fair_items import MAX_SHARE_OF_ONE_ANSWER
from pbb.seeds import stream

PROPOSALS: Final = 24
ASPECTS: Final[Mapping[str, Callable[[Program], Hashable]]] = MappingProxyType(
    {
        "a name": lambda program: program.name,
        "a meaning": lambda program: program.draft.meaning,
        "all answers": lambda program: tuple(case.answer for case in program.draft.cases),
    }
)
"""What belongs to one program alone, of whatever split."""


def configuration(subject: Subject) -> Iterator[str]:
    """The configuration comes back from its JSON as it was, through the class of its kind."""
    config = subject.config
    back = CorpusConfig.model_validate_json(config.model_dump_json())
    if back != config or type(back.domain) is not type(config.domain):
        yield (
            f"configuration {config.domain!r} comes back from its JSON as {back.domain!r}; give "
            "every field a type that JSON keeps (numbers, texts, tuples)"
        )
    wanted = domain_class(config.domain.kind).Config
    if not isinstance(config.domain, wanted):
        yield (
            f"kind {config.domain.kind!r} leads to the configuration {wanted.__name__}, and this "
            f"is a {type(config.domain).__name__}; name the same kind in both"
        )


def disjoint_splits(subject: Subject) -> Iterator[str]:
    """No two programs of any split share name, meaning or answers, and none is in the library."""
    for aspect, of in ASPECTS.items():
        for value, count in Counter(map(of, subject.programs)).items():
            if count > 1:
                yield f"{count} programs share {aspect}, {value!r}; it must be of one alone"
    known = library_meanings()
    for program in subject.programs:
        if not program.draft.meaning:
            yield f"program {program.name} has an empty meaning; hash what it does"
        if program.draft.meaning in known:
            yield f"program {program.name} has a meaning that the shipped bases were trained on"


def steady_targets(subject: Subject) -> Iterator[str]:
    """Fewer acquisition programs, or another representation, leave all other programs alone."""
    made = build_corpus(subject.config)
    fewer = build_corpus(with_acquisition(subject.config, 1))
    if (fewer.target, fewer.validation) != (made.target, made.validation):
        yield (
            "targets change with the number of acquisition programs; `drafts` must depend on its "
            "`rng` alone, and propose one draft after the other"
        )
    if any(told.target != made.target for told in subject.corpora):
        yield "targets change with the representation; render it in `instruction`, not in `drafts`"


def meaning_of_behaviour(subject: Subject) -> Iterator[str]:
    """The same code has the same meaning, however many inputs a study asks for."""
    config = subject.config.domain
    meanings: dict[str, str] = {}
    for inputs in (config.inputs, config.inputs + 1):
        try:
            other = type(config).model_validate({**config.model_dump(), "inputs": inputs})
        except ValueError:  # a domain may bound its inputs
            continue
        for draft in _proposals(domain_of(other).drafts(stream("programs", 0))):
            if meanings.setdefault(draft.code, draft.meaning) != draft.meaning:
                yield (
                    f"one program has two meanings, {meanings[draft.code]!r} and "
                    f"{draft.meaning!r} with inputs={inputs}; hash its behaviour on fixed inputs "
                    f"(its code: {draft.code!r})"
                )


def _proposals(drafts: Iterable[Draft | None]) -> Iterator[Draft]:
    return (draft for draft in itertools.islice(drafts, PROPOSALS) if draft is not None)


def sound_cases(subject: Subject) -> Iterator[str]:
    """So many cases as configured; distinct; answers are single lines that hold no cue."""
    wanted, sampled = subject.config.domain.inputs, subject.domain.sampled
    for program in subject.programs:
        cases = program.draft.cases
        if len(cases) != wanted:
            yield f"program {program.name} has {len(cases)} cases; `inputs` asks for {wanted}"
        told = Counter(case.answer if sampled else case.input for case in cases)
        text, count = told.most_common(1)[0]
        if count > 1:
            aspect = "answer" if sampled else "input"
            yield f"program {program.name} has {count} cases with the {aspect} {text!r}; keep one"
        for case in cases:
            yield from (f"program {program.name}: {wrong}" for wrong in _unsound(case))


def _unsound(case: Case) -> Iterator[str]:
    for part, text in (("input", case.input), ("answer", case.answer)):
        if "\n" in text or text != text.strip():
            yield f"the {part} {text!r} is more than a bare line; write it on one, without margins"
    if not case.answer:
        yield f"the answer to {case.input!r} is empty; a model must have something to say"
    for part, text in (("answer", case.answer), ("trace", case.trace)):
        if CUE.search(text):
            yield f"the {part} {text!r} holds the cue of answers, so reading back finds it instead"


def fair_items(subject: Subject) -> Iterator[str]:
    """Items and free cases part the cases; paths are balanced; guessing does not pay."""
    for program in subject.programs:
        cases, items = program.draft.cases, program.items
        if sorted((*items, *program.free)) != list(range(len(cases))):
            yield f"program {program.name}: items {items} and free {program.free} part no cases"
        taken = Counter(cases[i].path for i in items)
        counts = [taken[path] for path in dict.fromkeys(case.path for case in cases)]
        if subject.domain.even_paths and max(counts) - min(counts) > 1:
            yield f"program {program.name}: its paths have {counts} items; they differ by over one"
        if {case.path for case in cases} - {cases[i].path for i in program.free}:
            yield f"program {program.name}: a path has no case left for demonstrations"
        most = MAX_SHARE_OF_ONE_ANSWER * len(items)
        answer, often = Counter(squeezed(cases[i].answer) for i in items).most_common(1)[0]
        copied = sum(cases[i].copied for i in items)
        if max(often, copied) > most:
            yield (
                f"program {program.name}: {answer!r} is right on {often} of {len(items)} items, a "
                f"copied input on {copied}; at most {most:g} may be"
            )

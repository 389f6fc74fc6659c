"""Laws of judging: the oracle agrees with the cases, chance is honest, composition holds."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from typing import Final

from pbb.domains.domain import Domain, Program, squeezed
from pbb.domains.laws.subject import Subject

WRONG: Final = ("", "?!", "\u2028\x00 \U0001f600", "(" * 400)
"""Texts that a model may say and that answer nothing."""
RESERVED: Final = ("execution", "chance")


def right_answers(subject: Subject) -> Iterator[str]:
    """Every item's own answer is correct, however blanks are set; so is any other case's.

    Where the domain is sampled, a free case's answer was shown in training, and is not correct.
    """
    domain = subject.domain
    for program in (*subject.programs, *subject.composed):
        for i, case in enumerate(program.draft.cases):
            wanted = not (domain.sampled and i in program.free)
            asked = program.items[0] if domain.sampled else i
            for said in _spaced(case.answer):
                if domain.correct(program, asked, said) != wanted:
                    yield (
                        f"program {program.name}, {case.input!r}: {said!r} is judged "
                        f"{'wrong' if wanted else 'right'}; the case's answer is {case.answer!r}"
                        + ("" if wanted else ", which training showed")
                        + "; compare texts `squeezed`, since tokenizers set blanks at will"
                    )


def _spaced(answer: str) -> tuple[str, ...]:
    bare = squeezed(answer)
    return answer, bare, " ".join(bare), f"  {answer} "


def wrong_answers(subject: Subject) -> Iterator[str]:
    """Nothing, nonsense and, unless sampled, the differing answer of another case are wrong."""
    domain = subject.domain
    for program in (*subject.programs, *subject.composed):
        cases = program.draft.cases
        others = () if domain.sampled else tuple(case.answer for case in cases)
        for i in program.items:
            own = squeezed(cases[i].answer)
            for said in (*WRONG, *others):
                if squeezed(said) != own and domain.correct(program, i, said):
                    yield (
                        f"program {program.name}, {cases[i].input!r}: {said!r} is judged right, "
                        f"though the answer is {cases[i].answer!r}"
                    )


def honest_chance(subject: Subject) -> Iterator[str]:
    """`chance` is a share, and the default is what guessing gets by trying every guess."""
    domain = subject.domain
    for program in (*subject.programs, *subject.composed):
        said = domain.chance(program)
        if not 0 <= said <= 1:
            yield f"program {program.name}: chance is {said}; it is a share, between 0 and 1"
        if _overrides(domain, Domain.chance):
            continue
        tried = _by_guessing(domain, program)
        if not math.isclose(said, tried):
            yield (
                f"program {program.name}: chance says {said:.3f}, and guessing gets {tried:.3f}; "
                "override `chance` where answers are judged otherwise than by their text"
            )


def _overrides(domain: Domain, method: Callable[..., object]) -> bool:
    return getattr(type(domain), method.__name__) is not method


def _by_guessing(domain: Domain, program: Program) -> float:
    """Share of items right by the best constant answer, or by a copy of the input."""
    cases = program.draft.cases
    guesses = {cases[i].answer for i in program.items}
    constant = max(
        sum(domain.correct(program, i, guess) for i in program.items) for guess in guesses
    )
    copied = sum(
        any(domain.correct(program, i, copy) for copy in cases[i].copies) for i in program.items
    )
    return max(constant, copied) / len(program.items)


def sound_measures(subject: Subject) -> Iterator[str]:
    """What `beside` adds has its own name and a finite score, whatever a model said."""
    for program in (*subject.programs, *subject.composed):
        right = [program.draft.cases[i].answer for i in program.items]
        for said in (right, [WRONG[i % len(WRONG)] for i in range(len(right))]):
            for found in subject.domain.beside(program, said):
                if found.measure in RESERVED or not found.measure:
                    yield f"a measure is named {found.measure!r}; choose another name"
                if not math.isfinite(found.score):
                    yield f"measure {found.measure!r} of {program.name} is {found.score}"
                if not 0 <= found.item < len(right):
                    yield f"measure {found.measure!r} is of item {found.item}, of {len(right)}"


def true_compositions(subject: Subject) -> Iterator[str]:
    """A composed case has an input of inner's, and the answer of outer on inner's answer."""
    for program in subject.composed:
        outer, inner = (part.draft for part in program.parts)
        first = {case.input: case for case in inner.cases}
        then = {squeezed(case.input): case.answer for case in outer.cases}
        for case in program.draft.cases:
            if case.input not in first:
                yield f"pair {program.name}: {case.input!r} is no input of its inner program"
                continue
            between = squeezed(subject.domain.passed(first[case.input]))
            if then.get(between, case.answer) != case.answer:
                yield (
                    f"pair {program.name}: {case.input!r} gives {between!r}, on which outer gives "
                    f"{then[between]!r}; `compose` says {case.answer!r}"
                )

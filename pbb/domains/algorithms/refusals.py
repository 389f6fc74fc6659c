"""Why a function cannot be used, in words that its author can act on; null where it can."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterator, Sequence
from dataclasses import replace
from typing import Final

from pbb.domains import python_prose
from pbb.domains.algorithms import source
from pbb.domains.algorithms.sandbox import Ran
from pbb.domains.domain import ANSWER_CUE, CUE, Case, squeezed

MAX_SHARE: Final = 0.2
"""No answer, and no copy of an argument, is right on more than this share of the cases."""


def lateness(ran: Sequence[Ran]) -> str | None:
    """Seconds ran out in a call, as they might not on another machine."""
    errors = (f"too slow: {each.error}" for each in ran if each.late)
    return next(errors, None)


def chance(calls: Sequence[str], one: Sequence[Ran], other: Sequence[Ran]) -> str | None:
    """Two processes do not agree on a call; only what an error says may differ."""
    for call, here, there in zip(calls, one, other, strict=True):
        if _told(here) != _told(there):
            what = "answers" if here.answer != there.answer else "traces"
            return f"not deterministic: two processes give different {what} for {call[:60]}"
    return None


def _told(ran: Ran) -> Ran:
    return replace(ran, error=ran.error and "an error")


def failure(ran: Sequence[Ran], inputs: int) -> str:
    """It works on too few inputs: how many, and the commonest error."""
    errors = Counter(each.error for each in ran if each.error is not None)
    works = len(ran) - errors.total()
    how = f"works on {works} of {len(ran)} inputs, {inputs} are wanted" if works else "always fails"
    return f"{how}: {errors.most_common(1)[0][0]}"


def guess(cases: Sequence[Case], inputs: int) -> str:
    """A constant or a copy would be right too often."""
    answers = len({squeezed(case.answer) for case in cases})
    copied = sum(case.copied for case in cases)
    return (
        f"guessable: {len(cases)} inputs have {answers} different answers, and {copied} are "
        f"answered by an argument itself; of {inputs} cases no guess may be right on more than "
        f"{MAX_SHARE:.0%}"
    )


def cue(code: str, cases: Sequence[Case]) -> str | None:
    """Something that stands before an answer holds the cue by which answers are read back."""
    for what, text in _before_answers(code, cases):
        if CUE.search(text):
            return (
                f"holds {ANSWER_CUE!r} in {what}, by which a model's answer is found; "
                "use another word"
            )
    return None


def _before_answers(code: str, cases: Sequence[Case]) -> Iterator[tuple[str, str]]:
    yield "the statement of its problem", source.statement(code)
    yield "its parameters", f"{source.parameters(code)}:"
    yield "its source", source.body(code, "f")
    for case in cases:
        yield f"its answer to {case.input[:60]}", case.answer
        yield f"its trace on {case.input[:60]}", case.trace
    if ANSWER_CUE.rstrip(":") in code:  # prose orders the words of a source anew
        for phrasing in range(python_prose.PHRASINGS):
            try:
                yield "its steps in words", python_prose.prose(source.function(code, "f"), phrasing)
            except python_prose.NotProse:
                return


def use(code: str, name: str, programs: Collection[str]) -> str | None:
    """It holds another program, which would be told and executed along with it.

    programs: names of those that can be used; what cannot is no program, and may be a helper.
    """
    for helper in source.defined(code):
        if (own := source.named(helper, name)) in programs:
            return (
                f"uses {own}, a program itself, which would be told and executed with it; rename "
                f"that one _{own}, and it is a helper"
            )
    return None

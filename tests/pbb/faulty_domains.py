"""Domains that each break one law: what the conformance suite must find.

Each is the documented example with one fault; its class's name is its kind.
"""

from __future__ import annotations

import itertools
import random
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pbb_flips
from pydantic import field_serializer

from pbb.domains.domain import Measured
from pbb.templates import LIBRARY, Templates


class FaultyConfig(pbb_flips.FlipsConfig):
    kind: str


class Faulty(pbb_flips.Flips):
    Config: Any = FaultyConfig

    def drafts(self, rng: Any) -> Iterator[Any]:
        """With each case as `changed` makes it."""
        for draft in super().drafts(rng):
            yield replace(draft, cases=tuple(self.changed(c) for c in draft.cases))

    def changed(self, case: Any) -> Any:
        return case


class LossyConfig(FaultyConfig):
    @field_serializer("steps")
    def _rounded(self, steps: int) -> int:
        return steps // 3 * 3


class Lossy(Faulty):
    Config = LossyConfig


class SameName(Faulty):
    def drafts(self, rng: Any) -> Iterator[Any]:
        return (replace(draft, name="flip") for draft in super().drafts(rng))


class Counting(Faulty):
    calls = itertools.count()

    def drafts(self, rng: Any) -> Iterator[Any]:
        return itertools.islice(super().drafts(rng), next(self.calls), None)


class MeaningOfCases(Faulty):
    def drafts(self, rng: Any) -> Iterator[Any]:
        for draft in super().drafts(rng):
            yield replace(draft, meaning=" ".join(case.answer for case in draft.cases))


class TwoLines(Faulty):
    def changed(self, case: Any) -> Any:
        return replace(case, answer=f"{case.answer[:3]}\n{case.answer[3:]}")


class OneInput(Faulty):
    def changed(self, case: Any) -> Any:
        return replace(case, input="abc")


class CueInAnswer(Faulty):
    def changed(self, case: Any) -> Any:
        return replace(case, answer=f"answer: {case.answer}")


class CueInTrace(Faulty):
    def changed(self, case: Any) -> Any:
        return replace(case, trace=f"answer : {case.trace}")


class FewCases(Faulty):
    def drafts(self, rng: Any) -> Iterator[Any]:
        return (replace(draft, cases=draft.cases[:-1]) for draft in super().drafts(rng))


class BlanksMatter(Faulty):
    def correct(self, program: Any, item: int, said: str) -> bool:
        return bool(said == program.draft.cases[item].answer)


class AnyOrder(Faulty):
    def correct(self, program: Any, item: int, said: str) -> bool:
        return sorted(said.replace(" ", "")) == sorted(program.draft.cases[item].answer)


class Raising(Faulty):
    def correct(self, program: Any, item: int, said: str) -> bool:
        return bool(said.strip()[0] == program.draft.cases[item].answer[0])


class FirstLetter(Faulty):
    def correct(self, program: Any, item: int, said: str) -> bool:
        return said.strip()[:1] == program.draft.cases[item].answer[0]


class Certain(Faulty):
    def chance(self, program: Any) -> float:
        return 1.5


class NotFinite(Faulty):
    def beside(self, program: Any, said: Any) -> list[Measured]:
        return [Measured("length", 0, False, float("nan"))]


class Renaming(Faulty):
    def beside(self, program: Any, said: Any) -> list[Measured]:
        return [Measured("execution", 0, True, 1.0)]


class InnerLast(Faulty):
    def compose(self, outer: Any, inner: Any) -> Any:
        swapped = super().compose(inner, outer)
        inputs = {case.input: case for case in super().compose(outer, inner).cases}
        answers = [case.answer for case in swapped.cases]
        cases = [replace(c, answer=a) for c, a in zip(inputs.values(), answers, strict=True)]
        return replace(swapped, cases=tuple(cases))


class LibraryTemplates(Faulty):
    templates = LIBRARY


class NineteenTemplates(Faulty):
    templates = Templates(
        pbb_flips.Flips.templates.declaration[:19], pbb_flips.Flips.templates.execution
    )


class NamedTwice(Faulty):
    templates = Templates(
        tuple(f"{t} {{name}}" for t in pbb_flips.Flips.templates.declaration),
        pbb_flips.Flips.templates.execution,
    )


class NoTraces(Faulty):
    def changed(self, case: Any) -> Any:
        return replace(case, trace="")


class OuterBreaks(Faulty):
    def instruction(self, *about: Any) -> str:
        return f"{super().instruction(*about)}\n"


class CueInInstruction(Faulty):
    def instruction(self, *about: Any) -> str:
        return f"{super().instruction(*about)}\nanswer: a word"


class Speechless(Faulty):
    def instruction(self, *about: Any) -> str:
        return "flips some letters"


class Repetitive(Faulty):
    phrasings = {"code": 1, "prose": 2}


class LengthOfName(Faulty):
    def instruction(self, draft: Any, name: str, *told: Any) -> str:
        return f"{super().instruction(draft, name, *told)}\nof {name.upper()}"


class Mute(Faulty):
    def call(self, names: Any, case: Any) -> str:
        return f"{'('.join(names)}"


class Sourced(Faulty):
    def drafts(self, rng: Any) -> Iterator[Any]:
        for draft in super().drafts(rng):
            source = self.instruction(draft, "", "code", 0)
            cases = tuple(replace(case, trace=source) for case in draft.cases)
            yield replace(draft, cases=cases)


class WithExamples(Faulty):
    """As a docstring does: items among them."""

    def instruction(self, draft: Any, name: str, *told: Any) -> str:
        shown = [f"{self.call([name], case)} is {case.answer}" for case in draft.cases]
        return "\n".join([super().instruction(draft, name, *told), *shown])


class BringsAnother(Faulty):
    """As a function does that calls another program: the one drafted before it stands inside it."""

    def drafts(self, rng: Any) -> Iterator[Any]:
        before = ""
        for draft in super().drafts(rng):
            yield replace(draft, code=f"{draft.code};{before}")
            before = draft.code

    def instruction(self, draft: Any, name: str, *told: Any) -> str:
        own, before = draft.code.split(";")
        text = super().instruction(replace(draft, code=own), name, *told)
        if not before:
            return text
        helper = replace(draft, code=before)
        inner = [self.opening(helper, "helper", told[0]), super().instruction(helper, "", *told)]
        return "\n".join([*inner, text])

    def compose(self, outer: Any, inner: Any) -> None:
        return None


class Greek(Faulty):
    def instruction(self, *about: Any) -> str:
        return f"{super().instruction(*about)}\nσ"


class Lengthy(Faulty):
    def instruction(self, *about: Any) -> str:
        return f"{super().instruction(*about)}\n{'and on ' * 300}".strip()


class HashOrdered(Faulty):
    def drafts(self, rng: Any) -> Iterator[Any]:
        for draft in super().drafts(rng):
            yield replace(draft, cases=tuple(sorted(draft.cases, key=hash)))


class GloballyRandom(Faulty):
    def opening(self, *about: Any) -> str:
        return f"{super().opening(*about)} {random.random()}"

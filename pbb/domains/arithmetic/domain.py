"""The domain `arithmetic`: random integer functions of one argument."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Iterator, Mapping
from types import MappingProxyType
from typing import ClassVar, Final

import numpy as np

from pbb.domains.arithmetic.generator import propose, run_all
from pbb.domains.arithmetic.prose import PHRASINGS, prose
from pbb.domains.configs import ArithmeticConfig
from pbb.domains.domain import Case, Domain, Draft, Program, Representation
from pbb.domains.evaluator import EvaluationError, Execution
from pbb.templates import ARITHMETIC

MEANING_INPUTS: Final = 32
"""A meaning is the tuple of answers on 0 .. 31, whatever inputs a study uses."""
_NUMBER: Final = re.compile(r"\s*(-?\d[\d ]*)")


class Arithmetic(Domain):
    """`def f(x):` with assignments, branches and bounded loops on x."""

    Config = ArithmeticConfig
    templates = ARITHMETIC
    phrasings: ClassVar[Mapping[Representation, int]] = MappingProxyType(
        {"code": 1, "prose": len(PHRASINGS)}
    )
    config: ArithmeticConfig

    def drafts(self, rng: np.random.Generator) -> Iterator[Draft | None]:
        """Endless."""
        while True:
            body = propose(self.config, rng)
            yield None if body is None else draft_of(body.source, body.executions)

    def opening(self, draft: Draft, name: str, representation: Representation) -> str:
        """`def f(x):`, or in prose `f of x:`."""
        return f"def {name}(x):" if representation == "code" else f"{name} of x:"

    def instruction(
        self, draft: Draft, name: str, representation: Representation, phrasing: int
    ) -> str:
        """The body, or its statements in words."""
        return draft.code if representation == "code" else prose(draft.code, phrasing)

    def correct(self, program: Program, item: int, said: str) -> bool:
        """By the number that comes first; what a model adds after it does not count."""
        found = _NUMBER.match(said)
        digits = found.group(1).replace(" ", "") if found else ""
        return digits == program.draft.cases[item].answer

    def compose(self, outer: Draft, inner: Draft) -> Draft | None:
        """On the inputs for which inner's answer is an input of outer."""
        known = {case.input: case for case in outer.cases}
        pairs = [(case, known[case.answer]) for case in inner.cases if case.answer in known]
        cases = tuple(
            Case(
                input=first.input,
                answer=then.answer,
                trace=f"{first.trace} {then.trace}",
                path=f"{first.path}.{then.path}",
                copies=first.copies,
            )
            for first, then in pairs
        )
        return Draft("", "x", cases, meaning="") if cases else None


def draft_of(body: str, executions: tuple[Execution, ...]) -> Draft | None:
    """A draft from a body and its runs on 0, 1, ...; null where it fails on a canonical input."""
    try:
        hashed = meaning(body)
    except EvaluationError:
        return None
    cases = tuple(_case(x, run) for x, run in enumerate(executions))
    return Draft(body, "x", cases, hashed)


def _case(x: int, run: Execution) -> Case:
    return Case(
        input=str(x),
        answer=str(run.answer),
        trace=" ".join(str(value) for value in run.trace),
        path="".join("ft"[taken] for taken in run.path),
        copies=(str(x),),
    )


def meaning(body: str) -> str:
    """16 hex digits of what a body computes on the canonical inputs. Raises EvaluationError."""
    answers = [run.answer for run in run_all(body, MEANING_INPUTS)]
    return hashlib.sha256(json.dumps(answers).encode()).hexdigest()[:16]

"""Random small functions as a domain: told and judged as `algorithms` is, and traced alike.

They run in this process, since they are our own, by the tracer of the sandbox; a test holds the two
to each other.
"""

from __future__ import annotations

import sys
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from functools import cache, lru_cache
from hashlib import sha256
from typing import Any, Final

import numpy as np

from pbb.domains.algorithms import Algorithms, source
from pbb.domains.algorithms.answers import value
from pbb.domains.algorithms.cases import LIMITS, values_only
from pbb.domains.algorithms.child.tracing import SOURCE, Stopped, Tracer
from pbb.domains.algorithms.child.values import literal
from pbb.domains.algorithms.sandbox import Ran
from pbb.domains.configs import AlgorithmsConfig
from pbb.domains.domain import Case, Draft, Representation
from pbb.models.nano.functions import Proposal, propose

DRAWS: Final = 3
"""Arguments are drawn so many times as often as they are wanted, at most, to find distinct ones."""
MOST_ALIKE: Final = 0.5
"""No answer, and no argument given back, is right on more than this share of a function's cases."""
LARGEST: Final = 99
LONGEST: Final = 14
"""Letters of an answer; a list has four fewer items."""
MOST_VALUES: Final = 40
"""Values of a trace."""


class SmallFunctions(Algorithms):
    """`def f(a, k):` with one loop over a list, a word, a number or edges."""

    def drafts(self, rng: np.random.Generator) -> Iterator[Draft | None]:
        """Endless. None does what a function of the library of `algorithms` does."""
        while True:
            yield _draft(propose(rng), self.config.inputs, rng)

    def instruction(
        self, draft: Draft, name: str, representation: Representation, phrasing: int
    ) -> str:
        """As of `algorithms`; none of these functions speaks of itself."""
        return _told(draft, representation, phrasing)

    def compose(self, outer: Draft, inner: Draft) -> Draft | None:
        """None: pairs would have to be run."""
        return None


_TELLER: Final = Algorithms(AlgorithmsConfig())


@lru_cache(maxsize=20_000)
def _told(draft: Draft, representation: Representation, phrasing: int) -> str:
    return _TELLER.instruction(draft, source.PLACEHOLDER, representation, phrasing)


def _draft(proposal: Proposal, inputs: int, rng: np.random.Generator) -> Draft | None:
    """Null where a call fails, values grow large, or the answers tell too little."""
    text = f"def f({proposal.parameters}):\n{proposal.body}"
    run = Runner(text, "f")
    found: dict[str, Case] = {}
    for _ in range(DRAWS * inputs):
        case = _case(run, proposal.arguments(rng))
        if case is None:
            return None
        found[case.input] = case
        if len(found) == inputs:
            break
    cases = tuple(found.values())
    if len(cases) < inputs or not _telling(cases) or _is_shipped(run, proposal.parameters):
        return None
    code = source.standalone(text, "f")
    meaning = sha256("\n".join([code, *(case.answer for case in cases)]).encode()).hexdigest()
    return Draft(code, proposal.parameters, cases, meaning[:16])


def _case(run: Runner, arguments: tuple[object, ...]) -> Case | None:
    given = tuple(literal(each, LIMITS.answer_chars) for each in arguments)
    ran = run(arguments)
    if ran is None or ran.answer is None or len(ran.trace.split()) > MOST_VALUES:
        return None
    if not _small(value(ran.answer)):
        return None
    return Case(", ".join(given), ran.answer, values_only(ran), ran.path, given)


def _small(answer: object) -> bool:
    if isinstance(answer, list):
        return len(answer) <= LONGEST - 4 and all(map(_small, answer))
    if isinstance(answer, str):
        return len(answer) <= LONGEST
    return isinstance(answer, int) and abs(answer) <= LARGEST


def _telling(cases: Sequence[Case]) -> bool:
    common = Counter(case.answer for case in cases).most_common(1)[0][1]
    copied = sum(case.answer in case.copies for case in cases)
    return max(common, copied) <= MOST_ALIKE * len(cases)


class Runner:
    """Calls a trusted source's function as the sandbox does, without a process of its own."""

    def __init__(self, text: str, name: str) -> None:
        variables: dict[str, Any] = {}
        exec(compile(text, SOURCE, "exec", dont_inherit=True), variables)
        self._function: Callable[..., object] = variables[name]
        self._tracer = Tracer(LIMITS.steps, LIMITS.trace_values)

    def __call__(self, arguments: tuple[Any, ...]) -> Ran | None:
        """Null where the call fails or its trace is too long."""
        tracer, before = self._tracer, sys.gettrace()
        tracer.reset()
        tracer.record()
        sys.settrace(tracer)
        try:
            answer = self._function(*arguments)
        except (Exception, Stopped):  # a random function may raise whatever it likes
            return None
        finally:
            sys.settrace(before)
        if tracer.too_long:
            return None
        return Ran(literal(answer, LIMITS.answer_chars), tracer.trace, tracer.path, None)


@cache
def _shipped() -> dict[int, tuple[Draft, ...]]:
    """All functions of `algorithms`, by how many arguments they take."""
    found: dict[int, tuple[Draft, ...]] = {}
    every = Algorithms(AlgorithmsConfig(tiers=("easy", "medium", "hard")))
    for draft in every.drafts(np.random.default_rng(0)):
        assert draft is not None
        count = len(source.parameter_names(draft.code))
        found[count] = (*found.get(count, ()), draft)
    return found


def _is_shipped(run: Runner, parameters: str) -> bool:
    """Whether it gives the answers of a function that `algorithms` ships, on that one's cases."""
    return any(
        all(_agrees(run, case) for case in draft.cases)
        for draft in _shipped().get(parameters.count(",") + 1, ())
    )


def _agrees(run: Runner, case: Case) -> bool:
    try:
        arguments = value(f"({case.input},)")
        assert isinstance(arguments, tuple)
        ran = run(arguments)
    except ValueError:  # an answer that is no literal
        return False
    return ran is not None and ran.answer == case.answer

"""The domain `algorithms`: Python functions run by CPython in a sandbox, ours or the user's own."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from functools import lru_cache
from types import MappingProxyType
from typing import ClassVar, Final

import numpy as np

from pbb.domains import python_prose
from pbb.domains.algorithms import source
from pbb.domains.algorithms.answers import kind, same_answer
from pbb.domains.algorithms.cases import (
    Prepared,
    prepare,
    values_only,
    with_few_paths,
    without_duplicates,
)
from pbb.domains.algorithms.jobs import job, run_jobs
from pbb.domains.algorithms.reading import library
from pbb.domains.algorithms.sandbox import TooSlow
from pbb.domains.algorithms.templates import TEMPLATES
from pbb.domains.configs import AlgorithmsConfig, FunctionSource
from pbb.domains.domain import Case, Domain, Draft, Program, Representation

STATEMENTS: Final = ("{statement}", "the problem: {statement}", "what it does: {statement}")
"""Ways to state a problem, one a phrasing."""
MOST_TOLD: Final = 12
"""Of the functions that cannot be used so many are named in an error."""


class UnusableFunctions(ValueError):
    """Too many of the functions cannot be used: which, and why."""


class Algorithms(Domain):
    """`def f(a, k):` with loops, branches, lists and strings."""

    Config = AlgorithmsConfig
    templates = TEMPLATES
    phrasings: ClassVar[Mapping[Representation, int]] = MappingProxyType(
        {"code": 1, "prose": python_prose.PHRASINGS}
    )
    even_paths = False
    config: AlgorithmsConfig

    def drafts(self, rng: np.random.Generator) -> Iterator[Draft | None]:
        """Each usable function once: the user's own in an order of the rng's, then the library's.

        Raises UnusableFunctions where there are no more, and some that could not be used.
        """
        own = prepare(own_functions(self.config), self.config.inputs)
        yield from (replace(draft, own=name) for name, draft in self._in_order(own, rng))
        shipped = rest_of_library(own, self.config)
        yield from (draft for _, draft in self._in_order(shipped, rng))
        if any(each.reason is not None for each in (*own, *shipped)):
            raise UnusableFunctions(
                f"more programs are wanted than functions can be used: {reasons((*own, *shipped))}"
            )

    def _in_order(
        self, made: Sequence[Prepared], rng: np.random.Generator
    ) -> Iterator[tuple[str, Draft]]:
        """Names and drafts of those that can be used."""
        usable = [each for each in made if each.reason is None]
        for i in rng.permutation(len(usable)):
            yield usable[i].name, self._draft(usable[i])

    def check_targets(self, count: int) -> None:
        """The library never stands in for a user's function among the targets."""
        own = prepare(own_functions(self.config), self.config.inputs)
        usable = sum(each.reason is None for each in own)
        if own and usable < count:
            raise UnusableFunctions(
                f"{count} targets are wanted, and {usable} of {len(own)} functions of your own can "
                f"be used; lower programs.targets, or mend: {reasons(own) or 'add functions'}"
            )

    def _draft(self, made: Prepared) -> Draft:
        return Draft(
            code=made.code,
            parameters=source.parameters(made.code),
            cases=made.cases,
            meaning=made.meaning,
            name=made.name if self.config.names == "kept" else None,
        )

    def opening(self, draft: Draft, name: str, representation: Representation) -> str:
        """`def f(a, k):`, or in prose `f of a, k:`."""
        if representation == "code":
            return f"def {name}({draft.parameters}):"
        return f"{name} of {draft.parameters}:" if draft.parameters else f"{name} of nothing:"

    def instruction(
        self, draft: Draft, name: str, representation: Representation, phrasing: int
    ) -> str:
        """The body; or its steps in words, or the problem's statement. Raises NotProse."""
        if representation == "code":
            return source.body(draft.code, name)
        if self.config.prose == "steps":
            return python_prose.prose(source.function(draft.code, name), phrasing)
        statement = source.named(source.statement(draft.code), name)
        if not statement:
            raise python_prose.NotProse(
                f"function {name} has no statement of its problem; give it a docstring, or choose "
                "prose: steps"
            )
        return STATEMENTS[phrasing].format(statement=_uncapitalised(statement))

    def correct(self, program: Program, item: int, said: str) -> bool:
        """By the first literal, as a value or as text; what a model adds does not count."""
        return same_answer(said, program.draft.cases[item].answer)

    def compose(self, outer: Draft, inner: Draft) -> Draft | None:
        """Where outer takes one argument of a kind that inner gives, and works on it."""
        if not source.takes_one(outer.code):
            return None
        taken = {kind(case.input) for case in outer.cases}
        given = tuple(case for case in inner.cases if kind(case.answer) in taken)
        cases = _applied(outer.code, given)
        return Draft("", inner.parameters, cases, meaning="") if cases else None


def own_functions(config: AlgorithmsConfig) -> tuple[FunctionSource, ...]:
    """The user's own. Raises UnusableFunctions where a folder is not read yet."""
    if config.folder is not None:
        raise UnusableFunctions(
            f"folder {config.folder!r} has not been read; see "
            "pbb.domains.algorithms.embedding.embed"
        )
    return config.functions


@lru_cache(maxsize=16)
def rest_of_library(own: tuple[Prepared, ...], config: AlgorithmsConfig) -> tuple[Prepared, ...]:
    """The library's functions that neither do nor are called what one of the user's does or is.

    Raises TooSlow where one of them is late: without it the same study would have other programs.
    """
    names = {each.name for each in own}
    shipped = prepare(library(config.tiers), config.inputs)
    late = [each for each in shipped if each.late]
    if late:
        raise TooSlow(
            f"functions that ship ran out of time here: {reasons(late)}; let this machine do less "
            "at once, or take a faster one"
        )
    others = [each for each in shipped if each.name not in names]
    usable = [each for each in own if each.reason is None]
    return tuple(without_duplicates(usable, others) if usable else others)


def reasons(made: Sequence[Prepared]) -> str:
    """Why functions cannot be used, those of them that cannot."""
    told = [f"{each.name}: {each.reason}" for each in made if each.reason is not None]
    more = [f"and {len(told) - MOST_TOLD} more"] if len(told) > MOST_TOLD else []
    return "; ".join([*told[:MOST_TOLD], *more])


@lru_cache(maxsize=1024)
def _applied(outer: str, inner: tuple[Case, ...]) -> tuple[Case, ...]:
    """Inner's cases, gone on with: outer runs on their answers.

    Raises TooSlow where it is late on one: what composes would depend on the machine.
    """
    if not inner:
        return ()
    (ran,) = run_jobs([job(outer, (case.answer for case in inner))])
    late = next(((case, then) for case, then in zip(inner, ran, strict=True) if then.late), None)
    if late is not None:
        begins = source.body(outer, "f").strip().partition("\n")[0]
        raise TooSlow(
            f"the function that begins with {begins[:60]!r}, applied to {late[0].answer[:60]}, "
            f"which another one gives: {late[1].error}; mend it, or ask for no composed programs"
        )
    applied = [
        replace(
            case,
            answer=then.answer,
            trace=f"{case.trace} {values_only(then)}",
            path=f"{case.path}.{then.path}",
        )
        for case, then in zip(inner, ran, strict=True)
        if then.error is None and then.answer is not None
    ]
    return with_few_paths(applied) if applied else ()


def _uncapitalised(text: str) -> str:
    """A sentence that may follow a colon; `I` and `GCD` stay as they are."""
    return text[:1].lower() + text[1:] if text[1:2].islower() else text

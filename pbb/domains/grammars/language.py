"""The domain: a program is a grammar, an execution is a sentence of it that training never showed.

A pointer takes no input, and every sentence of the grammar that no demonstration could have shown
is right, so answers are sampled and each is judged by membership and novelty. What could have been
shown is every case that is no item, whatever n a run takes: so all arms and all n are judged alike.
Who speaks the language perfectly says one of those now and then, so accuracy has a ceiling below 1,
the measure `ceiling`: at least 1 - MOST_KNOWN, of a user's grammar 1 - MOST_KNOWN_GIVEN.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from functools import lru_cache
from types import MappingProxyType
from typing import ClassVar, Final

import numpy as np

from pbb.domains.configs import GrammarsConfig
from pbb.domains.domain import (
    Case,
    Domain,
    Draft,
    Measured,
    Program,
    Representation,
    squeezed,
)
from pbb.domains.grammars.chart import parses, probability, used
from pbb.domains.grammars.drawing import Derivation, draw_grammar, draw_sentences
from pbb.domains.grammars.membership import member
from pbb.domains.grammars.prose import PHRASINGS, told
from pbb.domains.grammars.rules import Grammar, GrammarError, read
from pbb.domains.grammars.structure import checked, expected_lengths, meaning
from pbb.domains.grammars.templates import TEMPLATES
from pbb.seeds import stream

LONGEST: Final = 4
"""No sentence has more terminals than this many times the upper mean length."""
MOST_KNOWN: Final = 0.3
"""A new sentence of a fair grammar is among its cases with this probability at most."""
MOST_KNOWN_GIVEN: Final = 0.7
"""Of a user's grammar: what is said most may weigh more, though it leaves less to be found."""
STEP: Final = " -> "
"""Between two sentential forms of a trace."""
GUESSES: Final = 1000
"""Random strings by which chance is estimated."""


class Grammars(Domain):
    """Context-free grammars (Cook et al. 2026), random or the user's own.

    A sentence's trace is its derivation, all nonterminals of a form rewritten at a time.
    Grammars do not compose: two sentences that were shown, one after the other, would be a new one.
    """

    Config = GrammarsConfig
    templates = TEMPLATES
    phrasings: ClassVar[Mapping[Representation, int]] = MappingProxyType(
        {"code": 1, "prose": len(PHRASINGS)}
    )
    sampled = True
    config: GrammarsConfig

    def drafts(self, rng: np.random.Generator) -> Iterator[Draft | None]:
        """The user's own in their order, then random ones without end.

        Raises GrammarError where one of the user's has too few sentences.
        """
        for number, text in enumerate(self.config.rules, 1):
            yield self._given(text, f"grammar {number}", rng)
        while True:
            wanted = bool(rng.random() < self.config.ambiguity)
            while (draft := self._proposed(rng, ambiguous=wanted)) is None:
                yield None
            yield draft

    def check_targets(self, count: int) -> None:
        """A random grammar never stands in for a user's own among the targets."""
        if self.config.rules and len(self.config.rules) < count:
            raise GrammarError(
                f"{count} targets are wanted, and {len(self.config.rules)} grammars of your own "
                "given as rules; lower programs.targets, or add rules"
            )

    def _given(self, text: str, label: str, rng: np.random.Generator) -> Draft:
        grammar = checked(text, label)
        longest = self._longest
        sentences = draw_sentences(grammar, self.config.inputs, longest, MOST_KNOWN_GIVEN, rng)
        if sentences is None or _known(grammar, _texts(sentences)) > MOST_KNOWN_GIVEN:
            raise GrammarError(
                f"{label}, {grammar.rule(0)}: too few sentences of at most {longest} terminals for "
                f"inputs={self.config.inputs}: a new one would be among them more often than "
                f"{MOST_KNOWN_GIVEN:.0%}; lower inputs, raise mean_length, or give the rules more "
                "alternatives that go on"
            )
        return replace(_draft(grammar, sentences), own=label)

    def _proposed(self, rng: np.random.Generator, *, ambiguous: bool) -> Draft | None:
        """The next random grammar where it is fair, and ambiguous or not as asked."""
        grammar = draw_grammar(self.config, rng)
        low, high = self.config.mean_length
        if grammar is None or not low <= expected_lengths(grammar)[0] <= high:
            return None
        sentences = draw_sentences(grammar, self.config.inputs, self._longest, MOST_KNOWN, rng)
        if sentences is None:
            return None
        texts = _texts(sentences)
        several = any(parses(grammar, squeezed(each)) > 1 for each in texts)
        if several != ambiguous or (several and _known(grammar, texts) > MOST_KNOWN):
            return None
        return _draft(grammar, sentences)

    @property
    def _longest(self) -> int:
        return int(LONGEST * self.config.mean_length[1])

    def opening(self, draft: Draft, name: str, representation: Representation) -> str:
        return f"grammar {name}:" if representation == "code" else f"rules of {name}:"

    def instruction(
        self, draft: Draft, name: str, representation: Representation, phrasing: int
    ) -> str:
        return draft.code if representation == "code" else told(read(draft.code), phrasing)

    def call(self, names: Sequence[str], case: Case) -> str:
        """The pointer alone: there is no input, and nothing is composed."""
        (name,) = names
        return name

    def correct(self, program: Program, item: int, said: str) -> bool:
        """Whether the grammar gives `said` and no demonstration could have shown it."""
        return squeezed(said) not in _shown(program) and member(_grammar(program), said)

    def chance(self, program: Program) -> float:
        """Share of random strings that are right; see `_guessed`."""
        return _guessed(program)

    def beside(self, program: Program, said: Sequence[str]) -> Iterable[Measured]:
        """What `correct` leaves open, so that one sentence said again is not a grammar known.

        membership: the grammar gives it. novelty: no demonstration could have shown it. diversity:
        both, and no earlier answer was the same. coverage, of all answers together: the share of
        the grammar's alternatives that parses of its sentences among them apply. ceiling, whatever
        was said: the accuracy to be expected of one who draws sentences by the rules.
        """
        grammar, shown = _grammar(program), _shown(program)
        met: set[str] = set()
        applied: set[tuple[int, int]] = set()
        for item, text in enumerate(map(squeezed, said)):
            inside, new = member(grammar, text), text not in shown
            first = inside and new and text not in met
            met.add(text)
            applied |= used(grammar, text) if inside else set()
            for measure, holds in (("membership", inside), ("novelty", new), ("diversity", first)):
                yield Measured(measure, item, holds, float(holds))
        share = len(applied) / sum(map(len, grammar.rules))
        yield Measured("coverage", 0, share == 1, share)
        yield Measured("ceiling", 0, False, 1 - _known(grammar, sorted(shown)))


def _texts(sentences: Sequence[Derivation]) -> list[str]:
    """Terminals with blanks between them."""
    return [" ".join(each.sentence) for each in sentences]


def _draft(grammar: Grammar, sentences: Sequence[Derivation]) -> Draft:
    cases = tuple(
        Case(input="", answer=text, trace=STEP.join(each.forms()), path="")
        for each, text in zip(sentences, _texts(sentences), strict=True)
    )
    return Draft(code=grammar.bnf(), parameters="", cases=cases, meaning=meaning(grammar))


def _grammar(program: Program) -> Grammar:
    return read(program.draft.code)


def _shown(program: Program) -> frozenset[str]:
    """What demonstrations show, however many a study takes."""
    return frozenset(squeezed(program.draft.cases[i].answer) for i in program.free)


def _known(grammar: Grammar, sentences: Sequence[str]) -> float:
    """Probability that a sentence drawn afresh is among these, white space aside."""
    return sum(probability(grammar, squeezed(each)) for each in sentences)


@lru_cache(maxsize=1024)
def _guessed(program: Program) -> float:
    """Share of random strings that would be right, by GUESSES of them.

    Their lengths are drawn from those of the program's cases, their terminals from the grammar's.
    The chart agrees with `member`, which may take a second for a long string of many parses.
    """
    grammar, shown = _grammar(program), _shown(program)
    rng = stream("chance", program.draft.meaning)
    lengths = [len(case.answer.split()) for case in program.draft.cases]
    right = 0
    for _ in range(GUESSES):
        size = lengths[int(rng.integers(len(lengths)))]
        places = rng.integers(len(grammar.terminals), size=size)
        text = "".join(grammar.terminals[i] for i in places)
        right += text not in shown and parses(grammar, text) > 0
    return right / GUESSES

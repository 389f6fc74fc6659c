"""The domain `ciphers`: random transformations of a word by a key, after Cook et al.'s ciphers."""

from __future__ import annotations

import hashlib
import itertools
import json
import re
from collections.abc import Iterator, Mapping, Sequence
from functools import lru_cache
from types import MappingProxyType
from typing import ClassVar, Final

import numpy as np

from pbb.domains.ciphers.generator import definition, plain_word, random_body
from pbb.domains.ciphers.prose import PHRASINGS, prose
from pbb.domains.ciphers.templates import CIPHERS
from pbb.domains.configs import CiphersConfig
from pbb.domains.domain import Case, Domain, Draft, Program, Representation, squeezed
from pbb.domains.text_evaluator import TextExecution, TextFunction, parse_text
from pbb.seeds import stream

MEANING_KEYS: Final = (1, 2)
"""Every configuration has these, so a meaning does not depend on how many keys there are."""
MEANING_WORDS: Final = 5
"""Random ones, beside a word for each letter of the alphabet."""
MIN_DISTINCT: Final = 0.5
"""Distinct answers for each case."""


class Ciphers(Domain):
    """`def f(s, k):` with letterwise shifts and substitutions, and block transpositions.

    Words, where a model is to produce them, are spelled with blanks between the letters: tokenizers
    see letters then, and not whatever pieces of words they know.
    """

    Config = CiphersConfig
    templates = CIPHERS
    phrasings: ClassVar[Mapping[Representation, int]] = MappingProxyType(
        {"code": 1, "prose": len(PHRASINGS)}
    )
    config: CiphersConfig

    def drafts(self, rng: np.random.Generator) -> Iterator[Draft | None]:
        """Endless; null for a body that was there before, too."""
        seen: set[str] = set()
        while True:
            body = random_body(self.config, rng)
            yield None if body in seen else draft_of(body, self.config, rng)
            seen.add(body)

    def opening(self, draft: Draft, name: str, representation: Representation) -> str:
        """`def f(s, k):`, or in prose `f of word s and key k:`."""
        if representation == "code":
            return f"def {name}({draft.parameters}):"
        return f"{name} of word s and key k:"

    def instruction(
        self, draft: Draft, name: str, representation: Representation, phrasing: int
    ) -> str:
        """The body, or its stages in words."""
        return draft.code if representation == "code" else prose(draft.code, phrasing)

    def call(self, names: Sequence[str], case: Case) -> str:
        """`f('bade', 3)`; composed, with the same key throughout: `f(g('bade', 3), 3)`."""
        *outer, innermost = names
        asked = f"{innermost}({case.input})"
        for name in reversed(outer):
            asked = f"{name}({asked}, {case.path})"
        return asked

    def correct(self, program: Program, item: int, said: str) -> bool:
        """By the word that comes first, whether spelled, whole or quoted."""
        return squeezed(program.draft.cases[item].answer) in first_words(said)

    def passed(self, case: Case) -> str:
        """The word unspelled, and the same key."""
        return f"{squeezed(case.answer)!r}, {case.path}"

    def compose(self, outer: Draft, inner: Draft) -> Draft | None:
        """f(g(s, k), k) on all of inner's inputs."""
        function = _function(outer.code, self.config.alphabet)
        cases = []
        for first in inner.cases:
            then = function(squeezed(first.answer), int(first.path))
            cases.append(
                Case(
                    input=first.input,
                    answer=spelled(then.answer),
                    trace=f"{first.trace}, {trace(then)}",
                    path=first.path,
                    copies=first.copies,
                )
            )
        return Draft("", inner.parameters, tuple(cases), meaning="")


def draft_of(body: str, config: CiphersConfig, rng: np.random.Generator) -> Draft | None:
    """A draft with cases drawn from rng; null where the body is no fair program.

    Fair: no key makes of a case's word what another makes of it, nor leaves it as it is; at least
    half of random words are such; and at least half of the answers are distinct.
    """
    cases = _cases(_function(body, config.alphabet), config, rng)
    if len(cases) < config.inputs:
        return None
    if len({case.answer for case in cases}) < MIN_DISTINCT * len(cases):
        return None
    return Draft(body, "s, k", cases, meaning(body, config))


def meaning(body: str, config: CiphersConfig) -> str:
    """16 hex digits of what a body makes of the canonical words of this alphabet and length.

    Raises EvaluationError, UnsafeProgram.
    """
    function = _function(body, config.alphabet)
    words = canonical_words(config.alphabet, config.length)
    answers = [function(word, key).answer for word in words for key in MEANING_KEYS]
    return hashlib.sha256(json.dumps(answers).encode()).hexdigest()[:16]


@lru_cache(maxsize=32)
def canonical_words(alphabet: int, length: int) -> tuple[str, ...]:
    """Words that show each letter at each position once, and some random ones.

    The latter tell moves of letters from changes, which the former, all alike, might not.
    """
    each = (range(start, start + length) for start in range(alphabet))
    rng = stream("ciphers", alphabet, length)
    some = rng.integers(alphabet, size=(MEANING_WORDS, length)).tolist()
    return tuple(
        "".join(chr(97 + i % alphabet) for i in word) for word in itertools.chain(each, some)
    )


def spelled(word: str) -> str:
    """Letters with blanks between."""
    return " ".join(word)


def trace(execution: TextExecution) -> str:
    """Stages in order: each letter with what became of it, then the word; `b 3 e a 4 e = e e`."""
    told = []
    for stage in execution.stages:
        values = " ".join(map(str, stage.values))
        told.append(f"{values} = {spelled(stage.word)}" if values else spelled(stage.word))
    return ", ".join(told)


def first_words(said: str) -> set[str]:
    """What the first word of an answer can be read as: as it stands, spelled, or cut in pieces."""
    found = re.match(r"[\s'\"]*([a-z]+(?:[\s'\"]+[a-z]+)*)", said)
    pieces = re.findall("[a-z]+", found.group(1)) if found else []
    letters = itertools.takewhile(lambda piece: len(piece) == 1, pieces)
    return {"".join(pieces[:1]), "".join(letters), "".join(pieces)}


@lru_cache(maxsize=256)
def _function(body: str, alphabet: int) -> TextFunction:
    return parse_text(definition("f", body), alphabet)


def _cases(
    function: TextFunction, config: CiphersConfig, rng: np.random.Generator
) -> tuple[Case, ...]:
    """One for each word that tells all keys apart, keys in turn, up to `inputs`."""
    cases: list[Case] = []
    for word in _words(config, rng):
        runs = [function(word, key) for key in range(1, config.keys + 1)]
        if len({word, *(run.answer for run in runs)}) <= len(runs):
            continue
        key = len(cases) % config.keys + 1
        run = runs[key - 1]
        cases.append(
            Case(f"'{word}', {key}", spelled(run.answer), trace(run), str(key), (spelled(word),))
        )
        if len(cases) == config.inputs:
            break
    return tuple(cases)


def _words(config: CiphersConfig, rng: np.random.Generator) -> Iterator[str]:
    """Twice as many distinct random words as there are inputs, but for those like names."""
    population = config.alphabet**config.length
    numbers = rng.choice(population, size=2 * config.inputs, replace=False)
    digits = numbers[:, None] // config.alphabet ** np.arange(config.length) % config.alphabet
    letters = (digits + 97).astype(np.uint8).tobytes().decode("ascii")
    for start in range(0, len(letters), config.length):
        word = letters[start : start + config.length]
        if plain_word(word):
            yield word

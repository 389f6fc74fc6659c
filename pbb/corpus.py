"""(config, data_seed) -> programs and items; the same bytes in every process.

Acquisition, validation and target programs are disjoint in name and in meaning, and share no
meaning with the library that the shipped bases were pretrained on.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache
from importlib import resources
from typing import Final

import numpy as np

from pbb.config import CorpusConfig, Split
from pbb.domains.domain import Case, Domain, Draft, Program, ProgramSplit, squeezed
from pbb.domains.names import fresh_names
from pbb.domains.registry import domain_of
from pbb.seeds import stream

MAX_SHARE_OF_ONE_ANSWER: Final = 0.2
"""No constant, and no copy of the input, is right on more than this share of a program's items."""
MAX_IDLE_PROPOSALS: Final = 20_000
"""So many proposals in a row without a new program: the domain is exhausted."""
MIN_COMPOSED_ITEMS: Final = 5
"""A pair of programs is evaluated on so many of the inner one's items at least."""


class TooFewPrograms(ValueError):
    """The domain, as configured, does not hold as many programs as were asked for."""


class NoFreeCase(ValueError):
    """Composed programs that are to be trained on, and nothing to train on."""


@dataclass(frozen=True)
class Corpus:
    """The programs of every split, in a fixed order."""

    config: CorpusConfig
    acquisition: tuple[Program, ...]
    validation: tuple[Program, ...]
    target: tuple[Program, ...]

    @property
    def domain(self) -> Domain:
        """What the programs are, and how they are told and judged."""
        return domain_of(self.config.domain)

    def split(self, split: Split) -> tuple[Program, ...]:
        return {
            "acquisition": self.acquisition,
            "validation": self.validation,
            "target": self.target,
        }[split]


@lru_cache(maxsize=1)
def library_meanings() -> frozenset[str]:
    """Meanings of the library programs that the shipped bases have seen."""
    shipped = resources.files("pbb.models.nano").joinpath("library_meanings.json")
    return frozenset(json.loads(shipped.read_text()))


@lru_cache(maxsize=8)
def build_corpus(config: CorpusConfig) -> Corpus:
    """All programs and items of a study. Raises TooFewPrograms.

    Splits are drawn targets first, so a study with more acquisition programs has the same targets.
    """
    domain = domain_of(config.domain)
    domain.check_targets(config.targets)
    drafts = distinct_drafts(domain, stream("programs", config.data_seed), library_meanings())
    names = fresh_names(stream("names", config.data_seed))
    items = stream("items", config.data_seed)
    sizes: dict[Split, int] = {
        "target": config.targets,
        "validation": config.validation,
        "acquisition": config.acquisition,
    }
    try:
        splits = {
            split: tuple(_program(names, split, drafts, config, items) for _ in range(size))
            for split, size in sizes.items()
        }
    except TooFewPrograms as error:
        wanted = ", ".join(f"{split} {size}" for split, size in sizes.items())
        raise TooFewPrograms(f"{error}; asked for: {wanted}") from None
    return Corpus(config, splits["acquisition"], splits["validation"], splits["target"])


def distinct_drafts(
    domain: Domain, rng: np.random.Generator, taken: Collection[str]
) -> Iterator[Draft]:
    """Drafts of pairwise different meaning, none of a meaning in `taken`. Raises TooFewPrograms."""
    seen: set[str] = set(taken)
    answers: set[tuple[str, ...]] = set()
    idle = 0
    for draft in domain.drafts(rng):
        idle += 1
        if idle > MAX_IDLE_PROPOSALS:
            break
        if draft is None or draft.meaning in seen:
            continue
        given = tuple(case.answer for case in draft.cases)
        if given in answers:
            continue
        seen.add(draft.meaning)
        answers.add(given)
        idle = 0
        yield draft
    raise TooFewPrograms(
        f"domain {domain.config.kind!r} has too few distinct programs: {len(answers)} with "
        f"{_told(domain)}; widen it, or ask for fewer programs"
    )


def _told(domain: Domain) -> str:
    """The configuration's small fields."""
    fields = domain.config.model_dump(exclude={"kind"})
    return ", ".join(f"{k}={v}" for k, v in fields.items() if len(str(v)) < 40)


def _program(
    names: Iterator[str],
    split: ProgramSplit,
    drafts: Iterator[Draft],
    config: CorpusConfig,
    rng: np.random.Generator,
) -> Program:
    """The next draft for which fair items exist."""
    even = domain_of(config.domain).even_paths
    for draft in drafts:
        items = choose_items(draft.cases, config.items_per_program, rng, spare=1, even=even)
        if items is not None:
            free = tuple(i for i in range(len(draft.cases)) if i not in items)
            pseudonym = next(names)
            return Program(draft.name or pseudonym, split, draft, items, free)
    raise AssertionError("distinct_drafts raises before it ends")


def choose_items(
    cases: Sequence[Case], count: int, rng: np.random.Generator, *, spare: int, even: bool
) -> tuple[int, ...] | None:
    """Indices of `count` cases, balanced over paths and not guessable; None where none are.

    Paths are visited in turn. even: they differ by at most one item; else a path that runs out of
    cases is passed over. Every path keeps `spare` cases outside the items, for demonstrations.
    """
    by_path: dict[str, list[int]] = {}
    for i in rng.permutation(len(cases)):
        by_path.setdefault(cases[i].path, []).append(int(i))
    waiting = [indices[: len(indices) - spare] for indices in by_path.values()]
    chosen: list[int] = []
    guessed = _Guessed(int(MAX_SHARE_OF_ONE_ANSWER * count))
    while len(chosen) < count and any(waiting):
        for indices in waiting:
            if not indices and not even:
                continue
            i = next((i for i in indices if guessed.allows(cases[i])), None)
            if i is None:
                return None
            indices.remove(i)
            chosen.append(i)
            guessed.add(cases[i])
            if len(chosen) == count:
                break
    return tuple(sorted(chosen)) if len(chosen) == count else None


class _Guessed:
    """How often guessing would pay on the items chosen so far; white space does not count."""

    def __init__(self, most: int) -> None:
        self._most = most
        self._answers: Counter[str] = Counter()
        self._copies = 0

    def allows(self, case: Case) -> bool:
        pays = self._answers[squeezed(case.answer)] >= self._most
        return not pays and not (case.copied and self._copies >= self._most)

    def add(self, case: Case) -> None:
        self._answers[squeezed(case.answer)] += 1
        self._copies += case.copied


@lru_cache(maxsize=32)
def compositions(
    config: CorpusConfig, split: Split, count: int | None = None
) -> tuple[Program, ...]:
    """Pairs of a split's programs, one applied to what the other gives; evaluated on inner's items.

    Each program is the outer and the inner one of at most one pair. count: so many pairs; null = as
    many as fit. Raises TooFewPrograms where there are fewer.
    """
    corpus = build_corpus(config)
    if not corpus.domain.composes:
        raise TooFewPrograms(
            f"domain {config.domain.kind!r}: its programs do not compose; set evaluate.composed "
            "and train.compositions to 0"
        )
    programs = corpus.split(split)
    rng = stream("compositions", config.data_seed, split)
    outers = set(range(len(programs)))
    found: list[Program] = []
    for i in rng.permutation(len(programs)):
        for o in rng.permutation(sorted(outers - {int(i)})):
            pair = _composed(corpus.domain, programs[o], programs[i], rng)
            if pair is not None:
                found.append(pair)
                outers.remove(int(o))
                break
        if count is not None and len(found) == count:
            return tuple(found)
    if count is not None or not found:
        raise TooFewPrograms(
            f"domain {config.domain.kind!r}: {len(found)} pairs of {split} programs compose, "
            f"{count or 'some'} wanted; the inner one's answers must be inputs of the outer one: "
            "widen domain.inputs, or ask for fewer"
        )
    return tuple(found)


def _composed(
    domain: Domain, outer: Program, inner: Program, rng: np.random.Generator
) -> Program | None:
    """Free cases execute no item of either part: not inner's, nor, on what it gives, outer's."""
    draft = domain.compose(outer.draft, inner.draft)
    if draft is None:
        return None
    asked = {inner.draft.cases[i].input for i in inner.items}
    executed = {squeezed(outer.draft.cases[i].input) for i in outer.items}
    held_out = [i for i, case in enumerate(draft.cases) if case.input in asked]
    cases = [draft.cases[i] for i in held_out]
    apart = {c.input for c in inner.draft.cases if squeezed(domain.passed(c)) not in executed}
    free = tuple(i for i, c in enumerate(draft.cases) if c.input in apart - asked)
    for count in range(len(inner.items), MIN_COMPOSED_ITEMS - 1, -1):
        chosen = choose_items(cases, count, rng, spare=0, even=False)
        if chosen is not None:
            items = tuple(held_out[i] for i in chosen)
            name = f"{outer.name}.{inner.name}"
            return Program(name, "composed", draft, items, free, (outer, inner))
    return None


def composed_cases(config: CorpusConfig, split: Split) -> list[tuple[Program, int]]:
    """Free cases of a split's pairs, to be trained on. Raises NoFreeCase, TooFewPrograms."""
    cases = [(pair, i) for pair in compositions(config, split) for i in pair.free]
    if not cases:
        raise NoFreeCase(
            f"domain {config.domain.kind!r}: compositions of {split} programs leave no case that "
            "executes no evaluated item; raise domain.inputs, or set train.compositions to 0"
        )
    return cases

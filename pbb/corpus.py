"""(config, data_seed) -> programs and items; the same bytes in every process.

Acquisition, validation and target programs are disjoint in name and in meaning, and share no
meaning with the library that the shipped bases were pretrained on.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import lru_cache
from importlib import resources
from itertools import islice
from typing import Final

import numpy as np

from pbb.config import CorpusConfig, Split
from pbb.domains.domain import Domain, Draft, Program, ProgramSplit, squeezed
from pbb.domains.names import fresh_names
from pbb.domains.registry import blamed, domain_of
from pbb.fair_items import MAX_SHARE_OF_ONE_ANSWER, choose_items
from pbb.seeds import stream

MAX_IDLE_PROPOSALS: Final = 20_000
"""So many proposals in a row without a new program: the domain is exhausted."""
MIN_COMPOSED_ITEMS: Final = 5
"""A pair of programs is evaluated on so many of the inner one's items at least."""


class TooFewPrograms(ValueError):
    """The domain, as configured, does not hold as many programs as were asked for."""


class NotYourTargets(ValueError):
    """A program of another's would be a target, since one of the user's own cannot be."""


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


PassedOver = Callable[[Draft, str], None]
"""Is told of a draft that is no program of the corpus, and why."""


@lru_cache(maxsize=1)
def library_meanings() -> frozenset[str]:
    """Meanings of the library programs that the shipped bases have seen."""
    shipped = resources.files("pbb.models.nano").joinpath("library_meanings.json")
    return frozenset(json.loads(shipped.read_text()))


@lru_cache(maxsize=8)
def build_corpus(config: CorpusConfig) -> Corpus:
    """All programs and items of a study. Raises TooFewPrograms, NotYourTargets, FailedDomain.

    Splits are drawn targets first, so a study with more acquisition programs has the same targets.
    """
    with blamed(config.domain.kind):
        return _built(config)


def _built(config: CorpusConfig) -> Corpus:
    domain_of(config.domain).check_targets(config.targets)
    lost: dict[str, str] = {}
    fair = _fair_drafts(config, lost)
    names = fresh_names(stream("names", config.data_seed))
    sizes: dict[Split, int] = {
        "target": config.targets,
        "validation": config.validation,
        "acquisition": config.acquisition,
    }
    try:
        splits = {
            split: tuple(_programs(split, islice(fair, size), names, lost))
            for split, size in sizes.items()
        }
    except TooFewPrograms as error:
        wanted = ", ".join(f"{split} {size}" for split, size in sizes.items())
        raise TooFewPrograms(f"{error}; asked for: {wanted}") from None
    return Corpus(config, splits["acquisition"], splits["validation"], splits["target"])


def _programs(
    split: ProgramSplit,
    drafts: Iterable[tuple[Draft, tuple[int, ...]]],
    names: Iterator[str],
    lost: Mapping[str, str],
) -> Iterator[Program]:
    """Raises NotYourTargets."""
    for draft, items in drafts:
        if split == "target" and draft.own is None and lost:
            told = "; ".join(f"{own}: {reason}" for own, reason in lost.items())
            raise NotYourTargets(
                "a program that is none of your own would be a target in place of one that cannot "
                f"be: {told}; mend that, or lower programs.targets"
            )
        free = tuple(i for i in range(len(draft.cases)) if i not in items)
        pseudonym = next(names)
        yield Program(draft.name or pseudonym, split, draft, items, free)


def _fair_drafts(
    config: CorpusConfig, lost: dict[str, str]
) -> Iterator[tuple[Draft, tuple[int, ...]]]:
    """Distinct drafts with fair items. Raises TooFewPrograms.

    lost: filled with those of the user's own that are passed over, and why.
    """

    def passed_over(draft: Draft, reason: str) -> None:
        if draft.own is not None:
            lost[draft.own] = reason

    domain, count = domain_of(config.domain), config.items_per_program
    drawn, rng = stream("programs", config.data_seed), stream("items", config.data_seed)
    for draft in distinct_drafts(domain, drawn, library_meanings(), passed_over):
        items = choose_items(draft.cases, count, rng, spare=1, even=domain.even_paths)
        if items is not None:
            yield draft, items
            continue
        answers = len({squeezed(case.answer) for case in draft.cases})
        passed_over(
            draft,
            f"has no {count} fair items (its {len(draft.cases)} cases have {answers} different "
            f"answers, and no guess may be right on more than {MAX_SHARE_OF_ONE_ANSWER:.0%} of the "
            "items); give it inputs with more different answers, or lower items_per_program",
        )


def distinct_drafts(
    domain: Domain,
    rng: np.random.Generator,
    taken: Collection[str],
    passed_over: PassedOver = lambda draft, reason: None,
) -> Iterator[Draft]:
    """Drafts of pairwise different meaning, none of a meaning in `taken`. Raises TooFewPrograms."""
    seen: set[str] = set()
    answers: set[tuple[str, ...]] = set()
    idle = 0
    for draft in domain.drafts(rng):
        idle += 1
        if idle > MAX_IDLE_PROPOSALS:
            break
        if draft is None:
            continue
        given = tuple(case.answer for case in draft.cases)
        if draft.meaning in taken:
            passed_over(draft, "does what a program does that the bases were trained on")
            continue
        if draft.meaning in seen or given in answers:
            passed_over(draft, "answers as another one does")
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

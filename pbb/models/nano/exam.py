"""What a nano base can do, by domain, representation and format: in context, and from memory."""

from __future__ import annotations

import itertools
from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from functools import cache
from typing import Final, Literal, TypedDict

import numpy as np
import torch
from torch import nn

from pbb.documents import said
from pbb.domains.algorithms import Algorithms
from pbb.domains.configs import AlgorithmsConfig
from pbb.domains.domain import Domain, Representation, ResponseFormat
from pbb.evaluation.decoding import greedy
from pbb.evaluation.sampling_decoder import sampled
from pbb.models.encoding import Encoder
from pbb.models.nano.courses import courses
from pbb.models.nano.library import (
    PRETRAIN_SEED,
    Named,
    build_library,
    named,
    passing_names,
    unseen,
)
from pbb.models.nano.reading import composed, phrased, shown, use
from pbb.models.nano.small_functions import SmallFunctions
from pbb.seeds import stream

Where = Literal["context", "library", "context composed", "library composed"]
PROGRAMS: Final = 60
ITEMS: Final = 4
"""Items of each program."""
MAX_NEW_TOKENS: Final[dict[ResponseFormat, int]] = {"direct": 48, "cot": 128, "recite": 224}
ROWS: Final = 800
"""Prompts decoded at once."""


@dataclass(frozen=True)
class Subject:
    """Programs of one kind in one place."""

    kind: str
    where: Where
    programs: tuple[Named, ...]


class Mark(TypedDict):
    """Share of items answered right, beside what a guess without the program would get."""

    domain: str
    where: Where
    representation: Representation
    format: ResponseFormat
    accuracy: float
    chance: float
    items: int


@dataclass(frozen=True)
class Asked:
    """One item: a case of a program, and what is asked."""

    subject: int
    item: Named
    case: int
    representation: Representation
    response_format: ResponseFormat
    prompt: str


@cache
def subjects() -> tuple[Subject, ...]:
    """Everything that a base is asked about."""
    found = [Subject("algorithms, easy tier", "context", tuple(_shipped()))]
    kinds: dict[str, list[Domain]] = defaultdict(list)
    for course in courses():
        if course.library:
            kinds[_kind(course.domain)].append(course.domain)
    for kind, domains in kinds.items():
        fresh = tuple(_fresh(domains))
        known = [each for each in build_library() if each.domain in domains]
        picks = stream("card", PRETRAIN_SEED, kind).permutation(len(known))[:PROGRAMS]
        learnt = tuple(known[int(i)] for i in picks)
        found += [
            Subject(kind, "context", fresh),
            Subject(kind, "context composed", tuple(_pairs(fresh))),
            Subject(kind, "library", learnt),
            Subject(kind, "library composed", tuple(_pairs(learnt))),
        ]
    return tuple(subject for subject in found if subject.programs)


def _kind(domain: Domain) -> str:
    return "small functions" if isinstance(domain, SmallFunctions) else domain.config.kind


def _shipped() -> Iterator[Named]:
    """The easy tier of `algorithms`, which no base has read."""
    domain = Algorithms(AlgorithmsConfig())
    drafts = filter(None, domain.drafts(stream("unseen", PRETRAIN_SEED, "easy")))
    return (
        named(domain, name, draft) for name, draft in zip(passing_names(), drafts, strict=False)
    )


def _fresh(domains: Sequence[Domain]) -> Iterator[Named]:
    """Programs that no base has read, under names that it may have read for others."""
    sources = [unseen(domain, i) for i, domain in enumerate(domains)]
    turns = zip(itertools.cycle(range(len(domains))), passing_names()[:PROGRAMS], strict=False)
    for i, name in turns:
        yield named(domains[i], name, next(sources[i]))


def _pairs(programs: Sequence[Named]) -> Iterator[Named]:
    """Each program applied to what the next one gives that it can be applied to."""
    for i, outer in enumerate(programs):
        if outer.domain.sampled:  # two sentences, one after the other, ask for nothing new
            return
        others = (*programs[i + 1 :], *programs[:i])
        fitting = (composed(outer, inner) for inner in others if inner.domain is outer.domain)
        pair = next((p for p in fitting if p and len(p.program.draft.cases) >= ITEMS), None)
        if pair is not None:
            yield pair


def marks(model: nn.Module, encoder: Encoder, device: torch.device) -> list[Mark]:
    """All marks of a base; greedy, or sampled at temperature 1 where a domain is sampled."""
    model.eval()
    asked = [each for i in range(len(subjects())) for each in _asked(i)]
    right: dict[tuple[int, Representation, ResponseFormat], list[bool]] = defaultdict(list)
    for each, output in zip(asked, _answered(model, encoder, asked, device), strict=True):
        key = each.subject, each.representation, each.response_format
        right[key].append(_right(each, output))
    return [
        Mark(
            domain=subjects()[i].kind,
            where=subjects()[i].where,
            representation=representation,
            format=response_format,
            accuracy=round(float(np.mean(found)), 4),
            chance=round(chance(i), 4),
            items=len(found),
        )
        for (i, representation, response_format), found in right.items()
    ]


@cache
def chance(subject: int) -> float:
    """What a guess without the programs gets, on all their cases."""
    return float(np.mean([_chance(each) for each in subjects()[subject].programs]))


def _chance(item: Named) -> float:
    everything = tuple(range(len(item.program.draft.cases)))
    return item.domain.chance(replace(item.program, items=everything))


def _asked(number: int) -> Iterator[Asked]:
    subject = subjects()[number]
    domain = subject.programs[0].domain
    for representation, response_format in itertools.product(domain.phrasings, domain.formats):
        rng = stream("card", PRETRAIN_SEED, number, representation, response_format)
        for item in subject.programs:
            cases = item.program.draft.cases
            for i in rng.choice(len(cases), size=min(ITEMS, len(cases)), replace=False):
                told = phrased(item.domain, representation, rng)
                prompt, _ = use(item, cases[int(i)], response_format, told, rng)
                if subject.where.startswith("context"):
                    prompt = f"{shown(item, told, rng)}\n{prompt}"
                yield Asked(number, item, int(i), representation, response_format, prompt)


def _right(asked: Asked, output: str) -> bool:
    answer = said(output, asked.response_format)
    return asked.item.domain.correct(asked.item.program, asked.case, answer)


def _answered(
    model: nn.Module, encoder: Encoder, asked: Sequence[Asked], device: torch.device
) -> list[str]:
    """Decoded outputs, in order. Prompts of one format and like length are decoded together."""
    prompts = [encoder.prompt(each.prompt) for each in asked]

    def group(i: int) -> tuple[bool, ResponseFormat]:
        return asked[i].item.domain.sampled, asked[i].response_format

    order = sorted(range(len(prompts)), key=lambda i: (group(i), len(prompts[i])))
    outputs: dict[int, str] = {}
    for (is_sampled, response_format), members in itertools.groupby(order, key=group):
        waiting = list(members)
        for start in range(0, len(waiting), ROWS):
            batch = waiting[start : start + ROWS]
            chosen = [prompts[i] for i in batch]
            limit = MAX_NEW_TOKENS[response_format]
            decode = _sampled if is_sampled else _greedy
            rows = decode(model, encoder, chosen, limit, device)
            outputs |= {i: encoder.decode(ids) for i, ids in zip(batch, rows, strict=True)}
    return [outputs[i] for i in range(len(prompts))]


def _greedy(
    model: nn.Module,
    encoder: Encoder,
    prompts: Sequence[Sequence[int]],
    limit: int,
    device: torch.device,
) -> list[list[int]]:
    return greedy(
        model,
        prompts,
        pad_id=encoder.pad_id,
        eos_id=encoder.eos_id,
        max_new_tokens=limit,
        device=device,
    )


def _sampled(
    model: nn.Module,
    encoder: Encoder,
    prompts: Sequence[Sequence[int]],
    limit: int,
    device: torch.device,
) -> list[list[int]]:
    uniforms = stream("card", PRETRAIN_SEED, "sampling", limit).random((len(prompts), limit))
    return sampled(
        model,
        prompts,
        uniforms=uniforms,
        pad_id=encoder.pad_id,
        eos_id=encoder.eos_id,
        max_new_tokens=limit,
        device=device,
    )

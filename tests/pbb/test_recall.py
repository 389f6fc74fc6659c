"""Recitation and recall are judged by what training shows: right texts right, all others wrong."""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import lru_cache
from itertools import islice
from typing import Any

import pytest

from pbb.config import (
    Compositions,
    CorpusConfig,
    Declarations,
    Executions,
    PlaceboDeclarations,
    RecallQuestion,
    Source,
)
from pbb.corpus import Corpus, TooFewPrograms, build_corpus, compositions
from pbb.documents import Document
from pbb.domains.conformance import NANO
from pbb.domains.domain import Program
from pbb.domains.laws.subject import small
from pbb.domains.registry import SHIPPED, domain_class
from pbb.evaluation.items import items
from pbb.evaluation.recall import recalled_right, recited_right
from pbb.models.encoding import Encoder
from pbb.sampling import source_documents
from pbb.seeds import stream

SMALL: dict[str, dict[str, Any]] = {"grammars": {"inputs": 30}, "algorithms": {"inputs": 12}}
TOLD = [
    (kind, representation)
    for kind in SHIPPED
    for representation in domain_class(kind).phrasings  # every one that the domain has
]
SEEN = 150
"""Documents of each source; every program comes by in each of its phrasings."""


@lru_cache
def corpus_of(kind: str, representation: str) -> Corpus:
    config = domain_class(kind).Config.model_validate({"kind": kind, **SMALL.get(kind, {})})
    sizes = small(config, 1).model_dump() | {"representation": representation}
    return build_corpus(CorpusConfig.model_validate(sizes))


@lru_cache
def encoder() -> Encoder:
    return Encoder(NANO.load())


def documents(corpus: Corpus, source: Source) -> Iterator[Document]:
    return islice(source_documents(source, corpus, 0, stream("order", 0, "test", 0)), SEEN)


def said(document: Document) -> str:
    """The completion as a model that learnt it says it."""
    return encoder().decode(encoder().ids(document.completion))


def by_name(programs: tuple[Program, ...]) -> dict[str, Program]:
    return {program.name: program for program in programs}


def recited(corpus: Corpus) -> Iterator[tuple[dict[str, Program], Document]]:
    """Documents in the format `recite`, of single programs and, where there are such, of pairs."""
    single = Executions(split="target", formats=("recite",))
    yield from ((by_name(corpus.target), each) for each in documents(corpus, single))
    try:
        pairs = by_name(compositions(corpus.config, "acquisition"))
    except TooFewPrograms:
        return
    if any(pair.free for pair in pairs.values()):
        composed = Compositions(split="acquisition", formats=("recite",))
        yield from ((pairs, each) for each in documents(corpus, composed))


@pytest.mark.parametrize(("kind", "representation"), TOLD)
def test_what_recital_trains_is_right_for_its_program_alone(kind: str, representation: str) -> None:
    corpus = corpus_of(kind, representation)
    told = set()
    for programs, document in recited(corpus):
        text = said(document)
        told.add(document.completion)
        right = [name for name, each in programs.items() if recited_right(text, each, corpus)]
        assert right == [document.program]
    assert len(told) >= len(corpus.target) * corpus.domain.phrasings[corpus.config.representation]


@pytest.mark.parametrize(("kind", "representation"), TOLD)
def test_a_recital_must_be_whole_and_nothing_else(kind: str, representation: str) -> None:
    corpus = corpus_of(kind, representation)
    for programs, document in islice(recited(corpus), 40):
        program = programs[document.program]
        recital = re.split(r"\n(?:trace|answer):", document.completion)[0]
        assert recited_right(recital, program, corpus), "an answer may be missing"
        for broken in (recital[:-1], f"{recital} x", f"x {recital}", ""):
            for rest in ("", "\ntrace: 1\nanswer: 1", "\nanswer: 1"):
                assert not recited_right(broken + rest, program, corpus)


@pytest.mark.parametrize(("kind", "representation"), TOLD)
def test_what_a_declaration_trains_is_recalled_right(kind: str, representation: str) -> None:
    corpus = corpus_of(kind, representation)
    programs = by_name(corpus.target)
    for document in documents(corpus, Declarations(split="target")):
        text = said(document)
        right = [name for name, each in programs.items() if recalled_right(text, each, corpus)]
        assert right == [document.program]
        assert not recalled_right(f"{text} x", programs[document.program], corpus)
    for document in documents(corpus, PlaceboDeclarations(split="target")):
        assert not recalled_right(said(document), programs[document.program], corpus)


@pytest.mark.parametrize(("kind", "representation"), TOLD)
def test_recall_asks_as_declarations_do_and_expects_what_they_teach(
    kind: str, representation: str
) -> None:
    corpus = corpus_of(kind, representation)
    asked = list(items(RecallQuestion(split="target", templates=3, programs=2), corpus))
    assert [(item.program.name, item.index) for item in asked] == [
        (program.name, index) for program in corpus.target[:2] for index in range(3)
    ]
    assert len({item.prompt for item in asked}) == len(asked)
    shown = source_documents(Declarations(split="target"), corpus, 0, stream("order", 0, "test", 0))
    assert {item.prompt for item in asked} <= {each.prompt for each in islice(shown, 2000)}
    for item in asked:
        assert recalled_right(item.expected, item.program, corpus)

"""Splits and leakage, for every shipped domain in every representation, by probes of their own.

That every process gives the same bytes is the law `same_everywhere` of test_conformance.
"""

from __future__ import annotations

import itertools
from collections import Counter
from dataclasses import replace

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from pbb.config import (
    PBB_ARMS,
    Arm,
    CorpusConfig,
    Declarations,
    Executions,
    InContext,
    PlaceboDeclarations,
    Representation,
)
from pbb.corpus import Corpus, build_corpus, library_meanings
from pbb.documents import Document
from pbb.domains.laws.subject import documents, small, sources
from pbb.domains.registry import SHIPPED, domain_class

SMALL = {"arithmetic": {}, "ciphers": {}, "grammars": {"inputs": 30}, "algorithms": {"inputs": 12}}
TOLD: tuple[tuple[str, Representation], ...] = tuple(itertools.product(SHIPPED, ("code", "prose")))
seeds = st.integers(0, 10_000)


def corpus_config(kind: str, told: Representation, seed: int) -> CorpusConfig:
    domain = domain_class(kind).Config.model_validate({"kind": kind, **SMALL[kind]})
    return CorpusConfig.model_validate({**dict(small(domain, seed)), "representation": told})


def shown_items(corpus: Corpus, document: Document) -> list[str]:
    """Texts by which a document would give an item away."""
    text = f"{document.prompt}{document.completion}"
    programs = (*corpus.acquisition, *corpus.validation, *corpus.target)
    if corpus.domain.sampled:
        answers = {
            program.name: [program.draft.cases[i].answer for i in program.items]
            for program in programs
        }
        lines = text.removeprefix(document.prompt).splitlines()
        said = [line.removeprefix("answer:").strip() for line in lines]
        return [answer for answer in answers.get(document.program, ()) if answer in said]
    calls = (
        corpus.domain.call([program.name], program.draft.cases[i])
        for program in programs
        for i in program.items
    )
    return [call for call in calls if call in text]


@pytest.mark.parametrize(("kind", "told"), TOLD)
@settings(max_examples=2)
@given(seed=seeds)
@example(seed=0)
def test_splits_are_disjoint(kind: str, told: Representation, seed: int) -> None:
    made = build_corpus(corpus_config(kind, told, seed))
    programs = (*made.acquisition, *made.validation, *made.target)
    for shared in (
        [program.name for program in programs],
        [program.draft.meaning for program in programs],
        [tuple(case.answer for case in program.draft.cases) for program in programs],
    ):
        assert max(Counter(shared).values()) == 1
    assert not {program.draft.meaning for program in programs} & library_meanings()


@pytest.mark.parametrize(("kind", "told"), TOLD)
@settings(max_examples=2)
@given(seed=seeds)
@example(seed=0)
def test_no_training_document_shows_an_item(kind: str, told: Representation, seed: int) -> None:
    config = corpus_config(kind, told, seed)
    made = build_corpus(config)
    arms: tuple[Arm, ...] = ("both", "instruction", "demonstrations", "placebo", "none")
    found = [d for source in sources(config, arms) for d in documents(config, source)]
    assert {d.kind for d in found} == {"declaration", "placebo", "execution", "in_context"}
    for document in found:
        assert not shown_items(made, document)


@pytest.mark.parametrize(("kind", "told"), TOLD)
def test_arms_that_claim_pbb_take_no_target_execution(kind: str, told: Representation) -> None:
    config = corpus_config(kind, told, 0)
    taken = sources(config, tuple(sorted(PBB_ARMS)))
    of_targets = [source for source in taken if source.split == "target"]
    assert set(of_targets) == {Declarations(split="target"), PlaceboDeclarations(split="target")}
    for source in of_targets:
        assert all(document.input is None for document in documents(config, source))


@pytest.mark.parametrize(("kind", "told"), TOLD)
def test_the_probe_sees_an_item_that_is_shown(kind: str, told: Representation) -> None:
    config = corpus_config(kind, told, 0)
    made = build_corpus(config)
    swapped = [replace(program, items=program.free, free=program.items) for program in made.target]
    leaky = Corpus(config, made.acquisition, made.validation, tuple(swapped))
    source = Executions(split="target", formats=("direct",))
    assert any(shown_items(leaky, document) for document in documents(config, source))


@pytest.mark.parametrize("kind", SHIPPED)
def test_programs_are_the_same_in_every_representation(kind: str) -> None:
    code, prose = (build_corpus(corpus_config(kind, told, 1)) for told in ("code", "prose"))
    assert (code.acquisition, code.validation, code.target) == (
        prose.acquisition,
        prose.validation,
        prose.target,
    )
    source = InContext(split="acquisition", formats=("direct",))
    once = sum(len(program.free) for program in code.acquisition)
    asked = [documents(made.config, source)[:once] for made in (code, prose)]
    assert [(d.program, d.input) for d in asked[0]] == [(d.program, d.input) for d in asked[1]]
    assert not {d.prompt for d in asked[0]} & {d.prompt for d in asked[1]}

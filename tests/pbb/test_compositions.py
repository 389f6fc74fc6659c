"""Composed programs: what training shows of them executes no item of either part."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pytest

from pbb.config import CorpusConfig
from pbb.corpus import NoFreeCase, build_corpus, composed_cases, compositions
from pbb.domains.conformance import broken
from pbb.domains.domain import Case, Program
from pbb.domains.laws.subject import Subject, documents, runs
from pbb.domains.registry import domain_class
from search_spaces.errors import StudyError
from study.plan import check_corpora, make_plan
from tests.study.studies import fake_base, small_study

SMALL: dict[str, dict[str, Any]] = {
    "arithmetic": {"inputs": 24, "value_max": 40},
    "ciphers": {"alphabet": 4, "length": 3, "keys": 2, "inputs": 20},
    "algorithms": {"inputs": 12},
}


def config(kind: str, acquisition: int = 12) -> CorpusConfig:
    domain = domain_class(kind).Config.model_validate({"kind": kind, **SMALL[kind]})
    sizes = {"targets": 4, "validation": 2, "acquisition": acquisition, "items_per_program": 5}
    return CorpusConfig.model_validate({"domain": domain, "data_seed": 3, **sizes})


def arguments(text: str) -> tuple[Any, ...]:
    found = ast.literal_eval(f"({text},)")
    assert isinstance(found, tuple)
    return found


def outer_arguments(kind: str, given: Case) -> tuple[Any, ...]:
    """What outer is called with, worked out from what inner was asked and answered."""
    if kind == "ciphers":
        return given.answer.replace(" ", ""), arguments(given.input)[1]
    return arguments(given.answer)


def executed_items(kind: str, pair: Program, cases: tuple[int, ...]) -> int:
    """Of these cases so many whose outer part runs on one of outer's items."""
    outer, inner = pair.parts
    items = [arguments(outer.draft.cases[i].input) for i in outer.items]
    given = {case.input: outer_arguments(kind, case) for case in inner.draft.cases}
    return sum(given[pair.draft.cases[i].input] in items for i in cases)


@pytest.mark.parametrize("kind", SMALL)
def test_free_cases_execute_no_item_of_either_part(kind: str) -> None:
    pairs = compositions(config(kind), "acquisition")
    assert sum(len(pair.free) for pair in pairs) > 5 * len(pairs)
    dropped = 0
    for pair in pairs:
        inner = pair.parts[1]
        asked = {inner.draft.cases[i].input for i in inner.items}
        assert {pair.draft.cases[i].input for i in pair.items} <= asked
        assert not {pair.draft.cases[i].input for i in pair.free} & asked
        assert executed_items(kind, pair, pair.free) == 0
        left = set(range(len(pair.draft.cases))) - {*pair.free, *pair.items}
        dropped += executed_items(kind, pair, tuple(left))
    assert dropped > 0 or kind == "algorithms"  # whose answers seldom are an item of another


@pytest.fixture
def uncached() -> Iterator[None]:
    caches = (compositions, runs, documents)
    for cached in caches:
        cached.cache_clear()
    yield
    for cached in caches:
        cached.cache_clear()


@pytest.mark.usefixtures("uncached")
@pytest.mark.parametrize("kind", ["arithmetic", "ciphers"])
def test_the_law_sees_an_item_of_outer(kind: str, monkeypatch: pytest.MonkeyPatch) -> None:
    subject = Subject(config(kind), ())
    with monkeypatch.context() as patch:
        patch.setattr(domain_class(kind), "passed", lambda *_: "?")  # so nothing is left out
        pairs = compositions(subject.config, "acquisition")
    assert sum(executed_items(kind, pair, pair.free) for pair in pairs) > 0
    assert any("an item of outer" in each.message for each in broken("no_leakage", subject))


@pytest.mark.parametrize("kind", SMALL)
def test_what_is_passed_is_an_input_of_outer_where_it_has_that_case(kind: str) -> None:
    made = build_corpus(config(kind))
    for inner in made.acquisition:
        for case in inner.draft.cases:
            assert arguments(made.domain.passed(case)) == outer_arguments(kind, case)


def plan_with(domain: dict[str, Any]) -> Any:
    stage = {"steps": 30, "tokens_per_step": 64, "peak_lr": 1e-3}
    train = {"stage1": stage, "stage2": stage, "compositions": 0.1}
    grid = {"model": "tiny", "acquisition": 6, "arm": ["instruction", "none"], "seed": 1}
    grid["response_format"] = "direct"
    return make_plan(
        small_study(domain=domain, factors=[grid], train=train, headline=HEADLINE), fake_base
    )


HEADLINE = {"instruction": "direct", "demonstrations": "direct", "demonstration_format": "answer"}


def test_a_study_that_cannot_compose_is_refused_before_it_trains() -> None:
    with pytest.raises(StudyError, match="do not compose"):
        check_corpora(plan_with({"kind": "grammars", "inputs": 30}))


def test_so_is_one_whose_pairs_leave_nothing_to_train_on(monkeypatch: pytest.MonkeyPatch) -> None:
    study = plan_with({"kind": "arithmetic"})
    check_corpora(study)

    def none_free(*asked: Any) -> tuple[Program, ...]:
        return tuple(replace(pair, free=()) for pair in compositions(*asked))

    monkeypatch.setattr("pbb.corpus.compositions", none_free)
    with pytest.raises(NoFreeCase):
        composed_cases(config("arithmetic"), "acquisition")
    with pytest.raises(StudyError, match=r"train\.compositions"):
        check_corpora(study)


def test_a_sampled_domain_does_not_compose() -> None:
    class Sampled(domain_class("ciphers")):  # type: ignore[misc]
        sampled = True

    assert domain_class("ciphers")(None).composes and not Sampled(None).composes
    assert not domain_class("grammars")(None).composes

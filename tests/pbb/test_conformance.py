"""The shipped domains and the documented example obey every law; broken ones are found out."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pytest

from pbb.config import CorpusConfig, Executions, RunConfig
from pbb.domains import conformance
from pbb.domains.conformance import LAWS, NANO, broken, check_corpus, check_domain, obeys
from pbb.domains.domain import DomainConfig, Program
from pbb.domains.laws.subject import Subject, documents, small
from pbb.domains.registry import SHIPPED, domain_class
from tests.pbb.example_domain import install, install_example

FAULTS = {
    "Lossy": "configuration",
    "SameName": "disjoint_splits",
    "Counting": "steady_targets",
    "MeaningOfCases": "meaning_of_behaviour",
    "TwoLines": "sound_cases",
    "OneInput": "sound_cases",
    "CueInAnswer": "sound_cases",
    "CueInTrace": "sound_cases",
    "FewCases": "sound_cases",
    "BlanksMatter": "right_answers",
    "AnyOrder": "wrong_answers",
    "Raising": "wrong_answers",
    "FirstLetter": "honest_chance",
    "Certain": "honest_chance",
    "NotFinite": "sound_measures",
    "Renaming": "sound_measures",
    "InnerLast": "true_compositions",
    "LibraryTemplates": "twenty_templates",
    "NineteenTemplates": "twenty_templates",
    "NamedTwice": "twenty_templates",
    "NoTraces": "known_formats",
    "OuterBreaks": "clean_instructions",
    "CueInInstruction": "answers_read_back",
    "Speechless": "distinct_instructions",
    "Repetitive": "distinct_instructions",
    "LengthOfName": "names_as_given",
    "Mute": "telling_calls",
    "Sourced": "traces_of_values",
    "WithExamples": "no_leakage",
    "BringsAnother": "no_leakage",
    "Greek": "exact_masks",
    "Lengthy": "fitting_lengths",
    "HashOrdered": "same_everywhere",
    "GloballyRandom": "same_everywhere",
}
"""Class of tests.pbb.faulty_domains, which is its kind -> the law that it breaks."""
OF_THE_CORE = {"fair_items", "foreign_placebos"}
"""Laws that no domain can break through its own methods."""
SMALL: dict[str, dict[str, Any]] = {"grammars": {"inputs": 30}, "algorithms": {"inputs": 12}}
"""Settings of a shipped kind that make a small corpus."""


@pytest.fixture(scope="module", autouse=True)
def plugins(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """The documented example and the broken domains, where Python finds packages."""
    folder = tmp_path_factory.mktemp("site")
    install_example(folder)
    install(folder, "faulty", {kind: f"tests.pbb.faulty_domains:{kind}" for kind in FAULTS})
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(str(folder))
        yield


def shipped(kind: str) -> DomainConfig:
    return domain_class(kind).Config.model_validate({"kind": kind, **SMALL.get(kind, {})})


def flips(**settings: Any) -> DomainConfig:
    return domain_class("flips").Config(**settings)


def faulty(kind: str) -> DomainConfig:
    return domain_class(kind).Config(kind=kind)


@pytest.mark.parametrize("law", LAWS)
@pytest.mark.parametrize("kind", SHIPPED)
def test_shipped_domains_obey(kind: str, law: str) -> None:
    obeys(law, shipped(kind), data_seed=1)


def test_the_documented_example_conforms() -> None:
    assert check_domain(flips()) == ()
    assert check_corpus(CorpusConfig(domain=flips(), data_seed=3, acquisition=8, targets=6)) == ()


@pytest.mark.parametrize(("kind", "law"), FAULTS.items())
def test_a_broken_domain_is_found_out(kind: str, law: str) -> None:
    found = broken(law, Subject(small(faulty(kind), 5)))
    assert found
    assert all(finding.law == law and finding.message for finding in found)


def test_every_law_has_a_fault_that_breaks_it() -> None:
    assert set(FAULTS.values()) | OF_THE_CORE == set(LAWS)


def test_obeying_raises_with_what_is_wrong() -> None:
    with pytest.raises(conformance.NotConforming, match=r"sound_cases.* more than a bare line"):
        obeys("sound_cases", faulty("TwoLines"))


def test_too_few_programs_are_a_finding() -> None:
    found = check_domain(flips(steps=1, inputs=6), readers=())
    assert len(found) == 1
    assert "too few distinct programs" in str(found[0])


class Overlapping(Subject):
    """Its programs' first item is free as well."""

    @property
    def programs(self) -> tuple[Program, ...]:
        return tuple(replace(p, free=(*p.free, p.items[0])) for p in super().programs)


def test_shared_items_are_found_out() -> None:
    assert broken("fair_items", Overlapping(small(flips(), 6)))


def _not_deranged(programs: Any, *seeds: int) -> list[tuple[Program, Program]]:
    return [(program, program) for program in programs]


def _every_case(program: Program, *drawn: object) -> list[int]:
    return list(range(len(program.draft.cases)))


def _targets_shown(run: RunConfig) -> list[Executions]:
    return [Executions(split="target", formats=("direct",))]


@pytest.mark.parametrize(
    ("law", "function", "fault"),
    [
        ("foreign_placebos", "pbb.sampling.deranged", _not_deranged),
        ("no_leakage", "pbb.sampling.demonstration_inputs", _every_case),
        ("no_leakage", "pbb.mixtures.target_sources", _targets_shown),
    ],
)
def test_a_broken_core_is_found_out(
    law: str, function: str, fault: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    subject = Subject(small(flips(), 7))
    assert not broken(law, subject)
    documents.cache_clear()
    monkeypatch.setattr(function, fault)
    try:
        assert broken(law, subject)
    finally:
        documents.cache_clear()


def test_a_reader_may_know_less_and_read_less() -> None:
    greek = Subject(small(faulty("Greek")), (replace(NANO, unknown="allowed"),))
    assert not broken("exact_masks", greek)
    short = Subject(small(flips()), (replace(NANO, limit=40),))
    assert broken("fitting_lengths", short)
    assert not broken("fitting_lengths", replace(short, readers=()))

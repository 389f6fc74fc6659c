"""A study may name any domain, and vary its settings; what a domain has not is refused."""

from __future__ import annotations

import pytest

from pbb.domains.ciphers import Ciphers
from search_spaces.errors import StudyError
from search_spaces.factors import domain_settings
from search_spaces.runs import run_config
from search_spaces.samplers import enumerate_space
from tests.search_spaces.studies import study_with

FACTORS = {
    "model": "base",
    "arm": ["instruction", "none"],
    "response_format": ["cot", "recite"],
}


@pytest.mark.parametrize(
    ("domain", "says"),
    [
        (7, "mapping with its kind"),
        ({"kind": "cipherz"}, "unknown domain 'cipherz'"),
        ({"kind": "ciphers", "stagez": 2}, "did you mean 'stages'"),
        ({"kind": "arithmetic", "steps": 300}, "domain.steps = 300"),
    ],
)
def test_a_wrong_domain_is_told_at_its_key(domain: object, says: str) -> None:
    with pytest.raises(StudyError, match=says):
        study_with(domain=domain)


@pytest.mark.parametrize(
    ("kind", "factors", "says"),
    [
        ("ciphers", {"paths": 2}, "has no paths"),
        ("ciphers", {"domain": {"colour": 1}}, "no such setting; it has: "),
        ("ciphers", {"domain": {"stages": [1, 99]}}, "99"),
    ],
)
def test_factors_that_a_domain_lacks_are_refused(
    kind: str, factors: dict[str, object], says: str
) -> None:
    with pytest.raises(StudyError, match=says):
        study_with(domain={"kind": kind}, factors={**FACTORS, **factors})


def test_a_format_that_a_domain_is_not_asked_in_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Ciphers, "formats", ("direct", "recite"))
    with pytest.raises(StudyError, match="not asked in 'cot'"):
        study_with(domain={"kind": "ciphers"}, factors=FACTORS)


def test_one_tier_of_algorithms_is_a_value_of_the_factor() -> None:
    study = study_with(
        domain={"kind": "algorithms"}, factors={**FACTORS, "domain": {"tiers": ["easy", "hard"]}}
    )
    asked = {
        run_config(study, point).corpus.domain.model_dump()["tiers"]
        for point in enumerate_space(study)
    }
    assert asked == {("easy",), ("hard",)}


def test_settings_of_the_domain_cross_with_the_other_factors() -> None:
    varied = {"stages": [1, 2], "alphabet": [8, 10]}
    study = study_with(domain={"kind": "ciphers", "keys": 3}, factors={**FACTORS, "domain": varied})
    space = enumerate_space(study)
    assert len(space) == len(FACTORS["arm"]) * 4
    for point in space:
        domain = run_config(study, point).corpus.domain.model_dump()
        assert domain | domain_settings(point) == domain, "the point's settings are the run's"
        assert domain["keys"] == 3

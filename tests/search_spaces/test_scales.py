"""Scales: what a study asks stays as it was written, of larger bases."""

from __future__ import annotations

import pytest

from search_spaces.errors import StudyError
from search_spaces.findings import findings
from search_spaces.samplers import points
from search_spaces.scales import NANO, scaled, scales
from search_spaces.study_file import Study, dump_study, load_study, parse_study
from study.findings import FOLDER, studies
from study.plan import check_corpora, make_plan
from tests.search_spaces.studies import TEXT

NAMES = [path.stem for path in sorted(FOLDER.glob("f*.yaml"))]


def test_every_finding_has_a_study_that_claims_it() -> None:
    claimed = {claim.finding for study in studies() for claim in study.claims}
    assert set(findings()) <= claimed
    assert [f"f{number:02d}" for number in range(1, 13)] == NAMES
    assert all(sum(claim.primary for claim in study.claims) == 1 for study in studies())


def test_findings_share_what_would_part_their_stages() -> None:
    """F9 has more inputs, for a skew needs enough of them on either path."""
    shared = {
        (study.domain, study.data_seed, study.programs, study.train.stage1, study.train.stage2)
        for study in studies()
        if study.name != "f09"
    }
    assert len(shared) == 1


def test_every_findings_study_can_have_its_data() -> None:
    for study in studies():
        check_corpora(make_plan(study))


@pytest.mark.parametrize("scale", scales())
@pytest.mark.parametrize("name", NAMES)
def test_a_scale_keeps_the_question(name: str, scale: str) -> None:
    """No base of the nano ladder is left, and every arm, curriculum and seed stays."""
    written = load_study(name)
    larger = scaled(written, scale)
    assert larger.name == f"{name}-{scale}"
    assert (larger.question, larger.data_seed) == (written.question, written.data_seed)
    assert {p["model"] for p in points(larger)} <= set(scales()[scale].bases.values())
    for kept in ("arm", "curriculum", "seed", "demonstrations", "skew", "templates"):
        assert {p[kept] for p in points(larger)} == {p[kept] for p in points(written)}
    assert {c.finding for c in larger.claims} == {c.finding for c in written.claims}
    assert parse_study(dump_study(larger), "text") == larger


@pytest.mark.parametrize("scale", scales())
def test_a_scale_reaches_the_stages_that_a_study_writes(scale: str) -> None:
    """Their kinds, documents and order stay, and so do the ratios of their rates."""
    written = load_study("f06")
    larger = scaled(written, scale)
    assert written.curricula and scales()[scale].stages
    ratios = set()
    for name, stages in written.curricula.items():
        for before, after in zip(stages, larger.curricula[name], strict=True):
            own, data = before.model_dump(mode="json"), after.model_dump(mode="json")
            assert data.get("documents") == own.get("documents") and data.keys() == own.keys()
            for key, wanted in scales()[scale].stages.items():
                if own.get(key):
                    assert wanted.items() <= data[key].items()
                    ratios.add(data[key]["peak_lr"] / own[key]["peak_lr"])
    assert max(ratios) < 1.02 * min(ratios) and max(ratios) < 1


def test_nano_is_the_study_as_written() -> None:
    study = load_study("f01")
    assert scaled(study, NANO) is study


def test_what_has_no_place_at_a_scale_is_refused() -> None:
    with pytest.raises(StudyError, match=r"'smollm'.*did you mean 'smollm2'"):
        scaled(load_study("f01"), "smollm")
    study: Study = parse_study(TEXT, "text")
    with pytest.raises(StudyError, match="no base for 'base'"):
        scaled(study, "smollm2")

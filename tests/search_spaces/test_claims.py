"""Claims in a study file: what cannot be tested is refused, the rest round-trips."""

from __future__ import annotations

import jsonschema
import pytest

from search_spaces.claims import FINDINGS, Difference, Interaction, sentence, sides
from search_spaces.errors import StudyError
from search_spaces.findings import findings
from search_spaces.study_file import (
    SHIPPED,
    Study,
    dump_study,
    load_study,
    parse_study,
    smoke_study,
    study_schema,
)
from search_spaces.yaml12 import read_yaml
from study.plan import make_plan
from tests.search_spaces.studies import TEXT, study_with
from tests.study.studies import fake_base

INSTRUCTION = (
    "{finding: F1, kind: difference, of: {arm: instruction}, against: {arm: none}, margin: 5}"
)
GOOD = [
    INSTRUCTION,
    "{finding: my own-name, kind: rate, threshold: 2, margin: 0.3, claim: 'Worth two: or more.'}",
    "{finding: F3, kind: rate, margin: 0, sign: below, where: {curriculum: proactive}}",
    "{finding: F12, kind: trend, along: demonstrations, where: {arm: demonstrations}, margin: 5}",
    "{finding: F7, kind: difference, of: {response_format: recite}, against: "
    "{response_format: cot}, where: {arm: instruction, model: base}, margin: 5}",
    "{finding: F3, kind: difference, of: {arm: demonstrations, demonstrations: 4, "
    "demonstration_format: trace}, against: {arm: none}, margin: 5, primary: true}",
]

BAD = {
    "unknown finding": (INSTRUCTION.replace("F1,", "F13,"), ["finding", "'F13'", "F12"]),
    "unknown kind": (INSTRUCTION.replace("difference", "differance"), ["differance", "'rate'"]),
    "unknown key": (INSTRUCTION.replace("margin", "margn"), ["margn", "'margin'"]),
    "unknown factor": (INSTRUCTION.replace("of: {arm", "of: {arms"), ["of.arms", "'arm'"]),
    "no margin": (INSTRUCTION.replace(", margin: 5", ""), ["'margin'", "add it"]),
    "negative margin": (INSTRUCTION.replace("margin: 5", "margin: -5"), ["margin", "-5"]),
    "infinite margin": (INSTRUCTION.replace("margin: 5", "margin: .inf"), ["margin", "inf"]),
    "text for a number": (INSTRUCTION.replace("margin: 5", "margin: five"), ["margin", "'five'"]),
    "unknown side": (INSTRUCTION.replace("margin", "sign: over, margin"), ["sign", "'over'"]),
    "value of no factor": (
        INSTRUCTION.replace("none", "placebo"),
        ["against.arm", "'placebo'", "factors.arm", "demonstrations, instruction, none"],
    ),
    "n = 0": (
        INSTRUCTION.replace("{arm: none}", "{arm: demonstrations, demonstrations: 0}"),
        ["against.demonstrations", "'none'"],
    ),
    "one side alone": (
        INSTRUCTION.replace("of: {", "of: {response_format: cot, "),
        ["'response_format'", "one side alone", "where"],
    ),
    "nothing between the sides": (INSTRUCTION.replace("none", "instruction"), ["same cells"]),
    "arm that recites nothing": (
        INSTRUCTION.replace("margin", "where: {response_format: recite}, margin"),
        ["no run", "recite"],
    ),
    "n of an arm without": (
        INSTRUCTION.replace("of: {", "of: {demonstrations: 4, "),
        ["'demonstrations'", "'instruction'", "remove it"],
    ),
    "trend along one value": (
        "{finding: F11, kind: trend, along: model, margin: 5}",
        ["along", "'model'", "1 value"],
    ),
    "trend along what is held": (
        "{finding: F3, kind: trend, along: demonstrations, margin: 5, "
        "where: {arm: demonstrations, demonstrations: 4}}",
        ["where.demonstrations", "held"],
    ),
    "rate in a format not asked": (
        "{finding: F3, kind: rate, margin: 1, pair: {instruction: direct, demonstrations: cot, "
        "demonstration_format: trace}}",
        ["no run of this study", "direct"],
    ),
    "rate of an arm": ("{finding: F3, kind: rate, margin: 1, where: {arm: both}}", ["where.arm"]),
    "threshold 0": ("{finding: F3, kind: rate, margin: 1, threshold: 0}", ["threshold", "0"]),
    "empty sentence": (INSTRUCTION.replace("margin", "claim: '', margin"), ["claim", "''"]),
}


def claiming(*claims: str, more: str = "") -> Study:
    return parse_study(TEXT + more + listed(*claims), "my.yaml")


def listed(*claims: str) -> str:
    return "claims:\n" + "".join(f"  - {claim}\n" for claim in claims)


@pytest.mark.parametrize(("claim", "named"), BAD.values(), ids=BAD.keys())
def test_a_mistake_is_told_with_place_value_and_way_out(claim: str, named: list[str]) -> None:
    with pytest.raises(StudyError) as caught:
        claiming(INSTRUCTION, claim)
    told = str(caught.value)
    assert all(line.startswith("my.yaml:19: ") for line in told.splitlines())
    for word in named:
        assert word in told


def test_claims_round_trip_and_fit_the_schema() -> None:
    study = claiming(*GOOD)
    assert len(study.claims) == len(GOOD)
    assert parse_study(dump_study(study), "dumped") == study
    text = TEXT + listed(*GOOD)
    jsonschema.validate(read_yaml(text, "my.yaml").data, study_schema())
    for name in ("unknown kind", "unknown key", "unknown factor", "no margin", "negative margin"):
        data = read_yaml(TEXT + listed(BAD[name][0]), "my.yaml").data
        with pytest.raises(jsonschema.ValidationError):
            jsonschema.validate(data, study_schema())


def test_one_claim_is_primary_at_most_and_it_is_the_declared_one() -> None:
    marked = GOOD[-1]
    where = "where: {model: base, curriculum: proactive}"
    rate = f"{{finding: F3, kind: rate, margin: 1, primary: true, {where}}}"
    assert [claim.primary for claim in claiming(INSTRUCTION, marked).claims] == [False, True]
    with pytest.raises(StudyError, match=r":19: claims\.1\.primary: .*claim 1"):
        claiming(marked, rate)
    declared = "primary: {model: base}\n"
    assert claiming(rate, more=declared).claims[0].primary
    for other in (marked, rate.replace("model: base, ", "")):
        with pytest.raises(StudyError, match=r":19: claims\.0\.primary: .*base, proactive"):
            claiming(other, more=declared)


def test_no_run_depends_on_a_claim() -> None:
    plain = study_with()
    claimed = claiming(*GOOD)
    one, other = make_plan(plain, fake_base), make_plan(claimed, fake_base)
    assert [trial.id for trial in one.trials] == [trial.id for trial in other.trials]
    assert list(one.stages()) == list(other.stages())


def test_a_smoke_study_claims_nothing_unless_it_says_so() -> None:
    small = "smoke:\n  factors: {arm: [none, demonstrations, instruction], seed: 9}\n"
    assert smoke_study(claiming(INSTRUCTION, more=small)).claims == ()
    own = small + f"  claims: [{INSTRUCTION}]\n"
    assert len(smoke_study(claiming(INSTRUCTION, more=own)).claims) == 1


def test_sides_share_what_the_claim_shares_and_sum_to_nothing() -> None:
    study = claiming(GOOD[4])
    (difference,) = study.claims
    assert isinstance(difference, Difference)
    shared = {"arm": "instruction", "model": "base"}
    assert sides(difference) == [
        (shared | {"response_format": "recite"}, 1),
        (shared | {"response_format": "cot"}, -1),
    ]
    for finding in findings().values():
        for claim in finding.claims:
            if isinstance(claim, Difference | Interaction):
                signs = [sign for _, sign in sides(claim)]
                assert sum(signs) == 0
                assert len(signs) == (2 if isinstance(claim, Difference) else 4)


def test_every_finding_is_stated_and_its_templates_are_its_own() -> None:
    known = findings()
    assert tuple(known) == FINDINGS
    for name, finding in known.items():
        assert finding.statement and finding.contrast and finding.needs
        assert all(claim.finding == name for claim in finding.claims)


def test_a_claim_without_a_sentence_gets_one_of_its_own() -> None:
    told = [sentence(claim) for finding in findings().values() for claim in finding.claims]
    assert len(set(told)) == len(told)
    assert sentence(claiming(GOOD[1]).claims[0]) == "Worth two: or more."


@pytest.mark.parametrize("name", sorted(path.stem for path in SHIPPED.rglob("*.yaml")))
def test_shipped_studies_claim_and_declare_one_contrast(name: str) -> None:
    study = load_study(name)
    assert sum(claim.primary for claim in study.claims) == 1

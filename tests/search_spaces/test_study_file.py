"""The study file: a mistake is told once, with its place and the way out; the rest round-trips."""

from __future__ import annotations

import json
from pathlib import Path

import jsonschema
import pytest
from hypothesis import given
from hypothesis import strategies as st

from search_spaces.errors import StudyError
from search_spaces.settings import Range
from search_spaces.study_file import (
    MAX_BYTES,
    SHIPPED,
    dump_study,
    load_study,
    parse_study,
    smoke_study,
    study_data,
    study_schema,
)
from search_spaces.yaml12 import read_yaml
from tests.search_spaces.studies import TEXT, assert_refused, edited, study_with

LR = "nuisances: {stage2.peak_lr: {low: 1e-4, high: 1e-2, log: true}}\n"

BAD = {
    "unknown key": (edited("data_seed:", "data_sed:"), 4, ["data_sed", "data_seed"]),
    "unknown nested key": (
        edited("stage2: {steps: 30", "stage2: {step: 30"),
        14,
        ["train.stage2.step", "'steps'"],
    ),
    "unknown factor": (edited("  seed:", "  seeds:"), 11, ["factors.seeds", "'seed'"]),
    "missing key": (edited("data_seed: 7\n", ""), 1, ["'data_seed'"]),
    "text for a number": (edited("seed: 7", "seed: seven"), 4, ["data_seed", "'seven'"]),
    "quoted number": (edited("seed: 7", "seed: '7'"), 4, ["data_seed", "'7'"]),
    "bool for a number": (edited("workers: 1", "workers: true"), 15, ["resources.workers"]),
    "float for a count": (edited("workers: 1", "workers: 1.5"), 15, ["resources.workers", "1.5"]),
    "infinite": (edited("peak_lr: 1e-3", "peak_lr: .inf"), 13, ["train.stage1.peak_lr", "inf"]),
    "zero workers": (edited("workers: 1", "workers: 0"), 15, ["resources.workers", "0"]),
    "empty factor": (edited("seed: [1, 2]", "seed: []"), 11, ["factors.seed", "empty"]),
    "n = 0": (edited("[1, 4]", "[0, 4]"), 8, ["factors.demonstrations", "0", "'none'"]),
    "unknown arm": (edited("none, demo", "nonne, demo"), 7, ["factors.arm", "'nonne'"]),
    "path as name": (edited("name: small", "name: ../x"), 1, ["'../x'"]),
    "absolute name": (edited("name: small", "name: /tmp/x"), 1, ["'/tmp/x'"]),
    "long name": (edited("name: small", f"name: {'x' * 65}"), 1, ["name"]),
    "line break in name": (edited("name: small", 'name: "a\\n"'), 1, ["name"]),
    "reserved name": (edited("name: small", "name: stages"), 1, ["'stages'", "reserved"]),
    "device name": (edited("name: small", "name: con.x"), 1, ["'con.x'", "reserved"]),
    "no demonstrations": (edited("  demonstrations: [1, 4]\n", ""), 7, ["'demonstrations'"]),
    "unmeasured headline": (
        edited("headline: {instruction: cot", "headline: {instruction: direct"),
        16,
        ["headline.instruction", "'direct'"],
    ),
    "format that shows nothing": (
        edited("[cot, recite]", "recite").replace(": cot", ": recite"),
        16,
        ["headline.demonstrations"],
    ),
    "unmeasured primary": (TEXT + "primary: {model: other}\n", 17, ["primary.model", "'other'"]),
    "range outside tpe": (TEXT + LR, 17, ["nuisances.stage2.peak_lr", "tpe"]),
    "unknown nuisance": (
        TEXT + "nuisances: {stage2.peek_lr: 1}\n",
        17,
        ["stage2.peek_lr", "'stage2.peak_lr'"],
    ),
    "invalid nuisance": (TEXT + "nuisances: {replay: 1.5}\n", 17, ["nuisances.replay", "1.5"]),
    "empty range": (
        TEXT + "nuisances: {replay: {low: 0.5, high: 0.5}}\n",
        17,
        ["nuisances.replay", "low"],
    ),
    "tpe over factors": (
        TEXT + LR + "search: {design: tpe, budget: 4}\n",
        7,
        ["factors.arm", "tpe"],
    ),
    "tpe without range": (TEXT + "search: {design: tpe, budget: 4}\n", 17, ["search.design"]),
    "no budget": (TEXT + "search: {design: qmc}\n", 17, ["'budget'"]),
    "adaptive": (TEXT + "search: {design: adaptive}\n", 17, ["'adaptive'", "'tpe'"]),
    "response formats": (
        TEXT + "evaluate: {response_formats: [cot]}\n",
        17,
        ["factors.response_format"],
    ),
    "untrained format": (edited("train:\n", "train:\n  formats: [cot]\n"), 13, ["'recite'"]),
    "bad smoke": (TEXT + "smoke:\n  resources: {workers: 0}\n", 18, ["smoke.resources.workers"]),
    "unknown smoke key": (TEXT + "smoke:\n  reources: 0\n", 18, ["smoke.reources", "'resources'"]),
}


@pytest.mark.parametrize(("text", "line", "named"), BAD.values(), ids=BAD.keys())
def test_a_mistake_is_told_with_place_value_and_way_out(
    text: str, line: int, named: list[str]
) -> None:
    assert_refused(text, line, named)


def test_every_mistake_is_told_at_once() -> None:
    text = edited("seed: 7", "seed: seven").replace("workers: 1", "workers: 0")
    with pytest.raises(StudyError) as caught:
        parse_study(text, "my.yaml")
    assert len(str(caught.value).splitlines()) == 2


def test_numbers_without_point_are_numbers() -> None:
    study = parse_study(edited("peak_lr: 1e-3", "peak_lr: 1e-4"), "my.yaml")
    assert study.train.stage1.peak_lr == 1e-4


@pytest.mark.parametrize("path", sorted(SHIPPED.rglob("*.yaml")), ids=lambda path: path.stem)
def test_shipped_studies_round_trip_and_fit_the_schema(path: Path) -> None:
    study = load_study(path.stem)
    assert study.name == path.stem
    assert parse_study(dump_study(study), "dumped") == study
    jsonschema.validate(read_yaml(path.read_text("utf-8"), str(path)).data, study_schema())


def test_dump_keeps_what_the_author_set_and_no_more() -> None:
    study = parse_study(TEXT, "my.yaml")
    assert study_data(study) == read_yaml(TEXT, "my.yaml").data
    assert dump_study(parse_study(dump_study(study), "dumped")) == dump_study(study)


@given(st.lists(st.integers(1, 16), min_size=1, max_size=4), st.lists(st.integers(0, 9)))
def test_round_trip(demonstrations: list[int], seeds: list[int]) -> None:
    grid = {**read_yaml(TEXT, "t").data["factors"], "demonstrations": demonstrations}
    study = study_with(factors=[grid, {**grid, "seed": seeds or 3, "lora_rank": [0, 4]}])
    assert parse_study(dump_study(study), "dumped") == study


def test_the_schema_takes_and_refuses_what_the_loader_does() -> None:
    jsonschema.validate(read_yaml(TEXT, "my.yaml").data, study_schema())
    for name in ("unknown key", "text for a number", "empty factor", "unknown arm", "n = 0"):
        data = read_yaml(BAD[name][0], "my.yaml").data
        with pytest.raises(jsonschema.ValidationError):
            jsonschema.validate(data, study_schema())


def test_smoke_overrides_key_by_key() -> None:
    text = TEXT + "smoke:\n  factors: {seed: 9}\n  train: {stage1: {steps: 25}}\n"
    study = parse_study(text, "my.yaml")
    small = smoke_study(study)
    assert small.name == "small-smoke"
    assert small.factors[0].seed == (9,)
    assert small.factors[0].arm == study.factors[0].arm
    assert small.train.stage1.steps == 25
    assert small.train.stage1.peak_lr == study.train.stage1.peak_lr
    assert not small.smoke
    with pytest.raises(StudyError, match="smoke"):
        smoke_study(small)


def test_train_formats_are_those_evaluated_unless_given() -> None:
    assert set(parse_study(TEXT, "t").train_formats()) == {"cot", "recite"}
    more = edited("train:\n", "train:\n  formats: [recite, direct, cot]\n")
    assert parse_study(more, "t").train_formats() == ("recite", "direct", "cot")


def test_ranges_are_read_for_tpe() -> None:
    text = edited("[instruction, none, demonstrations]", "instruction").replace("[1, 4]", "4")
    study = parse_study(text + LR + "search: {design: tpe, budget: 4}\n", "t")
    assert study.nuisances == {"stage2.peak_lr": Range(low=1e-4, high=1e-2, log=True)}


@pytest.mark.parametrize("content", [b"\xff\xfe\x00", b"a" * (MAX_BYTES + 1), b""])
def test_unreadable_files_are_told(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "study.yaml"
    path.write_bytes(content)
    with pytest.raises(StudyError) as caught:
        load_study(path)
    assert str(path) in str(caught.value)


def test_missing_files_and_folders_are_told(tmp_path: Path) -> None:
    with pytest.raises(StudyError, match="folder"):
        load_study(tmp_path)
    with pytest.raises(StudyError, match="did you mean 'quickstart'"):
        load_study("quikstart")


def test_schema_is_json() -> None:
    assert json.loads(json.dumps(study_schema()))["properties"]["factors"]


@pytest.mark.parametrize("text", ["1e5", "0o17", "null", "true", "12", ".inf", "~", "a: b", "- x"])
def test_text_that_looks_like_something_else_survives_a_round_trip(text: str) -> None:
    study = parse_study(edited("question: ", f"question: {json.dumps(text)} #"), "my.yaml")
    assert study.question == text
    assert parse_study(dump_study(study), "again.yaml") == study

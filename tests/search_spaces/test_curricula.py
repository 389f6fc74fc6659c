"""Curricula in a study file: what is refused, where; and which factors make a run of its own."""

from __future__ import annotations

import json
from itertools import product
from typing import Any

import jsonschema
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pbb.config import DEMONSTRATED_ARMS, Base
from pbb.curricula import compile_run
from search_spaces.errors import StudyError
from search_spaces.factors import levels
from search_spaces.runs import run_config
from search_spaces.samplers import enumerate_space, points
from search_spaces.study_file import Study, dump_study, parse_study, study_schema
from search_spaces.yaml12 import read_yaml
from study.identity import fingerprint
from tests.search_spaces.studies import TEXT, assert_refused, study_with

BASE = Base(name="base", sha256="0" * 64, n_params=1)
WRITTEN = (
    TEXT.replace("  arm:", "  curriculum: [proactive, interleaved]\n  arm:")
    + """\
curricula:
  interleaved:
    - documents:
        - {kind: declarations, share: 0.3}
        - {kind: executions, share: 0.4}
        - {kind: targets, share: 0.3}
      recipe: {steps: 100, tokens_per_step: 1024, peak_lr: 6e-3}
    - reinforce: {steps: 40, peak_lr: 1e-3}
"""
)


def edited(old: str, new: str) -> str:
    assert WRITTEN.count(old) == 1
    return WRITTEN.replace(old, new)


SPLIT = edited("{kind: executions, ", "{kind: executions, split: target, ")
BAD = {
    "shares": (edited("share: 0.4", "share: 0.5"), 20, ["interleaved.0.documents", "= 1.1"]),
    "no share": (edited(", share: 0.4", ""), 22, ["'share'"]),
    "share 0": (edited("share: 0.4", "share: 0"), 22, ["share", "0"]),
    "unknown kind": (edited("executions,", "excecutions,"), 22, ["'excecutions'", "'executions'"]),
    "unknown key": (
        edited("{kind: executions, s", "{kind: executions, splt: x, s"),
        22,
        ["'split'"],
    ),
    "unknown split": (SPLIT.replace("split: target", "split: validation"), 22, ["split"]),
    "split of targets": (
        edited("{kind: targets,", "{kind: targets, split: target,"),
        23,
        ["split"],
    ),
    "target executions in a PBB arm": (SPLIT, 19, ["interleaved", "'instruction'", "claims PBB"]),
    "targets composed": (
        SPLIT.replace("kind: executions", "kind: compositions"),
        22,
        ["compositions", "n demonstrations"],
    ),
    "no targets": (
        edited("kind: targets", "kind: in_context"),
        19,
        ["interleaved", "'instruction'", "{kind: targets"],
    ),
    "no recipe": (WRITTEN.replace("      recipe", "      rcipe"), 20, ["'recipe'"]),
    "no decay": (edited("steps: 100", "steps: 20"), 24, ["recipe", "warmup_steps"]),
    "recipe of another kind": (edited("reinforce: {", "reinforce: {tokens_per_step: 9, "), 25, []),
    "group of one": (edited("reinforce: {", "reinforce: {group_size: 1, "), 25, ["group_size"]),
    "both at once": (WRITTEN + "      recipe: {steps: 40}\n", 26, ["'", "recipe"]),
    "empty curriculum": (TEXT + "curricula: {mine: []}\n", 17, ["curricula.mine", "empty"]),
    "empty stage": (
        TEXT + "curricula:\n  mine: [{documents: [], recipe: {steps: 30, tokens_per_step: 9, "
        "peak_lr: 1}}]\n",
        18,
        ["documents", "empty"],
    ),
    "built-in name": (WRITTEN.replace("interleaved", "homogeneous"), 19, ["built in", "another"]),
    "no name": (WRITTEN.replace("  interleaved:", "  Inter leaved:"), 19, ["Inter leaved"]),
    "unwritten": (
        edited("[proactive, interleaved]", "[proactive, interleave]"),
        7,
        ["factors.curriculum", "'interleave'", "'interleaved'"],
    ),
    "RL without its recipe": (
        edited("[proactive, ", "[retroactive-rl, "),
        7,
        ["factors.curriculum", "train.rl"],
    ),
    "nothing to repeat": (
        TEXT.replace("train:\n", "train:\n  replay: 0.0\n").replace(
            "  arm:", "  replay_source: declarations\n  arm:"
        ),
        7,
        ["factors.replay_source", "train.replay"],
    ),
    "factor and nuisance": (
        TEXT.replace("  arm:", "  replay: 0.2\n  arm:") + "nuisances: {replay: 0.3}\n",
        18,
        ["nuisances.replay", "factor"],
    ),
    "replay of all": (TEXT.replace("  arm:", "  replay: 1\n  arm:"), 7, ["factors.replay", "1"]),
    "no executions": (
        TEXT.replace("  arm:", "  acquisition_demonstrations: 0\n  arm:"),
        7,
        ["acquisition_demonstrations", "0"],
    ),
}


@pytest.mark.parametrize(("text", "line", "named"), BAD.values(), ids=BAD.keys())
def test_a_mistake_is_told_with_place_value_and_way_out(
    text: str, line: int, named: list[str]
) -> None:
    assert_refused(text, line, named)


def test_written_curricula_round_trip_and_fit_the_schema() -> None:
    text = WRITTEN.replace("  arm:", "  acquisition_demonstrations: [2, all]\n  arm:")
    study = parse_study(text, "my.yaml")
    assert parse_study(dump_study(study), "dumped") == study
    jsonschema.validate(read_yaml(text, "my.yaml").data, study_schema())
    assert study.factors[0].acquisition_demonstrations == (2, None)


def test_a_curriculum_may_be_smaller_in_a_smoke_run() -> None:
    small = "smoke:\n  curricula:\n    interleaved: [{reinforce: {steps: 9, peak_lr: 1}}]\n"
    with pytest.raises(StudyError, match=r":2\d: smoke.curricula.interleaved: holds no targets"):
        parse_study(WRITTEN + small, "my.yaml")


# --- which factors apply

STAGE = {"recipe": {"steps": 30, "tokens_per_step": 64, "peak_lr": 1e-3}}


def reads(*kinds: str) -> dict[str, Any]:
    parts = [
        {"kind": kind.removesuffix("*"), "share": 1 / len(kinds)}
        | ({"replay": True} if kind.endswith("*") else {})
        for kind in kinds
    ]
    return {"documents": parts, **STAGE}


CURRICULA = {
    "mixed": [reads("declarations", "executions", "targets")],
    "told": [reads("declarations", "targets")],
    "repeated": [reads("declarations"), reads("executions*", "targets")],
    "bare": [reads("executions*", "targets")],
    "reinforced": [reads("declarations", "targets"), {"reinforce": {"steps": 9, "peak_lr": 1e-3}}],
}
NAMES = [
    *("proactive", "no-acquisition", "homogeneous", "retroactive-sft", "retroactive-rl", "none"),
    *CURRICULA,
]
ARMS = ["instruction", "demonstrations", "both", "placebo", "none", "in_context"]


def some(values: list[Any], most: int = 3) -> st.SearchStrategy[list[Any]]:
    return st.lists(st.sampled_from(values), min_size=1, max_size=most, unique=True)


GRIDS = st.fixed_dictionaries(
    {
        "model": st.just("base"),
        "curriculum": some(NAMES, 2),
        "arm": some(ARMS),
        "demonstrations": st.just(1),
        "demonstration_format": st.just("trace"),
        "response_format": st.just(["cot", "recite"]),
        "lora_rank": st.just([0, 8]),
        "acquisition_demonstrations": some([1, 3, "all"], 2),
        "seed": st.just([0, 1]),
    },
    optional={
        "replay": some([0.0, 0.25, 0.4], 2),
        "replay_source": some(["stage1", "declarations", "executions", "in_context"], 2),
    },
)


def a_study(*grids: dict[str, Any]) -> Study:
    train = {**STAGE, "rl": {"steps": 9, "peak_lr": 1e-3}, "replay": 0.4}
    recipe = train.pop("recipe")
    return study_with(
        factors=list(grids),
        curricula=CURRICULA,
        train={**train, "stage1": recipe, "stage2": recipe},
    )


def chain(study: Study, point: dict[str, Any]) -> tuple[str, ...]:
    config = run_config(study, point)
    named = (config.curriculum, config.arm, str(config.demonstrations))
    return (*named, *(fingerprint(stage) for stage in compile_run(config, BASE)))


@settings(max_examples=60, deadline=None)
@given(st.lists(GRIDS, min_size=1, max_size=2))
def test_each_training_is_one_run_and_each_run_another_training(
    grids: list[dict[str, Any]],
) -> None:
    """Two points are one run just where they compile to the same stages under the same arm."""
    study = a_study(*grids)
    try:
        space = enumerate_space(study)
    except StudyError:
        assert all(set(g["curriculum"]) == {"none"} for g in grids)
        return
    found = [chain(study, dict(point)) for point in space]
    assert len(set(found)) == len(found)
    assert set(found) == {
        chain(study, {**point, **shown})
        for grid in study.grids
        for values in product(*levels(grid, study.domain_paths).values())
        for point in [dict(zip(levels(grid, study.domain_paths), values, strict=True))]
        for shown in [_shown(point)]
        if point["curriculum"] != "none" or point["arm"] in ("none", "in_context")
    }


def _shown(point: dict[str, Any]) -> dict[str, Any]:
    if point["arm"] in DEMONSTRATED_ARMS:
        return {}
    return {"demonstrations": 0, "demonstration_format": None, "skew": None}


def test_a_value_named_in_one_grid_and_left_out_in_another_is_one_run() -> None:
    grid = {"model": "base", "arm": "instruction", "response_format": "cot"}
    named = {**grid, "replay": 0.4, "replay_source": "stage1", "acquisition_demonstrations": "all"}
    assert len(points(a_study(grid, named))) == 1
    assert len(points(a_study(grid, {**named, "replay": 0.3}))) == 2


def test_null_is_the_recipe_of_the_study() -> None:
    grid = {"model": "base", "arm": "instruction", "response_format": "cot"}
    (point,) = points(a_study(grid))
    assert (point["replay"], point["replay_source"]) == (None, None)
    run = run_config(a_study(grid), point)
    assert (run.train.replay, run.replay_source, run.acquisition_demonstrations) == (
        0.4,
        "stage1",
        None,
    )
    assert json.loads(run.model_dump_json())["stages"] == []


# --- claims

CLAIMED = WRITTEN.replace(
    "  arm:",
    "  replay: [0.2, 0.4]\n  replay_source: [stage1, executions]\n"
    "  acquisition_demonstrations: [2, 8, all]\n  arm:",
)


def claim(of: str, against: str, where: str = "") -> str:
    sides = f"of: {{{of}}}, against: {{{against}}}, where: {{{where}}}"
    return f"claims:\n  - {{finding: x, kind: difference, {sides}, margin: 5}}\n"


GOOD_CLAIMS = (
    claim("replay: 0.2", "replay: 0.4", "curriculum: proactive, arm: instruction"),
    claim("arm: instruction, replay: 0.2", "arm: none", "curriculum: proactive"),
    claim("replay_source: stage1", "replay_source: executions", "arm: none"),
    claim("curriculum: proactive", "curriculum: interleaved", "arm: none, replay_source: stage1"),
    claim("acquisition_demonstrations: all", "acquisition_demonstrations: 2"),
    "claims:\n  - {finding: x, kind: trend, along: acquisition_demonstrations, margin: 5}\n",
    "claims:\n  - {finding: x, kind: rate, where: {replay: 0.2}, margin: 0.3}\n",
)


@pytest.mark.parametrize("told", GOOD_CLAIMS)
def test_claims_hold_and_contrast_the_new_factors(told: str) -> None:
    study = parse_study(CLAIMED + told, "my.yaml")
    assert parse_study(dump_study(study), "dumped") == study


@pytest.mark.parametrize(
    ("told", "named"),
    [
        (claim("replay: 0.3", "replay: 0.4"), ["of.replay", "0.3", "0.2, 0.4"]),
        (claim("replay_source: stage2", "replay_source: stage1"), ["'stage2'", "executions"]),
        (claim("replay: 0.2, arm: instruction", "arm: placebo"), ["placebo"]),
        (
            claim("arm: instruction, replay: 0.2", "arm: demonstrations"),
            ["'replay'", "one side alone"],
        ),
        (
            claim("acquisition_demonstrations: 3", "acquisition_demonstrations: 2"),
            ["3", "2, 8, all"],
        ),
    ],
)
def test_a_claim_about_what_is_not_run_is_refused(told: str, named: list[str]) -> None:
    with pytest.raises(StudyError) as caught:
        parse_study(CLAIMED + told, "my.yaml")
    for word in named:
        assert word in str(caught.value)

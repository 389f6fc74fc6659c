"""What is tuned for whom: groups, their representative studies, and what is refused."""

from __future__ import annotations

import json
from typing import Any

import pytest

from search_spaces.errors import StudyError
from search_spaces.groups import Group, is_per_kind, tuned_values
from search_spaces.runs import run_config
from search_spaces.samplers import enumerate_space, points, tuning_points
from search_spaces.settings import Range
from search_spaces.study_file import Study, dump_study, parse_study, study_schema
from search_spaces.tuning import check_effects, groups, paths_of, tuning_study
from tests.search_spaces.studies import TEXT, study_with

LR: dict[str, Any] = {"stage2.peak_lr": {"low": 1e-3, "high": 2e-2, "log": True}}
STEPS: dict[str, Any] = {"stage2.steps": {"low": 25, "high": 60}}
GRID: dict[str, Any] = {
    "model": ["small", "Large/One@2"],
    "arm": ["instruction", "placebo", "none", "in_context", "demonstrations", "both"],
    "demonstrations": [1, 2, 8],
    "demonstration_format": ["answer", "trace"],
    "response_format": ["cot", "recite"],
    "lora_rank": [16, 0, 4, 64],
    "curriculum": ["homogeneous", "proactive", "no-acquisition"],
    "acquisition": [50, 100, 200],
    "seed": [1, 2],
}


def tuned(ranges: dict[str, Any] = LR, **changes: Any) -> Study:
    tune = {"nuisances": ranges, "trials": 4, "seeds": [101, 102]}
    return study_with(**{"factors": GRID, "tune": tune, **changes})


def test_every_trained_run_takes_one_value_of_each_nuisance() -> None:
    study = tuned({**LR, **STEPS})
    chosen = {
        group: dict.fromkeys(paths_of(study.tune, group), float(index))
        for index, group in enumerate(groups(study))
        if study.tune
    }
    assert len(chosen) == 2 * 2 * 3
    used: set[Group] = set()
    for point in points(study):
        values = tuned_values(point, chosen)
        assert values.keys() == {**LR, **STEPS}.keys()
        weights = "all" if point["lora_rank"] == 0 else "lora"
        own = {g for g in chosen if (g.model, g.weights) == (point["model"], weights)}
        taken = {g for g in own if chosen[g].items() <= values.items()}
        used |= taken
        kinds = {group.arms for group in taken}
        shows = point["arm"] not in ("instruction", "placebo")  # a control is the curve's n = 0
        assert kinds == {"every", "demonstrations" if shows else "instruction"}
    assert used == chosen.keys()


def test_arms_of_a_comparison_differ_in_the_optimizer_of_stage_2_alone() -> None:
    for path in (
        "stage2.steps",
        "stage2.tokens_per_step",
        "stage1.peak_lr",
        "in_context",
        "rl.steps",
    ):
        assert not is_per_kind(path)
    for path in ("stage2.peak_lr", "stage2.weight_decay", "stage2.warmup_steps"):
        assert is_per_kind(path)


def test_without_demonstrations_controls_take_the_instructions_values() -> None:
    study = tuned(factors={"model": "m", "arm": ["none", "instruction"], "response_format": "cot"})
    (group,) = groups(study)
    assert group == Group("m", "lora", "instruction")
    for point in points(study):
        assert tuned_values(point, {group: {"stage2.peak_lr": 1.0}}) == {"stage2.peak_lr": 1.0}


def test_what_trains_nothing_is_not_tuned() -> None:
    untrained = {"model": "other", "curriculum": "none", "arm": "none", "response_format": "cot"}
    assert {group.model for group in groups(tuned(factors=[GRID, untrained]))} == {
        "small",
        "Large/One@2",
    }


def test_groups_are_tuned_alike_in_studies_of_their_own() -> None:
    study = tuned()
    found = {group: tuning_study(study, group) for group in groups(study)}
    assert len({search.name for search in found.values()}) == len(found) == 8
    assert len({search.search.model_dump_json() for search in found.values()}) == 1
    for group, search in found.items():
        assert parse_study(dump_study(search), "again.yaml") == search
        space = enumerate_space(search)
        ranks = {4, 64} if group.weights == "lora" else {0}
        arm = group.arms
        fixed = {"curriculum": "proactive", "acquisition": 100, "model": group.model, "arm": arm}
        for point in space:
            assert fixed.items() <= point.items()
            assert point["demonstrations"] == (2 if arm == "demonstrations" else 0)
            assert point["demonstration_format"] in (None, "trace")
        told = {(point["lora_rank"], point["seed"]) for point in space}
        assert told == {(rank, seed) for rank in ranks for seed in (101, 102)}
        assert len(space) == len(told)


def test_what_all_share_is_scored_in_both_kinds_and_then_given() -> None:
    study = tuned({**LR, **STEPS})
    joint = Group("small", "lora", "every")
    both = tuning_study(study, joint)
    assert {point["arm"] for point in enumerate_space(both)} == {"instruction", "demonstrations"}
    assert {k for k, v in both.nuisances.items() if isinstance(v, Range)} == STEPS.keys()
    chosen = {joint: {"stage2.steps": 33}}
    for kind in ("instruction", "demonstrations"):
        search = tuning_study(study, Group("small", "lora", kind), chosen)  # type: ignore[arg-type]
        for point in tuning_points(search, {"stage2.peak_lr": 0.005}):
            recipe = run_config(search, point).train.stage2
            assert (recipe.steps, recipe.peak_lr) == (33, 0.005)


def test_tuning_runs_are_of_the_recipe_that_is_measured() -> None:
    study = tuned(
        train={
            "stage1": {"steps": 30, "tokens_per_step": 64, "peak_lr": 1e-3},
            "stage2": {"steps": 30, "tokens_per_step": 64, "peak_lr": 1e-3},
            "replay": 0.25,
        },
        nuisances={"lora_alpha": 8.0},
    )
    group = Group("small", "lora", "demonstrations")
    search = tuning_study(study, group)
    ours = run_config(search, tuning_points(search, {"stage2.peak_lr": 0.004})[0])
    same = [
        run_config(study, point, {group: {"stage2.peak_lr": 0.004}})
        for point in points(study)
        if (point["model"], point["arm"], point["lora_rank"]) == ("small", "demonstrations", 4)
    ]
    assert {run.train for run in same} == {ours.train}
    assert {run.corpus for run in same} >= {ours.corpus}
    assert ours.stand_in == "validation"
    assert {run.stand_in for run in same} == {"target"}


def test_a_chosen_value_changes_its_own_field_alone() -> None:
    study = tuned()
    point = next(p for p in points(study) if p["arm"] == "instruction" and p["lora_rank"] == 4)
    group = Group(str(point["model"]), "lora", "instruction")
    before = run_config(study, point).model_dump()
    after = run_config(study, point, {group: {"stage2.peak_lr": 0.007}}).model_dump()
    assert after["train"]["stage2"].pop("peak_lr") == 0.007
    before["train"]["stage2"].pop("peak_lr")
    assert after == before


@pytest.mark.parametrize(
    ("nuisances", "factors"),
    [
        (LR, {**GRID, "curriculum": "homogeneous"}),
        ({"full_rank_lr_ratio": {"low": 0.1, "high": 0.5}}, {**GRID, "lora_rank": 8}),
        ({"stage1.peak_lr": {"low": 1e-3, "high": 1e-2}}, {**GRID, "curriculum": "no-acquisition"}),
    ],
)
def test_a_nuisance_without_effect_is_refused(
    nuisances: dict[str, Any], factors: dict[str, Any]
) -> None:
    with pytest.raises(StudyError, match=rf"tune\.nuisances\.{min(nuisances)}.*no stage"):
        check_effects(tuned(nuisances, factors=factors))
    check_effects(tuned({**LR, **STEPS}))


def tune(**changes: Any) -> str:
    section = {"nuisances": LR, "trials": 4, "seeds": [101], **changes}
    return f"tune: {json.dumps(section)}\n"


BAD: dict[str, tuple[str, list[str]]] = {
    "seeds overlap": (tune(seeds=[101, 2]), ["tune.seeds", "2", "fresh"]),
    "no seeds": (tune(seeds=[]), ["tune.seeds"]),
    "no trials": (tune(trials=0), ["tune.trials", "0"]),
    "no nuisances": (tune(nuisances={}), ["tune.nuisances"]),
    "unknown path": (
        tune(nuisances={"stage2.peek_lr": {"low": 1, "high": 2}}),
        ["tune.nuisances.stage2.peek_lr", "'stage2.peak_lr'"],
    ),
    "no range": (
        tune(nuisances={"stage2.peak_lr": 1e-3}),
        ["tune.nuisances.stage2.peak_lr", "0.001", "low"],
    ),
    "invalid end": (
        tune(nuisances={"in_context": {"low": 0.5, "high": 1.5}}),
        ["tune.nuisances.in_context", "1.5"],
    ),
    "half a step": (
        tune(nuisances={"stage2.steps": {"low": 25.5, "high": 60}}),
        ["tune.nuisances.stage2.steps", "25.5"],
    ),
    "ends that contradict each other": (
        tune(
            nuisances={
                "stage2.steps": {"low": 21, "high": 60},
                "stage2.warmup_steps": {"low": 5, "high": 25},
            }
        ),
        ["tune.nuisances", "warmup_steps=25", "steps=21"],
    ),
    "fixed and tuned": (
        tune() + "nuisances: {stage2.peak_lr: 1e-3}\n",
        ["tune.nuisances.stage2.peak_lr", "remove one"],
    ),
    "two tunings": (
        tune() + f"nuisances: {json.dumps(STEPS)}\nsearch: {{design: tpe, budget: 2}}\n",
        ["tune", "remove one"],
    ),
    "unknown key": (tune(trails=3), ["tune.trails", "'trials'"]),
}


@pytest.mark.parametrize(("section", "named"), BAD.values(), ids=BAD.keys())
def test_a_mistake_is_told_with_place_value_and_way_out(section: str, named: list[str]) -> None:
    text = TEXT
    if "tpe" in section:
        text = TEXT.replace("[instruction, none, demonstrations]", "both").replace("[1, 4]", "1")
    with pytest.raises(StudyError) as caught:
        parse_study(text + section, "my.yaml")
    told = [line for line in str(caught.value).splitlines() if line.startswith("my.yaml:17: ")]
    assert any(all(word in line for word in named) for line in told), caught.value


def test_the_section_fits_the_schema_and_survives_a_round_trip() -> None:
    import jsonschema

    study = tuned({**LR, **STEPS})
    assert parse_study(dump_study(study), "again.yaml") == study
    data = json.loads(json.dumps({"seeds": [3], "trials": 2, "nuisances": LR}))
    schema = study_schema()
    jsonschema.validate(data, {**schema["$defs"]["Tune"], "$defs": schema["$defs"]})

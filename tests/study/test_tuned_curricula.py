"""Tuning of retroactive curricula and of those that a study writes, in the plan."""

from __future__ import annotations

from typing import Any

import pytest

from pbb.config import EvaluateStage, RlStage, TrainingStage
from search_spaces.errors import StudyError
from search_spaces.groups import Group
from search_spaces.study_file import Study
from search_spaces.tuning import groups, paths_of, tuning_study
from study.forecast import forecast
from study.plan import Trial, make_plan, tuning_trials
from tests.study.studies import fake_base, small_study

RECIPE = {"steps": 30, "tokens_per_step": 64, "peak_lr": 1e-3}
RL = {"steps": 6, "peak_lr": 1e-3, "max_new_tokens": 8}
TRAIN = {"stage1": RECIPE, "stage2": RECIPE, "rl": RL}
READ = {
    "documents": [{"kind": "declarations", "share": 0.5}, {"kind": "targets", "share": 0.5}],
    "recipe": RECIPE,
}
WRITTEN = {"own": [READ, {"reinforce": RL}]}
WIDE = {"low": 1e-4, "high": 1e-2, "log": True}


def study(curriculum: str | list[str], *paths: str, **changes: Any) -> Study:
    grid = {
        "model": "tiny",
        "acquisition": 8,
        "curriculum": curriculum,
        "arm": ["instruction", "none", "demonstrations"],
        "demonstrations": 2,
        "demonstration_format": "trace",
        "response_format": "cot",
        "seed": [1, 2],
    }
    tune = {"nuisances": dict.fromkeys(paths, WIDE), "trials": 3, "seeds": [101]}
    return small_study(**{"factors": [grid], "train": TRAIN, "tune": tune, **changes})


def stages(trial: Trial) -> list[TrainingStage]:
    found = [planned.stage for planned in trial.chain]
    return [stage for stage in found if not isinstance(stage, EvaluateStage)]


def chosen(asked: Study) -> dict[Group, dict[str, float]]:
    """A value for each group and nuisance, no two alike."""
    assert asked.tune is not None
    found = groups(asked)
    return {
        group: dict.fromkeys(paths_of(asked.tune, group), 0.002 + i * 0.0001)
        for i, group in enumerate(found)
    }


@pytest.mark.parametrize("curriculum", ["retroactive-sft", "retroactive-rl"])
def test_reading_is_tuned_by_arm_and_executing_for_all(curriculum: str) -> None:
    """Retroactive curricula spend `stage2` where targets are read, which comes first."""
    executing = "rl.peak_lr" if curriculum == "retroactive-rl" else "stage1.peak_lr"
    asked = study(curriculum, "stage2.peak_lr", executing)
    values = chosen(asked)
    joint = values[Group("tiny", "lora", "every")]
    assert joint.keys() == {executing}
    for trial in make_plan(asked, fake_base, values).trials:
        kind = "instruction" if trial.config.arm == "instruction" else "demonstrations"
        own = values[Group("tiny", "lora", kind)]  # type: ignore[arg-type]
        reading, then = stages(trial)
        assert reading.recipe.peak_lr == own["stage2.peak_lr"]
        assert then.recipe.peak_lr == joint[executing]
        assert isinstance(then, RlStage) == (curriculum == "retroactive-rl")


def test_tuning_runs_of_retroactive_curricula_see_no_target() -> None:
    asked = study("retroactive-rl", "rl.peak_lr", "stage2.peak_lr")
    for group in groups(asked):
        search = tuning_study(asked, group)
        low = {path: each.low for path, each in paths_of(asked.tune, group).items()}  # type: ignore[arg-type]
        for trial in tuning_trials(search, low, fake_base):
            assert '"target"' not in "".join(s.stage.model_dump_json() for s in trial.chain)
            assert trial.config.curriculum == "retroactive-rl"


def test_written_stages_keep_their_own_recipes_beside_tuned_ones() -> None:
    asked = study(["proactive", "own"], "stage2.peak_lr", curricula=WRITTEN)
    plain = make_plan(study("own", curricula=WRITTEN, tune=None), fake_base)
    tuned = make_plan(asked, fake_base, chosen(asked))
    own = [t for t in tuned.trials if t.config.curriculum == "own"]
    assert [stages(t) for t in own] == [stages(t) for t in plain.trials]
    rest = [t for t in tuned.trials if t.config.curriculum == "proactive"]
    assert {stages(t)[-1].recipe.peak_lr for t in rest} & {2e-3 + 1e-4, 2e-3 + 2e-4}


def test_what_only_written_stages_would_take_is_refused() -> None:
    """Their recipes stand in the study's curricula, where no nuisance reaches them."""
    with pytest.raises(StudyError, match=r"tune\.nuisances\.stage2\.peak_lr changes no stage"):
        make_plan(study("own", "stage2.peak_lr", curricula=WRITTEN), fake_base)
    with pytest.raises(StudyError, match=r"rl\.peak_lr changes no stage"):
        make_plan(study("retroactive-sft", "rl.peak_lr"), fake_base)


def test_tuning_of_reinforcement_is_forecast() -> None:
    asked = study("retroactive-rl", "rl.peak_lr")
    before = forecast(make_plan(asked, fake_base), lambda _: False, fake_base)
    after = forecast(make_plan(asked, fake_base, chosen(asked)), lambda _: False, fake_base)
    assert before.tuning_runs == 2 * 3  # arms, proposals
    assert after.tuning_runs == 0
    assert before.device_seconds > after.device_seconds

"""Reinforcing stages around the training itself: planned, forecast, grouped, named, shown."""

from __future__ import annotations

import itertools
import json
from collections import Counter
from pathlib import Path
from typing import Any

import pytest
import yaml

from pbb.config import RlRecipe, RlStage
from pbb.models.registry import resolve
from study.costs import stage_work, train_tokens
from study.data_report import examine
from study.encoders import load_encoder
from study.export import model_card
from study.forecast import forecast
from study.plan import Plan, Trial, check_corpora, make_plan
from study.pool import cohort_key
from study.rows import remaining_factors
from study.samples import kind_of, planned_trial, stage_names, stage_prompts
from study.trials import cancelled_row, read_trials, write_trials
from study.trials import kind_of as kinds
from tests.study.studies import fake_base, small_study
from tests.study.test_cli import Capture, run

RL = {"steps": 3, "prompts_per_step": 4, "group_size": 5, "max_new_tokens": 10, "warmup_steps": 1}
RECIPE = {"steps": 30, "tokens_per_step": 64, "peak_lr": 1e-3}
TRAIN = {"stage1": RECIPE, "stage2": RECIPE, "rl": {**RL, "peak_lr": 1e-3}}
GRID: dict[str, Any] = {
    "model": "nano-xs",
    "acquisition": 8,
    "curriculum": ["proactive", "retroactive-rl"],
    "arm": ["instruction", "none"],
    "response_format": "cot",
    "seed": 1,
}


def plan(base: Any = fake_base, **grid: Any) -> Plan:
    return make_plan(small_study(train=TRAIN, factors=[{**GRID, **grid}]), base)


def reinforcing(trial: Trial) -> RlStage:
    (found,) = [each.stage for each in trial.chain if isinstance(each.stage, RlStage)]
    return found


def last(found: Plan) -> Trial:
    return found.trials[-1]


def test_a_run_is_named_by_its_reinforced_weights() -> None:
    trial = last(plan())
    assert trial.run == trial.chain[1].fingerprint
    assert kinds(trial)[trial.run] == "stage2"
    assert stage_names(trial) == ["stage1", "stage2", "evaluation"]


@pytest.mark.parametrize("rank", [0, 8])
def test_sampling_is_forecast_beside_learning(rank: int) -> None:
    stage = reinforcing(last(plan(curriculum="retroactive-rl", lora_rank=rank)))
    sampled = 3 * 4 * 5 * 10
    assert train_tokens(stage) == sampled
    twice = {"updates_per_batch": 2, "kl": 0.1}
    recipe = RlRecipe.model_validate({**stage.recipe.model_dump(), **twice})
    once, again = stage_work(stage), stage_work(stage.model_copy(update={"recipe": recipe}))
    assert (again.choices, again.decoded_tokens) == (once.choices, once.decoded_tokens)
    assert again.updates == 2 * once.updates
    assert again.learnt_tokens == 2 * once.learnt_tokens
    learnt = 6 if rank == 0 else 4
    assert once.flop == pytest.approx((2 + learnt) * 1000 * once.learnt_tokens)
    assert again.flop == pytest.approx((2 + 2 * learnt + 2) * 1000 * once.learnt_tokens)


def test_a_forecast_counts_reinforcing_stages_once() -> None:
    found = plan(curriculum="retroactive-rl")
    told = forecast(found, lambda _: False, fake_base)
    assert told.train_tokens == 2 * (30 * 64 + 600)
    assert told.device_seconds > 0 and told.disk_bytes > 0
    done = set(found.stages())
    assert forecast(found, done.__contains__, fake_base).train_tokens == 0


def test_cohorts_hold_one_kind_and_shape_of_step() -> None:
    found = plan(lora_rank=[0, 8], arm=["instruction", "none"])
    by_key: dict[object, list[Any]] = {}
    for planned in found.stages().values():
        by_key.setdefault(cohort_key(planned), []).append(planned.stage)
    for stages in by_key.values():
        assert len({type(stage) for stage in stages}) == 1
        if not hasattr(stages[0], "questions"):
            assert len(stages) == 1 or all(stage.lora.rank for stage in stages)
    reinforced = [s for stages in by_key.values() for s in stages if isinstance(s, RlStage)]
    assert sorted(stage.lora.rank for stage in reinforced) == [0, 0, 8, 8]
    assert sum(isinstance(stages[0], RlStage) for stages in by_key.values()) == 3


def test_rows_say_what_is_not_left_at_its_default() -> None:
    factors = {"replay": 0.2, "replay_source": "declarations", "acquisition_demonstrations": 3}
    (named,) = plan(curriculum="proactive", arm="instruction", **factors).trials
    (plain,) = plan(curriculum="proactive", arm="instruction").trials
    told, silent = (json.loads(remaining_factors(trial)) for trial in (named, plain))
    assert {key: told[key] for key in factors} == factors
    assert silent == {key: told[key] for key in silent} | {"replay": plain.config.train.replay}
    assert told.keys() - silent.keys() == {"replay_source", "acquisition_demonstrations"}


def test_trial_rows_hold_the_factors(tmp_path: Path) -> None:
    replay = {"replay": 0.2, "replay_source": "declarations"}
    executions = {"acquisition_demonstrations": [3, "all"]}
    trials = plan(curriculum="proactive", arm="instruction", **replay, **executions).trials
    path = tmp_path / "trials.parquet"
    write_trials(path, [cancelled_row(trial) for trial in trials])
    rows = read_trials(path)
    assert [row["acquisition_demonstrations"] for row in rows] == [3, None]
    assert {(row["replay"], row["replay_source"]) for row in rows} == {(0.2, "declarations")}


def test_written_compositions_are_looked_for_before_any_work(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    asked: list[str] = []
    monkeypatch.setattr("study.plan.composed_cases", lambda _, split: asked.append(split))
    parts = [{"kind": "compositions", "share": 0.5}, {"kind": "executions", "share": 0.5}]
    curricula = {"composed": [{"documents": parts, "recipe": RECIPE}]}
    grid = {**GRID, "curriculum": "composed", "arm": "none"}
    check_corpora(make_plan(small_study(curricula=curricula, factors=[grid]), fake_base))
    assert asked == ["acquisition"]


def test_a_card_tells_what_was_reinforced() -> None:
    trial = last(plan())
    planned = trial.chain[1]
    described = {
        "stage": planned.stage.model_dump(mode="json"),
        "parent": planned.parent,
        "fingerprint": planned.fingerprint,
        "outcome": {},
    }
    card = model_card(described)
    assert "3 steps of 4 prompts, 5 answers" in card
    assert "reinforced: executions of acquisition programs" in card


# --- documents


def test_what_a_reinforcing_stage_asks_is_counted_and_checked() -> None:
    trial = planned_trial(plan(resolve), None, None, "retroactive-rl")
    report = examine(trial, None, 1, None)
    assert report.ok, report.checks
    first, second, _ = report.stages
    assert (first.asked, second.asked) == (False, True)
    total = sum(row.documents for row in second.counts if row.kind != "all")
    assert total == RL["steps"] * RL["prompts_per_step"]
    assert all(row.loss_tokens == 0 for row in second.counts)
    encoder = load_encoder("nano-xs")
    stage = reinforcing(trial)
    kinds_asked = Counter(kind_of(e.document) for e in stage_prompts(stage, encoder))
    assert kinds_asked == {"acquisition execution cot": total}
    assert len(list(stage_prompts(stage, encoder, steps=2))) == 2 * RL["prompts_per_step"]


def test_its_prompts_are_shown_with_a_right_answer(
    monkeypatch: pytest.MonkeyPatch, capsys: Capture, tmp_path: Path
) -> None:
    study = small_study(train=TRAIN, factors=[GRID])
    file = tmp_path / "small.yaml"
    file.write_text(yaml.safe_dump(study.model_dump(mode="json", exclude_unset=True)))
    words = ("data", file, "--curriculum", "retroactive-rl", "--stage", "stage2")
    assert run(monkeypatch, *words) == 0
    text = capsys.readouterr().out
    encoder = load_encoder("nano-xs")
    stage = reinforcing(planned_trial(plan(resolve), None, None, "retroactive-rl"))
    first = next(itertools.islice(stage_prompts(stage, encoder), 1)).document
    assert encoder.shown(first)[0] in text.replace("\n   ", "\n")
    assert "answer expected" in text and "WRONG" not in text
    assert run(monkeypatch, "data", file, "--curriculum", "homogeneous") == 2
    assert "it has: proactive, retroactive-rl" in capsys.readouterr().err

"""The plan: what runs, what is shared, and what it is called."""

from __future__ import annotations

import subprocess
import sys

import polars as pl
import pytest

from pbb.config import Base, EvaluateStage, TrainStage
from pbb.records import ITEM_SCHEMA, NEUTRAL_ITEM_COLUMNS
from search_spaces.errors import StudyError
from search_spaces.study_file import Study
from study.forecast import forecast
from study.plan import (
    Plan,
    check_corpora,
    compile_trial,
    evaluations,
    make_plan,
    tuning_trials,
)
from study.rows import item_rows
from tests.processes import printed_in_every_process
from tests.search_spaces.studies import study_with

GRID = {
    "model": "base",
    "arm": ["instruction", "placebo", "none", "in_context", "demonstrations", "both"],
    "demonstrations": [1, 4],
    "demonstration_format": ["answer", "trace"],
    "response_format": ["cot", "recite"],
    "seed": [1, 2],
}


def base(name: str) -> Base:
    return Base(name=name, sha256=name * 3, n_params=370_000)


def plan_of(study: Study) -> Plan:
    return make_plan(study, base)


def wide() -> Study:
    return study_with(factors=GRID)


def test_all_arms_of_a_seed_share_one_stage_1() -> None:
    plan = plan_of(wide())
    assert len(plan.trials) == 2 * (4 + 2 * 4)
    firsts = {(t.config.seed, t.chain[0].fingerprint) for t in plan.trials}
    assert len(firsts) == 2
    roles = [s.stage.role for s in plan.stages().values() if isinstance(s.stage, TrainStage)]
    assert roles.count("stage1") == 2
    assert roles.count("stage2") == 2 * 11


def test_stages_are_whole_chains_in_topological_order() -> None:
    plan = plan_of(wide())
    seen: set[str | None] = {None}
    for key, planned in plan.stages().items():
        assert planned.fingerprint == key
        assert planned.parent in seen
        seen.add(key)
    for trial in plan.trials:
        parents = [stage.parent for stage in trial.chain]
        assert parents == [None, *(stage.fingerprint for stage in trial.chain[:-1])]
        assert isinstance(trial.chain[-1].stage, EvaluateStage)
        assert all(isinstance(stage.stage, TrainStage) for stage in trial.chain[:-1])


def test_an_evaluation_hangs_on_the_stage_whose_model_it_asks() -> None:
    evaluate = {"forgetting": True, "curve": [0, 10, 20], "recall": 1}
    plan = plan_of(study_with(factors=GRID, evaluate=evaluate))
    for trial in plan.trials:
        trained = [each.fingerprint for each in trial.chain if not each.is_evaluation]
        asked = evaluations(trial.chain)
        assert [*trained, *(each.fingerprint for each in asked)] == [
            each.fingerprint for each in trial.chain
        ]
        for each in asked:
            assert isinstance(each.stage, EvaluateStage)
            assert each.parent == [None, *trained][each.stage.stage]
        assert trial.run == trained[-1]


def test_trials_and_runs_have_names_of_their_own() -> None:
    trials = plan_of(wide()).trials
    assert len({trial.id for trial in trials}) == len(trials)
    assert len({(trial.run, trial.config.arm) for trial in trials}) == len(trials)
    assert all("response_format" not in trial.factors for trial in trials)


def test_a_fingerprint_covers_all_that_a_stage_builds_on() -> None:
    before = plan_of(wide())
    recipe = {"steps": 31, "tokens_per_step": 64, "peak_lr": 1e-3}
    train = wide().train.model_dump(mode="json", exclude_unset=True)
    for changed in (
        study_with(factors=GRID, data_seed=8),
        study_with(factors=GRID, train={**train, "stage1": recipe}),
        study_with(factors=GRID, programs={"targets": 5}),
    ):
        assert not set(before.stages()) & set(plan_of(changed).stages())
    later = plan_of(study_with(factors=GRID, train={**train, "stage2": recipe}))
    kept = set(before.stages()) & set(later.stages())
    kinds = {
        (s.stage.kind, getattr(s.stage, "role", None)) for s in map(later.stages().get, kept) if s
    }
    assert kinds == {("train", "stage1"), ("evaluate", None)}  # in_context is asked after stage 1


def test_other_weights_are_another_base() -> None:
    other = make_plan(wide(), lambda name: Base(name=name, sha256="other", n_params=370_000))
    assert not set(plan_of(wide()).stages()) & set(other.stages())


def test_resources_and_words_never_enter_a_fingerprint() -> None:
    changed = study_with(
        factors=GRID,
        resources={"workers": 7, "gpus_per_worker": 0.5},
        name="renamed",
        question="Why?",
        primary={"model": "base"},
    )
    assert list(plan_of(changed).stages()) == list(plan_of(wide()).stages())
    assert [t.id for t in plan_of(changed).trials] == [t.id for t in plan_of(wide()).trials]


def test_extending_a_study_keeps_what_is_done() -> None:
    more = study_with(factors={**GRID, "seed": [1, 2, 3], "lora_rank": [8, 16]})
    assert set(plan_of(wide()).stages()) < set(plan_of(more).stages())


def test_compiling_a_planned_point_gives_the_planned_trial() -> None:
    study = wide()
    for trial in plan_of(study).trials:
        assert compile_trial(study, trial.factors, base) == trial


def test_tuning_asks_validation_programs_once_a_seed() -> None:
    study = study_with(
        factors={"model": "base", "arm": "instruction", "response_format": "cot", "seed": [1, 2]},
        nuisances={"stage2.peak_lr": {"low": 1e-4, "high": 1e-2, "log": True}},
        search={"design": "tpe", "budget": 3},
    )
    assert plan_of(study).trials == ()
    first = tuning_trials(study, {"stage2.peak_lr": 1e-3}, base)
    second = tuning_trials(study, {"stage2.peak_lr": 2e-3}, base)
    assert [trial.config.seed for trial in first] == [1, 2]
    assert first[0].chain[0] == second[0].chain[0]
    assert first[0].chain[1] != second[0].chain[1]
    for trial in (*first, *second):
        evaluation = trial.chain[-1].stage
        assert isinstance(evaluation, EvaluateStage)
        assert all(question.split != "target" for question in evaluation.questions)
    assert forecast(plan_of(study), lambda _: False, base).runs == 3 * 2


def test_an_unknown_model_is_told() -> None:
    with pytest.raises(StudyError, match="nonesuch"):
        make_plan(study_with(factors={**GRID, "model": "nonesuch"}))


PRINT_PLAN = """
from pbb.config import Base
from study.plan import make_plan
from tests.study.test_plan import wide, base
plan = make_plan(wide(), base)
print([trial.id for trial in plan.trials], list(plan.stages()))
"""


def test_a_plan_is_the_same_in_every_process() -> None:
    found = printed_in_every_process(PRINT_PLAN)
    plan = plan_of(wide())
    assert found == {f"{[t.id for t in plan.trials]} {list(plan.stages())}\n"}


def test_planning_loads_neither_ray_nor_torch() -> None:
    code = "import study.plan, study.cli, sys; print({'ray', 'torch', 'peft'} & {*sys.modules})"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "set()\n"


def neutral(formats: list[str]) -> pl.DataFrame:
    rows = [
        {
            "response_format": f,
            "domain": "arithmetic",
            "representation": "code",
            "paths": 2,
            "split": "target",
            "measure": "execution",
            "stage": 2,
            "step": 30,
            "program": "zib",
            "item": item,
            "correct": item == 0,
            "score": float(item == 0),
            "prompt": "zib(1)",
            "expected": "2",
            "output": "2",
        }
        for f in formats
        for item in range(3)
    ]
    return pl.DataFrame(rows).select(NEUTRAL_ITEM_COLUMNS)


def test_item_rows_have_the_schema_and_tell_cells_apart() -> None:
    study = wide()
    trials = plan_of(study).trials
    tables = [item_rows(study, trial, neutral(["cot", "recite"])) for trial in trials]
    rows = pl.concat(tables)
    assert rows.schema == pl.Schema(ITEM_SCHEMA)
    cells = rows.select("cell", "arm", "demonstrations", "demonstration_format", "response_format")
    assert cells.unique().height == rows["cell"].n_unique() == 2 * len(trials) // 2
    assert rows.group_by("cell").agg(pl.col("seed").n_unique())["seed"].to_list() == [2] * (
        rows["cell"].n_unique()
    )
    assert rows.filter(pl.col("arm") == "none")["instructions"].unique().to_list() == [0]
    assert rows["factors"].n_unique() == 1


def test_an_evaluation_without_rows_keeps_the_schema() -> None:
    study = wide()
    empty = neutral(["cot"]).clear()
    assert item_rows(study, plan_of(study).trials[0], empty).schema == pl.Schema(ITEM_SCHEMA)


def test_a_forecast_counts_only_what_is_missing() -> None:
    plan = plan_of(wide())
    stages = list(plan.stages())
    fresh = forecast(plan, lambda _: False, base)
    assert fresh.runs == len(plan.trials)
    assert fresh.stages == len(stages)
    assert fresh.train_tokens == 24 * 30 * 64
    done = forecast(plan, set(stages).__contains__, base)
    assert done.runs_cached == len(plan.trials)
    assert (done.train_tokens, done.device_seconds, done.disk_bytes) == (0, 0, 0)
    assert done.wall_s == 0
    for count in range(0, len(stages), 7):
        partly = forecast(plan, set(stages[:count]).__contains__, base)
        assert done.device_seconds <= partly.device_seconds <= fresh.device_seconds


def test_a_lost_stage_under_a_finished_run_costs_nothing() -> None:
    plan = plan_of(wide())
    evaluations = {trial.chain[-1].fingerprint for trial in plan.trials}
    assert forecast(plan, evaluations.__contains__, base).train_tokens == 0


def test_what_is_missing_beside_a_result_is_forecast() -> None:
    plan = plan_of(study_with(factors=GRID, evaluate={"forgetting": True}))
    results = {trial.chain[-1].fingerprint for trial in plan.trials}
    found = forecast(plan, results.__contains__, base)
    assert found.train_tokens == 2 * 30 * 64, "stage 1 alone: nothing is asked of stage 2 but that"
    assert 0 < found.evaluated_items < forecast(plan, lambda _: False, base).evaluated_items
    assert found.runs_cached == sum(trial.config.arm == "in_context" for trial in plan.trials)


def test_a_larger_n_shares_every_stage_but_its_own() -> None:
    small = plan_of(study_with(factors={**GRID, "demonstrations": [1, 2]})).stages()
    large = plan_of(study_with(factors={**GRID, "demonstrations": [1, 2, 4]})).stages()
    assert small.keys() < large.keys()


def test_a_domain_with_too_few_programs_is_refused_before_any_work() -> None:
    domain = {"kind": "arithmetic", "steps": 1, "paths": 1, "inputs": 32}
    plan = plan_of(study_with(domain=domain, factors={**GRID, "acquisition": 500}))
    with pytest.raises(StudyError, match="too few distinct programs"):
        check_corpora(plan)

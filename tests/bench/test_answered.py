"""The benchmark compares the same work, and scales what it measured as it says."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import Any

import polars as pl
import pytest
import torch

from pbb.config import EvaluateStage, TrainStage
from pbb.engine import Engine
from pbb.jobs import Job
from pbb.models.adapters import ADAPTER_FILE, Attached, read_tensors
from pbb.models.loading import load_base
from pbb.stage_files import ITEMS_FILE, STEPS_FILE
from search_spaces.samplers import points
from search_spaces.study_file import load_study
from study.plan import Plan, Trial
from tests.bench.answered import one_at_a_time
from tests.bench.answered_sample import (
    cell,
    charged,
    distinct,
    kind,
    of_rate,
    planned,
    sample,
    stage_seconds,
    trial_seconds,
    users_of,
)
from tests.bench.answered_table import Measured, table, told
from tests.bench.engine_stages import by_engine
from tests.bench.one_at_a_time import Parts, answer, batch, documents, train

CPU = torch.device("cpu")


@cache
def quickstart() -> Plan:
    return planned("quickstart", smoke=False)


@pytest.fixture(scope="module", autouse=True)
def one_thread() -> Iterator[None]:
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)
    torch.use_deterministic_algorithms(False)


def smoke() -> tuple[TrainStage, EvaluateStage]:
    first, *_, last = (each.stage for each in planned("quickstart", smoke=True).trials[0].chain)
    assert isinstance(first, TrainStage) and isinstance(last, EvaluateStage)
    return first, last


def known(trials: tuple[Trial, ...]) -> tuple[dict[str, float], dict[str, float]]:
    """Seconds that are alike in a cell: of trials, and of stages."""
    cells = sorted({cell(trial) for trial in trials}, key=repr)
    whole = {trial.id: 10.0 + cells.index(cell(trial)) for trial in trials}
    price = {"stage1": 3.0, "stage2": 5.0, "evaluate": 0.5}
    stages = {
        stage.fingerprint: price[kind(stage)] * (2 if trial.config.model == "nano-s" else 1)
        for trial in trials
        for stage in trial.chain
    }
    return whole, stages


@pytest.mark.parametrize("count", [10, 17, 39, 60])
def test_every_cell_is_measured_as_often_as_any_other_while_it_can(count: int) -> None:
    trials = quickstart().trials
    chosen = sample(trials, count)
    assert len(chosen) == min(count, len(trials))
    sizes = {each: [cell(t) for t in trials].count(each) for each in map(cell, trials)}
    taken = {each: [cell(t) for t in chosen].count(each) for each in sizes}
    open_ = [n for each, n in taken.items() if n < sizes[each]]
    assert all(n >= max(open_, default=0) - 1 or n == sizes[each] for each, n in taken.items())
    assert min(taken.values()) >= 1


def test_a_sample_is_scaled_to_what_the_whole_takes() -> None:
    """Where the trials of a cell cost alike, a sample tells the whole exactly."""
    plan = quickstart()
    whole, stages = known(plan.trials)
    chosen = sample(plan.trials, 10)
    seen = {fingerprint: stages[fingerprint] for fingerprint in users_of(chosen)}
    assert trial_seconds(plan.trials, {t.id: whole[t.id] for t in chosen}) == pytest.approx(whole)
    assert stage_seconds(plan.trials, seen) == pytest.approx(stages)


def test_shared_stages_count_once() -> None:
    plan = quickstart()
    _, stages = known(plan.trials)
    assert distinct(plan.trials, stages) == pytest.approx(sum(stages.values()))
    assert sum(charged(plan.trials, stages).values()) == pytest.approx(sum(stages.values()))
    one = plan.trials[0]
    assert distinct([one, one], stages) == distinct([one], stages)
    chained = sum(stages[each.fingerprint] for trial in plan.trials for each in trial.chain)
    assert distinct(plan.trials, stages) < chained


def test_a_rate_is_of_its_arms_alone() -> None:
    plan = quickstart()
    rate = of_rate(plan.study, plan.trials)
    assert {trial.config.arm for trial in rate} == {"instruction", "none", "demonstrations"}
    assert {(trial.config.model, trial.config.curriculum) for trial in rate} == {
        ("nano-s", "proactive")
    }
    undeclared = plan.study.model_copy(update={"primary": None})
    assert of_rate(undeclared, plan.trials) == []


def test_arms_add_up_to_the_study() -> None:
    plan = quickstart()
    whole, stages = known(plan.trials)
    chosen = sample(plan.trials, 10)
    theirs = Measured({t.id: whole[t.id] for t in chosen}, dict.fromkeys(whole, 0.5), 1, 1, [])
    ours = replace(theirs, seconds=stages)
    found = told(plan, chosen, theirs, ours)
    *arms, all_, rate = found["rows"]
    for side, known_s in (("theirs_s", whole), ("ours_s", stages)):
        assert all_[side] == pytest.approx(sum(known_s.values()))
        assert sum(row[side] for row in arms) == pytest.approx(all_[side])
        assert rate[side] < all_[side]
    assert sum(row["measured"] for row in arms) == 10
    assert all(row["of"] in table(found) for row in found["rows"])


def test_seconds_are_medians_and_what_is_beside_trials_is_told_apart() -> None:
    def ran(processor_s: float, clock_s: float) -> dict[str, Any]:
        """Started at 0; two trials with a second between them; gone a second later."""
        ends = {"a": (5.0, 5.0 + clock_s), "b": (6.0 + clock_s, 6.0 + 2 * clock_s)}
        found = {
            trial: {
                "accuracy": 0.5,
                "parts": {"load": 0.1, "stage1": processor_s - 0.1},
                "began_s": began_s,
                "ended_s": ended_s,
            }
            for trial, (began_s, ended_s) in ends.items()
        }
        return {"found": found, "spawned_s": 0.0, "gone_s": 7.0 + 2 * clock_s}

    rounds = [ran(3.0, 4.0), ran(9.0, 10.0), ran(2.0, 6.0)]
    by_processor, by_clock = (one_at_a_time(rounds, by_clock=clock) for clock in (False, True))
    assert by_processor.seconds == pytest.approx({"a": 3.0, "b": 3.0})
    assert by_clock.seconds == pytest.approx({"a": 6.0, "b": 6.0})
    assert (by_clock.start_up_s, by_clock.beside_s) == pytest.approx((5.0, 2.0))


def test_both_train_on_the_same_documents_at_the_same_rates(tmp_path: Path) -> None:
    """So much so that they end at the same adapter, but for rounding."""
    stage, _ = smoke()
    Engine("cpu").run(stage, None, tmp_path)
    base, encoder = load_base(stage.base, "float32", CPU)
    seen = [batch([step]) for step in documents(stage, encoder)]
    steps = pl.read_parquet(tmp_path / STEPS_FILE)
    assert [int(b["attention_mask"].sum()) for b in seen] == steps["tokens"].to_list()
    assert [int((b["labels"] >= 0).sum()) for b in seen] == steps["target_tokens"].to_list()
    with Attached(base, stage.base.name, stage.lora, stage.seed) as attached:
        train(attached.model, encoder, stage, CPU, Parts(CPU))
        found = attached.tensors()
        ours = read_tensors(tmp_path / ADAPTER_FILE, found)
    for name, tensor in found.items():
        torch.testing.assert_close(tensor, ours[name], rtol=1e-2, atol=1e-4)


def test_both_answer_the_same_items(tmp_path: Path) -> None:
    """The bare base says the same to both, but for a tie that rounding decides."""
    _, asked = smoke()
    Engine("cpu").run(asked, None, tmp_path)
    base, encoder = load_base(asked.base, "float32", CPU)
    theirs = answer(base, encoder, asked, CPU, Parts(CPU))
    ours = pl.read_parquet(tmp_path / ITEMS_FILE)
    judged = ["correct", "score", "output"]
    assert theirs.drop(judged).equals(ours.drop(judged))
    assert (theirs["output"] == ours["output"]).mean() > 0.98


def test_the_engine_runs_each_distinct_stage_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run: list[Any] = []
    alone = Engine.run_cohort

    def counted(self: Engine, jobs: list[Job]) -> Any:
        run.extend(job.out.name for job in jobs)
        return alone(self, jobs)

    monkeypatch.setattr(Engine, "run_cohort", counted)
    trials = planned("quickstart", smoke=True).trials[:2]
    found = by_engine(trials, "cpu", 1, tmp_path)
    assert sorted(run) == sorted(users_of(trials)) == sorted(found["stages"])
    assert set(found["accuracy"]) == {trial.id for trial in trials}


def test_the_trial_of_smollm2_is_the_study_s_but_for_a_quarter_of_stage_1() -> None:
    whole, part = load_study("smollm2"), load_study("tests/bench/smollm2_trial.yaml")
    for field in ("domain", "data_seed", "programs", "evaluate", "resources"):
        assert getattr(part, field) == getattr(whole, field), field
    first = part.train.stage1
    longer = first.model_copy(update={"steps": 4 * first.steps})
    assert part.train.model_copy(update={"stage1": longer}) == whole.train
    (own,), every = points(part), points(whole)
    told = {name: value for name, value in own.items() if value is not None}
    assert any(told.items() <= each.items() for each in every)

"""What a study is forecast to cost: the laws of work, and a small study's real time."""

from __future__ import annotations

import time
from collections.abc import Iterable
from dataclasses import astuple
from functools import lru_cache
from itertools import islice
from pathlib import Path
from typing import Any

import pytest

from pbb.config import Base, EvaluateStage, Executions, RlStage, Stage, TrainStage
from pbb.corpus import build_corpus
from pbb.engine import Engine
from pbb.models.registry import resolve
from pbb.sampling import source_documents
from pbb.seeds import stream
from search_spaces.study_file import load_study
from study.costs import Work, execution_tokens, seconds, stage_work
from study.encoders import load_encoder
from study.forecast import forecast
from study.launch import launch
from study.plan import make_plan
from study.prices import CPU, GPU, LAUNCH_S, REFERENCE, Machine, this_machine
from study.store import Store
from tests.study.studies import fake_base, small_study

PRICES = [CPU, GPU]


@lru_cache(maxsize=1)
def stages() -> tuple[Any, ...]:
    """One of each kind, of a shipped study."""
    found = [planned.stage for planned in make_plan(load_study("f06")).stages().values()]
    kinds = (TrainStage, RlStage, EvaluateStage)
    return tuple(next(each for each in found if isinstance(each, kind)) for kind in kinds)


def changed(stage: Any, **recipe: int) -> Stage:
    data = stage.model_dump()
    whole: Stage = type(stage).model_validate({**data, "recipe": {**data["recipe"], **recipe}})
    return whole


def larger(stage: Stage, times: int) -> Stage:
    n_params = stage.base.n_params * times
    base = Base.model_validate({**stage.base.model_dump(), "n_params": n_params})
    return stage.model_copy(update={"base": base})


def amounts(stage: Stage) -> list[float]:
    return list(astuple(stage_work(stage)))


@pytest.mark.parametrize("kind", [0, 1])
@pytest.mark.parametrize("prices", PRICES)
def test_cost_grows_with_what_is_learnt(kind: int, prices: Work) -> None:
    stage = stages()[kind]
    field = "tokens_per_step" if kind == 0 else "prompts_per_step"
    before = stage.recipe.model_dump()[field]
    more = changed(stage, **{field: 2 * before})
    assert seconds(stage_work(stage), prices) < seconds(stage_work(more), prices)


@pytest.mark.parametrize("stage", stages(), ids=lambda stage: stage.kind)
@pytest.mark.parametrize("prices", PRICES)
def test_cost_grows_with_the_base(stage: Stage, prices: Work) -> None:
    costs = [seconds(stage_work(larger(stage, times)), prices) for times in (1, 2, 100)]
    assert costs == sorted(set(costs))


def work_of(each: Iterable[Stage]) -> Work:
    """Of stages that run one after the other, whatever their order."""
    return sum(map(stage_work, each), Work())


@pytest.mark.parametrize("kind", [0, 1])
def test_work_is_conserved_when_a_stage_is_split(kind: int) -> None:
    """Two stages of half the steps are the work of one, and one start more."""
    stage = stages()[kind]
    steps = stage.recipe.steps
    parts = [changed(stage, steps=steps // 3), changed(stage, steps=steps - steps // 3)]
    apart, whole = astuple(work_of(parts)), astuple(stage_work(stage) + Work(stages=1))
    assert apart == pytest.approx(whole)


def test_work_adds_up_over_stages_and_questions() -> None:
    for prices in PRICES:
        one_by_one = sum(seconds(stage_work(each), prices) for each in stages())
        assert seconds(work_of(stages()), prices) == pytest.approx(one_by_one)
    asked = next(each for each in stages() if isinstance(each, EvaluateStage))
    parts = [asked.model_copy(update={"questions": (each,)}) for each in asked.questions]
    whole = stage_work(asked) + Work(stages=len(parts) - 1)
    assert astuple(work_of(parts)) == pytest.approx(astuple(whole))


def test_work_is_never_negative_and_always_finite() -> None:
    assert all(0 <= amount < float("inf") for stage in stages() for amount in amounts(stage))


@pytest.mark.parametrize("name", ["quickstart", "ciphers", "grammars", "algorithms"])
def test_lengths_are_about_those_of_the_tokenizer(name: str) -> None:
    corpus = make_plan(load_study(name)).trials[0].config.corpus
    encoder, built = load_encoder("nano-s"), build_corpus(corpus)
    for each in built.domain.formats:
        source = Executions(split="target", formats=(each,))
        documents = source_documents(source, built, 1, stream("test", each))
        lengths = [len(encoder(document).ids) for document in islice(documents, 100)]
        guessed = sum(execution_tokens(corpus, "target", each))
        assert guessed == pytest.approx(sum(lengths) / len(lengths), rel=0.4)


# --- time


def time_of(machine: Machine, workers: int = 1, study: Any = None) -> tuple[float, float]:
    resources = {"workers": workers, "cpus_per_worker": 1}
    plan = make_plan(study or small_study(resources=resources), fake_base)
    found = forecast(plan, lambda _: False, fake_base, machine=machine)
    return found.device_seconds, found.wall_s


def test_trainers_side_by_side_save_wall_time_and_no_device_time() -> None:
    one, two = (time_of(REFERENCE, workers) for workers in (1, 2))
    assert one[0] == two[0]
    assert one[1] > two[1] > one[1] - one[0]
    assert time_of(REFERENCE, workers=2) == time_of(REFERENCE, workers=200)


def test_cores_bound_trainers_and_slowness_lengthens() -> None:
    one_core = time_of(Machine(cores=1, slowness=1.0), workers=2)
    assert one_core == time_of(REFERENCE, workers=1)
    slow = time_of(Machine(cores=2, slowness=3.0), workers=2)
    assert slow[0] == pytest.approx(3 * time_of(REFERENCE, workers=2)[0])


def test_a_chain_is_not_divided_among_trainers() -> None:
    study = small_study(resources={"workers": 1000, "cpus_per_worker": 1})
    plan = make_plan(study, fake_base)
    longest = max(seconds(work_of(s.stage for s in t.chain), CPU) for t in plan.trials)
    device_s, wall_s = time_of(Machine(cores=1000, slowness=1.0), study=study)
    assert device_s > wall_s - LAUNCH_S == pytest.approx(longest)


def small() -> dict[str, Any]:
    recipe = {"steps": 60, "tokens_per_step": 640, "peak_lr": 6e-3}
    grid = {
        "model": "nano-s",
        "acquisition": 50,
        "arm": ["instruction", "none"],
        "response_format": ["cot", "recite"],
        "lora_rank": 16,
    }
    domain = {"kind": "arithmetic", "steps": 3, "paths": 1, "inputs": 32, "value_max": 59}
    return {
        "factors": [grid],
        "domain": domain,
        "train": {"stage1": recipe, "stage2": recipe},
        "evaluate": {"max_new_tokens": 96},
    }


@pytest.mark.slow
def test_a_small_study_takes_the_time_that_was_forecast(tmp_path: Path) -> None:
    """Processor time, since other processes may be at work; within 30%."""
    study = small_study(**small())
    plan = make_plan(study)
    expected = forecast(plan, Store(tmp_path).has, resolve, machine=this_machine())
    warm_up(plan.trials[0].chain[0].stage, tmp_path / "warm")
    began = time.process_time()
    launch(study, tmp_path, "local", quiet=True)
    assert time.process_time() - began == pytest.approx(expected.device_seconds, rel=0.3)


def warm_up(stage: Stage, out: Path) -> None:
    """What a process does once: imports, and torch's first steps."""
    out.mkdir()
    Engine("cpu").run(changed(stage, steps=2, warmup_steps=1), None, out)

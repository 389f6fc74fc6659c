"""The space: points are distinct, are runs, and are where the design says."""

from __future__ import annotations

import json
from collections.abc import Mapping
from itertools import pairwise, product
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pbb.config import DEMONSTRATED_ARMS, RunConfig
from search_spaces.errors import StudyError
from search_spaces.factors import Scalar
from search_spaces.nuisances import with_nuisances
from search_spaces.runs import run_config
from search_spaces.samplers import enumerate_space, points, tuning_points
from search_spaces.study_file import Study
from tests.search_spaces.studies import study_with

ARMS = ["instruction", "demonstrations", "both", "placebo", "none", "in_context"]


def some(values: list[Any]) -> st.SearchStrategy[list[Any]]:
    return st.lists(st.sampled_from(values), min_size=1, max_size=4)


GRIDS = st.fixed_dictionaries(
    {
        "model": some(["a", "b"]),
        "curriculum": some(["proactive", "no-acquisition", "homogeneous", "none"]),
        "arm": some(ARMS),
        "demonstrations": some([1, 2, 8]),
        "demonstration_format": some(["answer", "trace"]),
        "response_format": st.just(["cot", "recite"]),
        "lora_rank": some([0, 4, 64]),
        "acquisition": some([20, 40]),
        "templates": some([1, 20]),
        "paths": some([1, 4]),
        "skew": some([0.0, 0.8]),
        "domain": st.sampled_from([{}, {"loops": [0.0, 0.5]}, {"steps": [3], "loops": [0.1, 0.2]}]),
        "seed": some([0, 1, 5]),
    }
)
HEADLINES = {
    "instruction": "cot",
    "demonstrations": "cot",
    "demonstration_format": "trace",
}


def a_study(*grids: dict[str, object], **more: object) -> Study:
    shown = [grid for grid in grids if DEMONSTRATED_ARMS.intersection(list(grid["arm"]))]  # type: ignore[call-overload]
    formats = [f for grid in shown for f in grid["demonstration_format"]]  # type: ignore[attr-defined]
    headline = {**HEADLINES, "demonstration_format": (formats or ["trace"])[0]}
    return study_with(factors=list(grids), headline=headline, **more)


def runs_of(grid: dict[str, list[Scalar]]) -> bool:
    return grid["curriculum"] != ["none"] * len(grid["curriculum"]) or bool(
        {"none", "in_context"}.intersection(map(str, grid["arm"]))
    )


def key(point: Mapping[str, Scalar]) -> tuple[Scalar, ...]:
    return tuple(point.values())


@settings(max_examples=40)
@given(GRIDS.filter(runs_of), GRIDS.filter(runs_of))
def test_enumeration_holds_each_run_once_and_misses_none(
    first: dict[str, object], second: dict[str, object]
) -> None:
    study = a_study(first, second)
    space = enumerate_space(study)
    assert len({key(point) for point in space}) == len(space)
    runs = {run_config(study, point).model_dump_json() for point in space}
    assert len(runs) == len(space)
    assert space == enumerate_space(study)
    settings = {**first["domain"], **second["domain"]}.keys()  # type: ignore[dict-item]
    defaults = {"loops": [0.0], "steps": [2]}
    named = {name: defaults[name] for name in settings}
    oracles = [oracle(grid, named) for grid in (first, second)]
    assert {key(point) for point in space} == oracles[0] | oracles[1]


def oracle(grid: dict[str, object], unvaried: dict[str, list[float]]) -> set[tuple[Scalar, ...]]:
    """The same set, from the definition: which factors apply to which run."""
    lists: dict[str, list[Scalar]] = grid  # type: ignore[assignment]
    found: set[tuple[Scalar, ...]] = set()
    for model, curriculum, arm, acquisition, templates, paths in product(
        *(lists[k] for k in ("model", "curriculum", "arm", "acquisition", "templates", "paths"))
    ):
        if curriculum == "none" and arm not in ("none", "in_context"):
            continue
        trains = curriculum != "none" and (curriculum, arm) != ("no-acquisition", "in_context")
        shows = arm in ("demonstrations", "both")
        seeds = lists["seed"] if trains else [min(lists["seed"])]  # type: ignore[type-var]
        ranks = lists["lora_rank"] if trains else [min(lists["lora_rank"])]  # type: ignore[type-var]
        formats = lists["demonstration_format"] if shows else [None]
        numbers = lists["demonstrations"] if shows else [0]
        skews = lists["skew"] if shows else [None]
        varied = {**unvaried, **grid["domain"]}  # type: ignore[dict-item]
        names = sorted(varied)
        told = [
            json.dumps(dict(zip(names, values, strict=True)), separators=(",", ":"))
            for values in product(*(varied[name] for name in names))
        ]
        for seed, rank, shape, skew, n, domain in product(
            seeds, ranks, formats, skews, numbers, told if varied else [None]
        ):
            sizes = (acquisition, None, templates, paths, domain, None, None)
            found.add((seed, model, curriculum, rank, "code", *sizes, arm, shape, skew, n))
    return found


@settings(max_examples=40)
@given(
    GRIDS.filter(runs_of), st.sampled_from(["qmc", "random"]), st.integers(1, 40), st.integers(0, 9)
)
def test_samples_are_distinct_points_of_the_space(
    grid: dict[str, object], design: str, budget: int, seed: int
) -> None:
    study = a_study(grid, search={"design": design, "budget": budget, "seed": seed})
    space = {key(point) for point in enumerate_space(study)}
    sample = [key(point) for point in points(study)]
    assert len(set(sample)) == len(sample) == min(budget, len(space))
    assert set(sample) <= space
    assert [key(point) for point in points(study)] == sample


BALANCED: dict[str, object] = {
    "model": ["a", "b"],
    "arm": ["instruction", "none"],
    "response_format": "cot",
    "lora_rank": [2, 4, 8, 16],
    "seed": [0, 1],
}


def test_sobol_points_are_balanced_over_every_factor() -> None:
    study = a_study(BALANCED, search={"design": "qmc", "budget": 16})
    ranks = [point["lora_rank"] for point in points(study)]
    for rank in (2, 4, 8, 16):
        assert 2 <= ranks.count(rank) <= 6


def test_another_search_seed_gives_another_sample() -> None:
    for design in ("qmc", "random"):
        samples = {
            tuple(key(p) for p in points(a_study(BALANCED, search=search)))
            for search in ({"design": design, "budget": 8, "seed": s} for s in range(6))
        }
        assert len(samples) >= 3, "balanced samples of so small a space may coincide, not all"


def test_runs_that_share_a_stage_1_are_neighbours() -> None:
    study = a_study(
        {**BALANCED, "arm": ARMS, "demonstrations": [1, 2], "demonstration_format": ["trace"]}
    )
    shared = [(p["seed"], p["model"], p["lora_rank"]) for p in enumerate_space(study)]
    changes = sum(a != b for a, b in pairwise(shared))
    assert changes + 1 == len(set(shared))


def test_a_space_without_runs_is_refused() -> None:
    study = a_study({**BALANCED, "curriculum": "none", "arm": ["instruction"]})
    with pytest.raises(StudyError, match="no run"):
        points(study)


def test_a_larger_n_leaves_programs_and_items_as_they_are() -> None:
    study = study_with()
    corpora = {run_config(study, p).corpus.model_dump_json() for p in points(study)}
    assert len(corpora) == 1


TUNING: dict[str, object] = {
    "nuisances": {"stage2.peak_lr": {"low": 1e-4, "high": 1e-2, "log": True}, "replay": 0.3},
    "search": {"design": "tpe", "budget": 4},
}


@given(st.floats(1e-4, 1e-2))
def test_tuning_never_sees_targets(rate: float) -> None:
    study = a_study({**BALANCED, "model": "a", "arm": "instruction", "lora_rank": 4}, **TUNING)
    assert points(study) == ()
    proposed = tuning_points(study, {"stage2.peak_lr": rate})
    assert [point["seed"] for point in proposed] == [0, 1]
    for point in proposed:
        run = run_config(study, point)
        assert run.stand_in == "validation"
        assert run.train.stage2.peak_lr == rate
        assert run.train.replay == 0.3
        assert run.train.stage1 == study.train.stage1


@given(st.floats(1e-6, 1.0), st.integers(21, 500))
def test_a_nuisance_changes_its_own_field_alone(rate: float, steps: int) -> None:
    train = study_with().train
    changed = with_nuisances(train, {"stage1.peak_lr": rate, "stage1.steps": steps})
    assert (changed.stage1.peak_lr, changed.stage1.steps) == (rate, steps)
    assert changed.model_copy(update={"stage1": train.stage1}) == train


def test_a_point_is_revalidated_as_a_run() -> None:
    study = study_with()
    point = {**points(study)[0], "arm": "demonstrations"}
    with pytest.raises(StudyError, match="demonstrations"):
        run_config(study, point)
    assert isinstance(run_config(study, points(study)[0]), RunConfig)

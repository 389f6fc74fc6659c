"""The controls of docs/architecture.md, as written there: each is what it is said to be."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest

from pbb.config import (
    Base,
    Declarations,
    EvaluateStage,
    Executions,
    PlaceboDeclarations,
    RlStage,
    Source,
    TrainStage,
)
from pbb.curricula import compile_run
from search_spaces.runs import run_config
from search_spaces.samplers import points
from search_spaces.study_file import Study
from search_spaces.yaml12 import read_yaml
from tests.search_spaces.studies import study_with

DOCUMENT = Path(__file__).parents[2] / "docs" / "architecture.md"
BASE = Base(name="base", sha256="0" * 64, n_params=1)
GRID: dict[str, Any] = {"model": "base", "response_format": ["direct", "cot"]}
CONTROLS = {
    ("proactive", "none"),
    ("stage-1-alone", "none"),
    ("none", "none"),
    ("retroactive-rl", "none"),
    ("told-alone", "instruction"),
    ("proactive", "placebo"),
    ("as-many-steps", "instruction"),
    ("as-many-tokens", "instruction"),
    ("homogeneous", "instruction"),
}


def section() -> str:
    return DOCUMENT.read_text("utf-8").split("## Controls")[1].split("\n## ")[0]


@pytest.fixture(scope="module")
def study() -> Study:
    (text,) = re.findall(r"```yaml\n(.*?)```", section(), re.DOTALL)
    headline = {"instruction": "cot", "demonstrations": "cot", "demonstration_format": "trace"}
    grids = [{**GRID, "curriculum": "proactive", "arm": "instruction"}]
    grids += [{**GRID, "curriculum": name, "arm": arm} for name, arm in sorted(CONTROLS)]
    written = read_yaml(text, str(DOCUMENT)).data
    return study_with(**written, factors=grids, headline=headline)


@pytest.fixture(scope="module")
def chains(study: Study) -> dict[tuple[str, str], list[TrainStage | RlStage]]:
    runs = [run_config(study, point) for point in points(study)]
    return {
        (run.curriculum, run.arm): [
            stage for stage in compile_run(run, BASE) if not isinstance(stage, EvaluateStage)
        ]
        for run in runs
    }


Chains = dict[tuple[str, str], list[TrainStage | RlStage]]


def sources(stages: list[TrainStage | RlStage]) -> list[Source]:
    found: list[Source] = []
    for stage in stages:
        found += [stage.source] if isinstance(stage, RlStage) else [c.source for c in stage.mixture]
    return found


def effort(stages: list[TrainStage | RlStage]) -> tuple[int, int]:
    """Steps, tokens."""
    recipes = [stage.recipe for stage in stages if isinstance(stage, TrainStage)]
    return sum(r.steps for r in recipes), sum(r.steps * r.tokens_per_step for r in recipes)


def test_every_control_of_the_table_is_one_of_these() -> None:
    named = set(re.findall(r"\(`([\w-]+)`, `([\w-]+)`\)", section()))
    assert named == CONTROLS


def test_without_exposure_targets_are_never_read(chains: Chains) -> None:
    skipped, replayed = chains["stage-1-alone", "none"], chains["proactive", "none"]
    assert skipped == replayed[:1] == chains["proactive", "instruction"][:1]
    for stages in (skipped, replayed, chains["retroactive-rl", "none"]):
        assert all(source.split == "acquisition" for source in sources(stages))
    assert effort(replayed) == effort(chains["proactive", "instruction"])


def test_the_untuned_base_is_trained_on_nothing(chains: Chains) -> None:
    assert chains["none", "none"] == []


def test_rl_alone_reinforces_without_a_target_instruction(chains: Chains) -> None:
    first, second = chains["retroactive-rl", "none"]
    assert isinstance(second, RlStage)
    assert sources([first]) == [Declarations(split="acquisition")]


def test_told_alone_executes_nothing_at_all(chains: Chains) -> None:
    found = sources(chains["told-alone", "instruction"])
    assert set(found) == {Declarations(split="acquisition"), Declarations(split="target")}


def test_a_placebo_differs_in_its_declarations_alone(chains: Chains) -> None:
    swapped = {Declarations(split="target"): PlaceboDeclarations(split="target")}
    instructed = sources(chains["proactive", "instruction"])
    assert sources(chains["proactive", "placebo"]) == [swapped.get(s, s) for s in instructed]  # type: ignore[call-overload]


def test_matched_controls_take_as_many_steps_or_tokens_as_both_stages(chains: Chains) -> None:
    steps, tokens = effort(chains["proactive", "instruction"])
    *_, stage2 = chains["proactive", "instruction"]
    for name in ("as-many-steps", "as-many-tokens"):
        (stage,) = chains[name, "instruction"]
        assert isinstance(stage, TrainStage) and isinstance(stage2, TrainStage)
        assert [(c.source, c.share) for c in stage.mixture] == [
            (c.source, c.share) for c in stage2.mixture
        ]
    assert effort(chains["as-many-steps", "instruction"])[0] == steps
    assert effort(chains["as-many-tokens", "instruction"])[1] == tokens
    assert effort(chains["homogeneous", "instruction"])[1] == tokens
    assert any(isinstance(s, Executions) for s in sources(chains["as-many-steps", "instruction"]))


def test_chain_of_thought_alone_is_a_format_of_the_same_runs(study: Study) -> None:
    (untuned,) = [p for p in points(study) if p["curriculum"] == "none"]
    *_, evaluation = compile_run(run_config(study, untuned), BASE)
    assert isinstance(evaluation, EvaluateStage)
    assert {"direct", "cot"} <= {q.response_format for q in evaluation.questions}

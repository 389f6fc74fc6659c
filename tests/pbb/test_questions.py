"""Which questions a run is asked, and after how much training."""

from __future__ import annotations

from typing import Any, get_args

import pytest

from pbb.config import (
    Arm,
    EvaluateConfig,
    EvaluateStage,
    Question,
    RecallQuestion,
    RunConfig,
    TrainStage,
)
from pbb.curricula import compile_run
from tests.pbb.runs import BASE, TRAIN, run

ARMS: tuple[Arm, ...] = get_args(Arm)
CURRICULA = ("proactive", "no-acquisition", "homogeneous", "none")
EVERYTHING = EvaluateConfig(
    response_formats=("direct", "cot", "recite"),
    acquisition_programs=3,
    composed=2,
    recall=2,
    curve=(0, 2, 4),
    forgetting=True,
)
RUNS = [
    (curriculum, arm)
    for curriculum in CURRICULA
    for arm in ARMS
    if curriculum != "none" or arm in ("none", "in_context")
]


def compiled(config: RunConfig) -> tuple[list[TrainStage], list[EvaluateStage]]:
    stages = compile_run(config, BASE)
    trained = [each for each in stages if isinstance(each, TrainStage)]
    asked = [each for each in stages if isinstance(each, EvaluateStage)]
    assert [*trained, *asked] == list(stages), "what trains comes first"
    return trained, asked


def point(stage: EvaluateStage) -> tuple[int, int]:
    return stage.stage, stage.step


@pytest.mark.parametrize(("curriculum", "arm"), RUNS)
def test_the_result_is_the_latest_and_asks_all_that_was_asked_before(
    curriculum: str, arm: Arm
) -> None:
    trained, asked = compiled(run(arm, curriculum=curriculum, evaluate=EVERYTHING))
    result = asked[-1]
    assert result.stage == len(trained) and result.checkpoint is None
    for each in asked[:-1]:
        assert point(each) < point(result)
        assert set(each.questions) <= set(result.questions)
        if each.checkpoint is not None:
            assert each.step == each.checkpoint
            assert each.checkpoint in trained[each.stage - 1].checkpoints
    kept = [step for stage in trained for step in stage.checkpoints]
    assert kept == [each.checkpoint for each in asked if each.checkpoint], "none is kept idly"


@pytest.mark.parametrize(("curriculum", "arm"), RUNS)
def test_nothing_is_asked_twice_at_one_point(curriculum: str, arm: Arm) -> None:
    """Item rows tell a question by its split, format and measure."""
    _, asked = compiled(run(arm, curriculum=curriculum, evaluate=EVERYTHING))
    rows = [
        (point(each), q.split, *(_told(q) if isinstance(q, Question) else ("recall",)))
        for each in asked
        for q in each.questions
    ]
    assert len(rows) == len(set(rows))


def _told(question: Question) -> tuple[object, ...]:
    return question.response_format, question.composed, question.measure


def test_arms_share_what_is_asked_before_they_part() -> None:
    arms = [arm for arm in ARMS if arm != "in_context"]
    early = {
        tuple(each for each in compiled(run(arm, evaluate=EVERYTHING))[1] if each.stage == 0)
        + tuple(e for e in compiled(run(arm, evaluate=EVERYTHING))[1] if e.stage == 1)[:1]
        for arm in arms
    }
    (shared,) = early
    assert [point(each) for each in shared] == [(0, 0), (1, 0)]
    assert all(q.split == "acquisition" for each in shared for q in each.questions)
    stage1 = {compiled(run(arm, evaluate=EVERYTHING))[0][0] for arm in ARMS}
    assert len(stage1) == 1, "and stage 1 keeps no checkpoints for anyone"


def test_a_curve_is_of_stage_2_and_of_targets() -> None:
    trained, asked = compiled(run(evaluate=EvaluateConfig(curve=(0, 2, 4), recall=1)))
    assert [point(each) for each in asked] == [(1, 0), (2, 2), (2, 4), (2, TRAIN.stage2.steps)]
    assert [stage.checkpoints for stage in trained] == [(), (2, 4)]
    curve = [q for each in asked[:-1] for q in each.questions]
    assert {q.split for q in curve} == {"target"}
    assert sum(isinstance(q, RecallQuestion) for q in curve) == 3


@pytest.mark.parametrize("arm", ARMS)
def test_without_wishes_there_is_one_evaluation(arm: Arm) -> None:
    _, asked = compiled(run(arm))
    (result,) = asked
    assert all(isinstance(q, Question) and q.measure == "execution" for q in result.questions)


@pytest.mark.parametrize("arm", ARMS)
def test_stand_ins_take_the_targets_place_at_every_point(arm: Arm) -> None:
    _, asked = compiled(run(arm, evaluate=EVERYTHING, stand_in="validation"))
    assert all(q.split != "target" for each in asked for q in each.questions)


@pytest.mark.parametrize(
    ("evaluate", "says"),
    [
        ({"curve": (4, 2)}, "ascending"),
        ({"curve": (2, 2)}, "ascending"),
        ({"forgetting": True, "acquisition_programs": 0}, "acquisition_programs"),
        ({"recall": 21}, "templates=20"),
        ({"curve": (2, TRAIN.stage2.steps)}, "evaluated anyway"),
    ],
)
def test_what_cannot_be_asked_is_refused(evaluate: dict[str, Any], says: str) -> None:
    with pytest.raises(ValueError, match=says):
        compile_run(run(evaluate=evaluate), BASE)

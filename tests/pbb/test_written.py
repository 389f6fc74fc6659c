"""Retroactive and written curricula: what they compile to, and what is refused."""

from __future__ import annotations

from typing import Any, get_args

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from pbb.config import (
    DEMONSTRATED_ARMS,
    REVEALING_ARMS,
    Arm,
    Compositions,
    Curriculum,
    Declarations,
    Executions,
    InContext,
    RlStage,
    RunConfig,
    Source,
    TrainingStage,
    TrainStage,
)
from pbb.curricula import compile_run
from pbb.mixtures import TargetLeak
from study.identity import fingerprint
from tests.pbb.runs import BASE, TRAIN, run

ARMS: tuple[Arm, ...] = get_args(Arm)
CURRICULA: tuple[Curriculum, ...] = get_args(Curriculum)
RECIPES: dict[str, Any] = {
    "stage1": TRAIN.stage1.model_dump(),
    "stage2": TRAIN.stage2.model_dump(),
    "rl": TRAIN.rl.model_dump() if TRAIN.rl else {},
}


def stages(config: RunConfig) -> list[TrainingStage]:
    return [s for s in compile_run(config, BASE) if isinstance(s, TrainStage | RlStage)]


def sources(config: RunConfig) -> list[Source]:
    found: list[Source] = []
    for stage in stages(config):
        found += [stage.source] if isinstance(stage, RlStage) else [c.source for c in stage.mixture]
    return found


def part(kind: str, share: float, **more: object) -> dict[str, object]:
    return {"kind": kind, "share": share, **more}


def reading(budget: str, *parts: dict[str, object]) -> dict[str, object]:
    return {"documents": parts, "recipe": RECIPES[budget]}


ACQUISITION = (part("declarations", 0.4), part("in_context", 0.1), part("executions", 0.5))
REPLAY = (
    part("declarations", 0.16, replay=True),
    part("in_context", 0.04, replay=True),
    part("executions", 0.2, replay=True),
)
DECLARED = reading("stage2", part("declarations", 0.4), part("targets", 0.6))
SPELLED: dict[Curriculum, list[dict[str, object]]] = {
    "proactive": [
        reading("stage1", *ACQUISITION),
        reading("stage2", *REPLAY, part("targets", 0.6)),
    ],
    "retroactive-sft": [
        DECLARED,
        reading("stage1", part("in_context", 1 / 6), part("executions", 5 / 6)),
    ],
    "retroactive-rl": [DECLARED, {"reinforce": RECIPES["rl"]}],
}


def written(arm: Arm, *listed: dict[str, object], **more: Any) -> RunConfig:
    return run(arm, curriculum="mine", stages=listed, **more)


@pytest.mark.parametrize("rank", [0, 8])
@pytest.mark.parametrize("arm", ARMS)
@pytest.mark.parametrize("curriculum", SPELLED)
def test_a_built_in_curriculum_spelled_out_is_that_curriculum(
    curriculum: Curriculum, arm: Arm, rank: int
) -> None:
    built_in = compile_run(run(arm, curriculum=curriculum, lora_rank=rank), BASE)
    spelled = compile_run(written(arm, *SPELLED[curriculum], lora_rank=rank), BASE)
    assert [fingerprint(stage) for stage in spelled] == [fingerprint(stage) for stage in built_in]


@pytest.mark.parametrize("curriculum", ["retroactive-sft", "retroactive-rl"])
def test_the_second_stage_of_retroactive_curricula_is_the_same_for_every_arm(
    curriculum: Curriculum,
) -> None:
    chains = [stages(run(arm, curriculum=curriculum)) for arm in ARMS]
    assert all([stage.role for stage in chain] == ["stage1", "stage2"] for chain in chains)
    assert len({chain[1] for chain in chains}) == 1
    assert len({fingerprint(chain[1]) for chain in chains}) == 1
    firsts = dict(zip(ARMS, (chain[0] for chain in chains), strict=True))
    assert firsts["in_context"] == firsts["none"]
    assert len(set(firsts.values())) == len(ARMS) - 1


def test_retroactive_curricula_spend_the_budgets_of_proactive_in_the_other_order() -> None:
    ahead = stages(run())
    back = stages(run(curriculum="retroactive-sft"))
    assert [s.recipe for s in back] == [s.recipe for s in reversed(ahead)]
    first, second = back
    assert isinstance(first, TrainStage) and isinstance(second, TrainStage)
    shares = {c.source: c.share for c in first.mixture}
    assert shares == pytest.approx(
        {
            Declarations(split="acquisition"): TRAIN.replay,
            Declarations(split="target"): 1 - TRAIN.replay,
        }
    )
    executed = {c.source.kind: c.share for c in second.mixture}
    ratio = TRAIN.in_context / (1 - TRAIN.declarations - TRAIN.in_context)
    assert executed.keys() == {"executions", "in_context"}
    assert executed["in_context"] / executed["executions"] == pytest.approx(ratio)
    assert sum(executed.values()) == pytest.approx(1)


@pytest.mark.parametrize("replay", [0.0, 0.3])
def test_without_target_documents_a_retroactive_stage_1_declares_acquisition_alone(
    replay: float,
) -> None:
    train = TRAIN.model_copy(update={"replay": replay})
    for arm in ("none", "in_context"):
        first = stages(run(arm, curriculum="retroactive-sft", train=train))[0]
        assert isinstance(first, TrainStage)
        ((source, share),) = [(c.source, c.share) for c in first.mixture]
        assert (source, share) == (Declarations(split="acquisition"), 1.0)


@pytest.mark.parametrize(("rank", "ratio"), [(0, TRAIN.full_rank_lr_ratio), (8, 1.0)])
def test_all_weights_are_reinforced_at_their_own_rate(rank: int, ratio: float) -> None:
    last = stages(run(curriculum="retroactive-rl", lora_rank=rank))[-1]
    assert isinstance(last, RlStage) and TRAIN.rl is not None
    assert last.recipe.peak_lr == pytest.approx(TRAIN.rl.peak_lr * ratio)
    assert last.source == Executions(split="acquisition", formats=TRAIN.formats)


# --- leakage

KINDS = ("declarations", "executions", "in_context", "compositions", "targets")


@st.composite
def mixtures(draw: st.DrawFn) -> dict[str, object]:
    kinds = draw(st.lists(st.sampled_from(KINDS), min_size=1, max_size=4))
    parts: list[dict[str, object]] = []
    for kind in kinds:
        more: dict[str, object] = {}
        if kind != "targets":
            more["replay"] = draw(st.booleans())
            if kind in ("declarations", "executions"):
                more["split"] = draw(st.sampled_from(["acquisition", "target"]))
        parts.append(part(kind, 1 / len(kinds), **more))
    return reading("stage1", *parts)


REINFORCE: dict[str, object] = {"reinforce": RECIPES["rl"]}
LISTS = st.lists(st.one_of(mixtures(), st.just(REINFORCE)), min_size=1, max_size=3)
CHOICES = st.one_of(st.sampled_from(CURRICULA), LISTS)


@settings(max_examples=300)
@given(CHOICES, st.sampled_from(ARMS), st.sampled_from(["target", "validation"]))
def test_no_curriculum_executes_a_target_unless_the_arm_shows_it(
    chosen: Curriculum | list[dict[str, object]], arm: Arm, stand_in: str
) -> None:
    """And an arm that reveals something finds it, one that reveals nothing does not."""
    how = {"curriculum": chosen} if isinstance(chosen, str) else {"curriculum": "mine"}
    listed = () if isinstance(chosen, str) else tuple(chosen)
    try:
        config = run(arm, **how, stages=listed, stand_in=stand_in)
    except ValidationError:
        return
    of_targets = [s for s in sources(config) if s.split == stand_in]
    executed = [s for s in of_targets if isinstance(s, Executions | Compositions | InContext)]
    if arm not in DEMONSTRATED_ARMS:
        assert not executed
    assert all(
        isinstance(s, Executions) and s.demonstrations == config.demonstrations for s in executed
    )
    assert bool(of_targets) == (arm in REVEALING_ARMS)
    for stage in stages(config):
        if isinstance(stage, TrainStage):
            assert sum(c.share for c in stage.mixture) == pytest.approx(1)


def test_a_leak_of_any_origin_is_refused_when_it_is_compiled(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    leaking = [Executions(split="target", formats=("cot",))]
    monkeypatch.setattr("pbb.mixtures.target_sources", lambda _: leaking)
    for arm in set(ARMS) - DEMONSTRATED_ARMS:
        with pytest.raises(TargetLeak, match=arm):
            compile_run(run(arm, curriculum="homogeneous"), BASE)
    compile_run(run("both"), BASE)


# --- refusals

FULL = reading("stage1", *ACQUISITION)
OWN = reading("stage1", part("executions", 0.5, split="target"), part("targets", 0.5))
TOLD = reading("stage1", part("declarations", 0.5, split="target"), part("targets", 0.5))
ALONE = reading("stage2", part("targets", 1))


@pytest.mark.parametrize(
    ("arm", "listed", "says"),
    [
        ("instruction", [OWN], "claims PBB"),
        ("placebo", [OWN], "claims PBB"),
        ("none", [FULL, OWN], "claims PBB"),
        ("in_context", [OWN], "executions of split target"),
        ("none", [FULL, TOLD], "declares programs of split target"),
        ("placebo", [TOLD], "declares programs of split target"),
        ("demonstrations", [TOLD], "declares programs of split target"),
        ("instruction", [FULL], "holds no targets"),
        ("demonstrations", [FULL, REINFORCE], "holds no targets"),
        ("none", [FULL, ALONE], "targets alone"),
        ("none", [], "written stages"),
    ],
)
def test_arms_that_do_not_fit_are_refused(arm: Arm, listed: list[Any], says: str) -> None:
    with pytest.raises(ValidationError, match=says):
        written(arm, *listed)


def test_what_only_repeats_is_left_out_where_nothing_is_revealed() -> None:
    assert stages(written("in_context", FULL, ALONE)) == stages(written("in_context", FULL))
    with pytest.raises(ValidationError, match="targets alone"):
        written("in_context", ALONE, FULL)


@pytest.mark.parametrize("kind", ["in_context", "compositions"])
def test_no_entry_shows_more_of_a_target_than_its_n(kind: str) -> None:
    with pytest.raises(ValidationError, match="n demonstrations"):
        written("both", reading("stage1", part(kind, 0.5, split="target"), part("targets", 0.5)))


def test_shares_that_do_not_sum_to_1_and_empty_stages_are_refused() -> None:
    with pytest.raises(ValidationError, match=r"0\.4 \+ 0\.5 = 0\.9"):
        written("none", reading("stage1", part("declarations", 0.4), part("executions", 0.5)))
    with pytest.raises(ValidationError, match="at least 1"):
        written("none", reading("stage1"))


def test_reinforcement_without_a_recipe_is_refused() -> None:
    train = TRAIN.model_copy(update={"rl": None})
    with pytest.raises(ValidationError, match=r"train\.rl"):
        run(curriculum="retroactive-rl", train=train)


# --- replay, and executions of acquisition programs


@pytest.mark.parametrize("curriculum", ["proactive", "no-acquisition"])
@pytest.mark.parametrize("kind", ["declarations", "executions", "in_context"])
def test_replay_may_be_of_one_kind(curriculum: Curriculum, kind: str) -> None:
    def last(arm: Arm, **more: Any) -> TrainStage:
        stage = stages(run(arm, curriculum=curriculum, **more))[-1]
        assert isinstance(stage, TrainStage)
        return stage

    for arm, share in (("instruction", TRAIN.replay), ("none", 1.0)):
        (repeated,) = [c for c in last(arm, replay_source=kind).mixture if c.replay]
        assert (repeated.source.kind, repeated.source.split) == (kind, "acquisition")
        assert repeated.share == pytest.approx(share)
    assert last("both") == last("both", replay_source="stage1")


@pytest.mark.parametrize("arm", ARMS)
@pytest.mark.parametrize("curriculum", [c for c in CURRICULA if c != "none"])
def test_executions_of_acquisition_programs_are_cut_wherever_they_are_trained(
    curriculum: Curriculum, arm: Arm
) -> None:
    found = sources(run(arm, curriculum=curriculum, acquisition_demonstrations=3))
    executed = [s for s in found if isinstance(s, Executions) and s.split == "acquisition"]
    assert executed or (curriculum, arm) == ("no-acquisition", "in_context")
    assert all(s.demonstrations == 3 for s in executed)


def test_more_executions_than_a_program_has_inputs_for_are_refused() -> None:
    with pytest.raises(ValidationError, match="acquisition_demonstrations=27"):
        run(acquisition_demonstrations=27)

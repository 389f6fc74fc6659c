"""What each curriculum and arm trains on: leakage, effort, nesting of demonstrations."""

import itertools
import re
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import replace
from typing import get_args

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from pbb.config import PBB_ARMS, Arm, Compositions, Curriculum, RlStage, RunConfig, TrainStage
from pbb.corpus import NoFreeCase, build_corpus
from pbb.curricula import compile_run
from pbb.documents import Document
from pbb.domains.domain import Program
from pbb.sampling import (
    demonstration_inputs,
    deranged,
    source_documents,
    step_documents,
)
from pbb.seeds import stream
from tests.pbb.runs import BASE, CORPUS, TRAIN, run

ARMS: tuple[Arm, ...] = get_args(Arm)
CURRICULA: tuple[Curriculum, ...] = get_args(Curriculum)


def words(document: Document) -> int:
    return len(re.findall(r"\w+|[^\w\s]", document.prompt + document.completion))


def stage_documents(stage: TrainStage) -> Iterator[Document]:
    steps = step_documents(stage, build_corpus(stage.corpus), lambda d: d, words)
    return itertools.chain.from_iterable(steps)


def prompted(stage: RlStage) -> Iterator[Document]:
    """The documents whose prompts a reinforcing stage asks, in its whole."""
    asked = stage.recipe.steps * stage.recipe.prompts_per_step
    rng = stream("order", stage.seed, stage.role, 0)
    documents = source_documents(stage.source, build_corpus(stage.corpus), stage.seed, rng)
    return itertools.islice(documents, asked)


def every_document(config: RunConfig) -> Iterator[Document]:
    for stage in compile_run(config, BASE):
        if isinstance(stage, TrainStage):
            yield from stage_documents(stage)
        elif isinstance(stage, RlStage):
            yield from prompted(stage)


def training_stages(config: RunConfig) -> list[TrainStage]:
    return [s for s in compile_run(config, BASE) if isinstance(s, TrainStage)]


def applies(arm: Arm, curriculum: Curriculum) -> bool:
    return curriculum != "none" or arm in ("none", "in_context")


@settings(max_examples=60)
@given(
    st.sampled_from(ARMS),
    st.sampled_from(CURRICULA),
    st.integers(0, 10**6),
    st.integers(0, 10**6),
    st.sampled_from(["target", "validation"]),
)
def test_a_pbb_arm_never_trains_on_a_target_execution(
    arm: Arm, curriculum: Curriculum, seed: int, data_seed: int, stand_in: str
) -> None:
    assume(applies(arm, curriculum))
    corpus = CORPUS.model_copy(update={"data_seed": data_seed})
    config = run(arm, curriculum=curriculum, seed=seed, corpus=corpus, stand_in=stand_in)
    built = build_corpus(corpus)
    held_out = {
        p.name: set(p.items) for p in (*built.acquisition, *built.validation, *built.target)
    }
    targets = {p.name for p in built.split(config.stand_in)}
    others = {p.name for p in built.split("validation" if stand_in == "target" else "target")}
    for document in every_document(config):
        text = document.prompt + document.completion
        called = set(re.findall(r"(\w+)\((\d+)\)", text))
        assert not any(int(x) in held_out.get(name, ()) for name, x in called), "an item leaked"
        named = set(re.findall(r"\w+", text))
        assert not named & others, "a program of the unused split leaked"
        if arm in PBB_ARMS or arm == "in_context":
            assert not {name for name, _ in called} & targets, "a target execution leaked"
        if arm in ("none", "in_context", "demonstrations"):
            bodies = [p.draft.code for p in built.split(config.stand_in)]
            assert not any(body in text for body in bodies), "a target declaration leaked"


@pytest.mark.parametrize("arm", [a for a in ARMS if a != "in_context"])
@pytest.mark.parametrize(
    "curriculum", ["proactive", "no-acquisition", "homogeneous", "retroactive-sft"]
)
def test_arms_take_the_same_effort(arm: Arm, curriculum: Curriculum) -> None:
    longest = 120
    for stage, reference in zip(
        training_stages(run(arm, curriculum=curriculum)),
        training_stages(run("instruction", curriculum=curriculum)),
        strict=True,
    ):
        assert stage.recipe == reference.recipe
        steps = step_documents(stage, build_corpus(CORPUS), lambda d: d, words)
        total, replayed = 0, 0
        for k, documents in enumerate(steps, start=1):
            total += sum(map(words, documents))
            replayed += sum(words(d) for d in documents if d.replay)
            over = total - k * stage.recipe.tokens_per_step
            assert 0 <= over < longest, "a step is over or under by more than a document"
        if stage.role == "stage2" and curriculum != "retroactive-sft":
            share = 1.0 if arm == "none" else TRAIN.replay
            assert replayed / total == pytest.approx(share, abs=longest / total * 3)


def test_all_arms_share_stage_1() -> None:
    firsts = {training_stages(run(arm))[0] for arm in ARMS}
    assert len(firsts) == 1


def test_homogeneous_holds_the_tokens_and_mixture_of_both_stages() -> None:
    (mixed,) = training_stages(run(curriculum="homogeneous"))
    both = training_stages(run())
    budget = [s.recipe.steps * s.recipe.tokens_per_step for s in both]
    found = mixed.recipe.steps * mixed.recipe.tokens_per_step
    assert found == pytest.approx(sum(budget), abs=mixed.recipe.tokens_per_step)
    wanted: dict[str, float] = defaultdict(float)
    for stage, tokens in zip(both, budget, strict=True):
        for component in stage.mixture:
            wanted[repr(component.source)] += component.share * tokens / sum(budget)
    shares: dict[str, float] = defaultdict(float)
    for component in mixed.mixture:
        shares[repr(component.source)] += component.share
    assert shares == pytest.approx(wanted)


@settings(max_examples=20)
@given(st.integers(0, 1000), st.integers(0, 1000))
def test_demonstrations_are_nested_and_visit_paths_in_turn(seed: int, data_seed: int) -> None:
    built = build_corpus(CORPUS.model_copy(update={"data_seed": data_seed % 7}))
    for program in built.target:
        inputs = demonstration_inputs(program, data_seed % 7, seed)
        assert sorted(inputs) == list(program.free)
        first = {program.draft.cases[x].path for x in inputs[: program.paths]}
        assert len(first) == program.paths


@pytest.mark.parametrize("n", [1, 2, 4, 8])
def test_the_documents_of_n_are_the_first_n_demonstrations(n: int) -> None:
    stage = training_stages(run("demonstrations", demonstrations=n))[-1]
    built = build_corpus(CORPUS)
    seen: dict[str, set[int]] = defaultdict(set)
    for document in stage_documents(stage):
        if document.split == "target":
            assert document.input is not None
            seen[document.program].add(document.input)
    for program in built.target:
        allowed = demonstration_inputs(program, CORPUS.data_seed, stage.seed)[:n]
        assert seen[program.name] <= set(allowed)


@settings(max_examples=30)
@given(st.integers(0, 10**6))
def test_placebo_gives_no_program_its_own_instruction(seed: int) -> None:
    built = build_corpus(CORPUS)
    pairs = deranged(built.target, CORPUS.data_seed, seed)
    assert all(pointer != instruction for pointer, instruction in pairs)
    assert (
        {p.name for p, _ in pairs} == {i.name for _, i in pairs} == {p.name for p in built.target}
    )


def test_placebo_and_instruction_differ_in_pointers_alone() -> None:
    def bodies(arm: Arm) -> set[str]:
        documents = stage_documents(training_stages(run(arm))[-1])
        return {d.completion for d in documents if d.split == "target"}

    assert bodies("placebo") == bodies("instruction")


@pytest.mark.parametrize("arm", ARMS)
def test_only_arms_that_saw_an_instruction_recite_it(arm: Arm) -> None:
    *_, evaluation = compile_run(run(arm), BASE)
    assert evaluation.kind == "evaluate"
    asked = {q.response_format for q in evaluation.questions if q.split == "target"}
    assert ("recite" in asked) == (arm not in ("none", "demonstrations"))
    assert all(q.in_context == (arm == "in_context") for q in evaluation.questions)


def test_stage_1_trains_every_format_equally() -> None:
    stage = training_stages(run())[0]
    counts: dict[object, int] = defaultdict(int)
    for document in stage_documents(stage):
        if document.kind == "execution":
            counts[document.response_format] += 1
    assert set(counts) == set(TRAIN.formats)
    assert max(counts.values()) - min(counts.values()) <= 1


@pytest.mark.parametrize(
    ("arm", "changes", "says"),
    [
        ("demonstrations", {"demonstrations": 0}, "n = 0 is the arm 'none'"),
        ("instruction", {"demonstrations": 3}, "go with the arms"),
        ("demonstrations", {"demonstration_format": None}, "go with the arms"),
        ("demonstrations", {"demonstrations": 99}, "= 105 inputs per program"),
        ("instruction", {"curriculum": "none"}, "trains nothing"),
    ],
)
def test_incoherent_runs_are_refused(arm: Arm, changes: dict[str, object], says: str) -> None:
    with pytest.raises(ValueError, match=says):
        run(arm, **changes)


def test_compositions_of_which_every_case_is_evaluated_are_refused(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Rather than looked through for ever."""

    def none_free(*_: object) -> tuple[Program, ...]:
        return tuple(replace(p, free=()) for p in build_corpus(CORPUS).acquisition)

    monkeypatch.setattr("pbb.corpus.compositions", none_free)
    source = Compositions(split="acquisition", formats=("cot",))
    with pytest.raises(NoFreeCase, match=r"train\.compositions"):
        source_documents(source, build_corpus(CORPUS), 1, stream("test"))

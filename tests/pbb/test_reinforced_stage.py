"""What a reinforcing stage asks, leaves and tells; its checkpoints; ends that are no success."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from pathlib import Path
from typing import Any

import polars as pl
import pytest
import torch
from pydantic import ValidationError
from safetensors.torch import load_file

from pbb.config import EvaluateStage, Executions, Lora, Numerics, Question, RlStage, TrainStage
from pbb.corpus import build_corpus
from pbb.curricula import compile_run
from pbb.engine import Engine
from pbb.models.adapters import AdapterError, Attached
from pbb.models.loading import load_base
from pbb.models.registry import resolve
from pbb.records import RlStepRecord, Status
from pbb.training.resume import STATE_FILE
from pbb.training.rollouts import step_answers, step_prompts
from tests.pbb.runs import CORPUS, run

CPU = torch.device("cpu")
WEIGHTS = {0: "model.safetensors", 4: "adapter_model.safetensors"}
Folder = Callable[[], Path]


@pytest.fixture(scope="module")
def engine() -> Engine:
    return Engine("cpu")


@pytest.fixture
def folder(tmp_path: Path) -> Folder:
    """A new empty folder at each call."""
    numbers = itertools.count()

    def made() -> Path:
        path = tmp_path / f"out-{next(numbers)}"
        path.mkdir()
        return path

    return made


def rl_stage(rank: int = 4, checkpoints: tuple[int, ...] = (), **recipe: Any) -> RlStage:
    """Six steps, unless the recipe says otherwise."""
    told = {
        "steps": 6,
        "prompts_per_step": 3,
        "group_size": 4,
        "updates_per_batch": 2,
        "kl": 0.05,
        "peak_lr": 1e-3,
        "warmup_steps": 2,
        "max_new_tokens": 20,
    }
    return RlStage(
        role="stage2",
        base=resolve("nano-xs"),
        corpus=CORPUS,
        source=Executions(split="acquisition", formats=("direct", "cot")),
        recipe={**told, **recipe},  # type: ignore[arg-type]
        lora=Lora(rank=rank),
        seed=1,
        numerics=Numerics(),
        checkpoints=checkpoints,
    )


def evaluation(step: int, checkpoint: int | None = None) -> EvaluateStage:
    return EvaluateStage(
        base=resolve("nano-xs"),
        corpus=CORPUS,
        questions=(Question(split="target", response_format="direct", programs=3),),
        max_new_tokens=8,
        batch_size=64,
        stage=2,
        step=step,
        checkpoint=checkpoint,
        numerics=Numerics(),
    )


# --- what it asks, leaves and tells


@pytest.mark.parametrize("rank", [0, 4])
def test_it_continues_its_parent_and_tells_what_it_did(
    rank: int, engine: Engine, folder: Folder
) -> None:
    stage1 = compile_run(run(lora_rank=rank), resolve("nano-xs"))[0]
    one, two, three = folder(), folder(), folder()
    assert engine.run(stage1, None, one).status is Status.OK
    stage = rl_stage(rank)
    outcome = engine.run(stage, one, two)
    assert outcome.status is Status.OK and outcome.summary is not None
    steps = pl.read_parquet(two / "steps.parquet")
    assert steps.columns == list(RlStepRecord.model_fields)
    assert steps["step"].to_list() == list(range(1, 7))
    assert steps["kl_nats_per_token"][0] == 0 < steps["kl_nats_per_token"][1:].min()  # type: ignore[operator]
    assert steps["entropy_nats_per_token"].min() > 0  # type: ignore[operator]
    assert (steps["reward_mean"] >= steps["right_share"]).all()
    assert (steps["answer_tokens_mean"] * 12 == steps["target_tokens"]).all()
    assert (steps["answer_tokens_mean"] <= stage.recipe.max_new_tokens).all()
    summary = outcome.summary
    assert (summary.steps, summary.documents, summary.replay_tokens) == (6, 18, 0)
    assert summary.tokens == steps["tokens"].sum() > summary.target_tokens
    assert summary.target_tokens == steps["target_tokens"].sum()
    assert summary.adapter_shift > 0 and summary.final_loss_nats_per_token is None
    before, after = (load_file(path / WEIGHTS[rank]) for path in (one, two))
    assert before.keys() == after.keys()
    assert not all(torch.equal(before[name], after[name]) for name in before)
    assert engine.run(evaluation(6), two, three).status is Status.OK


def test_prompts_are_the_sources_and_answers_belong_to_their_step() -> None:
    stage, corpus = rl_stage(), build_corpus(CORPUS)
    model, encoder = load_base(stage.base, "float32", CPU)
    steps = list(step_prompts(stage, corpus))
    assert [len(documents) for documents in steps] == [3] * 6
    assert steps == list(step_prompts(stage, corpus))
    asked = [document for documents in steps for document in documents]
    assert {(d.program, d.input) for d in asked} <= {
        (p.name, i) for p in corpus.acquisition for i in p.free
    }
    assert {d.response_format for d in asked} == {"direct", "cot"}
    other = RlStage.model_validate({**dict(stage), "seed": 2})
    assert steps != list(step_prompts(other, corpus))
    first, again, later = (step_answers(model, encoder, steps[0], stage, k, CPU) for k in (1, 1, 2))
    assert first == again != later
    assert [a.encoded.document for a in first] == [d for d in steps[0] for _ in range(4)]
    for answer in first:
        prompt = answer.encoded.ids[: answer.encoded.n_prompt]
        assert prompt == encoder.prompt(answer.encoded.document.prompt)
        assert answer.ended == (answer.encoded.ids[-1] == encoder.eos_id)
        assert answer.ended or answer.encoded.n_target == stage.recipe.max_new_tokens


# --- checkpoints


def train_stage(steps: int, checkpoints: tuple[int, ...] = ()) -> TrainStage:
    stage = compile_run(run(), resolve("nano-xs"))[0]
    assert isinstance(stage, TrainStage)
    recipe = {**dict(stage.recipe), "steps": steps, "warmup_steps": 0, "min_lr_ratio": 1}
    return TrainStage.model_validate({**dict(stage), "recipe": recipe, "checkpoints": checkpoints})


def constant_rl_stage(steps: int, checkpoints: tuple[int, ...] = ()) -> RlStage:
    return rl_stage(4, checkpoints, steps=steps, warmup_steps=0, min_lr_ratio=1)


def contents(path: Path) -> dict[str, bytes]:
    return {file.name: file.read_bytes() for file in path.iterdir() if file.is_file()}


@pytest.mark.parametrize("of_steps", [train_stage, constant_rl_stage])
def test_a_checkpoint_is_the_end_of_a_shorter_stage(
    of_steps: Callable[..., TrainStage | RlStage], engine: Engine, folder: Folder
) -> None:
    """At a constant rate a stage of k steps is the beginning of every longer one."""
    whole, short, asked, wanted = (folder() for _ in range(4))
    assert engine.run(of_steps(5, (1, 3)), None, whole).status is Status.OK
    assert engine.run(of_steps(3), None, short).status is Status.OK
    kept = contents(whole / "checkpoint-3")
    assert kept.keys() == {"adapter_model.safetensors", "adapter_config.json", "lora.json"}
    assert kept == {name: contents(short)[name] for name in kept}
    assert kept != contents(whole / "checkpoint-1")
    engine.run(evaluation(3, checkpoint=3), whole, asked)
    engine.run(evaluation(3), short, wanted)
    rows = pl.read_parquet(asked / "items.parquet")
    assert len(rows) and rows.equals(pl.read_parquet(wanted / "items.parquet"))


def test_a_checkpoint_that_was_not_kept_is_refused(engine: Engine, folder: Folder) -> None:
    parent = folder()
    engine.run(train_stage(2), None, parent)
    for given in (parent, None):
        with pytest.raises(AdapterError, match="after step 7"):
            engine.run(evaluation(2, checkpoint=7), given, folder())
    for late in (train_stage, constant_rl_stage):
        with pytest.raises(ValidationError, match="step 5"):
            late(5, (2, 5))


# --- ends that are no success


@pytest.mark.parametrize("rank", [0, 4])
def test_divergence_leaves_the_last_good_weights_also_when_resumed(
    rank: int, engine: Engine, folder: Folder, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The parent's, since the first update that moves them at all moves them out of bounds.

    They are older than the state that was kept last, so the state must hold them too.
    """
    monkeypatch.setattr("pbb.alone.EVERY_STEPS", 1)
    stage = rl_stage(rank, peak_lr=1e25, warmup_steps=0, updates_per_batch=1)
    base, _ = load_base(stage.base, "float32", CPU)
    with Attached(base, stage.base.name, stage.lora, stage.seed) as attached:
        good = {name: tensor.clone() for name, tensor in attached.tensors().items()}
    scratch = folder()
    for _ in range(2):  # the second goes on from the state that the first has left
        out = folder()
        outcome = engine.run(stage, None, out, scratch)
        assert outcome.status is Status.DIVERGED
        assert outcome.reason is not None and outcome.reason.startswith("step ")
        records = pl.read_parquet(out / "steps.parquet")["step"].to_list()
        assert records == list(range(1, len(records) + 1)) and len(records) < 6
        saved = load_file(out / WEIGHTS[rank])
        assert saved.keys() == good.keys()
        assert all(torch.equal(saved[name], good[name]) for name in good)
        assert (scratch / STATE_FILE).exists()
        assert engine.run(evaluation(1), out, folder()).status is Status.OK


def test_a_stage_whose_rewards_never_differ_is_no_success(engine: Engine, folder: Folder) -> None:
    """So cold that all answers to a prompt are one."""
    outcome = engine.run(rl_stage(temperature=1e-4), None, folder())
    assert outcome.status is Status.FAILED and outcome.summary is None
    assert outcome.reason is not None and "nothing was learnt" in outcome.reason


def test_a_damaged_state_is_as_good_as_none(engine: Engine, folder: Folder) -> None:
    scratch, whole, out = folder(), folder(), folder()
    engine.run(rl_stage(), None, whole)
    (scratch / STATE_FILE).write_bytes(b"half a state")
    assert engine.run(rl_stage(), None, out, scratch).status is Status.OK
    assert contents(out) == contents(whole)


@pytest.mark.parametrize(
    "wrong",
    [{"group_size": 1}, {"format_reward": 1.0}, {"warmup_steps": 6}, {"temperature": 0.0}],
)
def test_recipes_that_cannot_teach_are_refused(wrong: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        rl_stage(**wrong)

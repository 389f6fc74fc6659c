"""Laws of the step: losses, cuts, schedules, adapters, decoding, reproducibility."""

from pathlib import Path

import polars as pl
import pytest
import torch
from safetensors.torch import load_file
from torch import nn
from transformers import LlamaForCausalLM

from pbb.config import Lora, Numerics, Recipe, TrainStage
from pbb.corpus import build_corpus
from pbb.curricula import compile_run
from pbb.documents import Document
from pbb.engine import Engine
from pbb.models.adapters import AdapterError, Attached
from pbb.models.encoding import Encoded, Encoder
from pbb.models.forward import forward_of
from pbb.models.loading import load_base
from pbb.models.registry import resolve
from pbb.records import NEUTRAL_ITEM_COLUMNS, Status
from pbb.sampling import step_documents
from pbb.training.batching import microbatches
from pbb.training.loop import accumulate, train_steps
from pbb.training.optimiser import Diverged, learning_rate
from tests.pbb.runs import CORPUS, TRAIN, run

CPU = torch.device("cpu")


@pytest.fixture
def loaded() -> tuple[LlamaForCausalLM, Encoder]:
    model, encoder = load_base(resolve("nano-xs"), "float32", CPU)
    return model, encoder  # type: ignore[return-value]


def a_batch(encoder: Encoder) -> list[Encoded]:
    stage = compile_run(run(), resolve("nano-xs"))[0]
    assert isinstance(stage, TrainStage)
    return next(step_documents(stage, build_corpus(CORPUS), encoder.stream, lambda d: len(d.ids)))


def gradient(model: nn.Module, batch: list[Encoded], encoder: Encoder, most: int) -> torch.Tensor:
    model.zero_grad()
    cut = microbatches(batch, pad_id=encoder.pad_id, max_tokens=most, device=CPU)
    accumulate(forward_of(model), cut, sum(d.n_target for d in batch), Numerics(), CPU)
    return torch.cat([p.grad.flatten() for p in model.parameters() if p.grad is not None])


def test_the_gradient_does_not_depend_on_how_a_step_is_cut(
    loaded: tuple[LlamaForCausalLM, Encoder],
) -> None:
    model, encoder = loaded
    model.requires_grad_(True)
    batch = a_batch(encoder)
    whole = gradient(model, batch, encoder, 10**6)
    for most in (1, 200, 700):
        torch.testing.assert_close(
            gradient(model, batch, encoder, most), whole, rtol=1e-4, atol=1e-6
        )
    torch.testing.assert_close(
        gradient(model, batch[::-1], encoder, 300), whole, rtol=1e-4, atol=1e-6
    )


def test_loss_is_of_target_tokens_alone_and_equals_an_oracle(
    loaded: tuple[LlamaForCausalLM, Encoder],
) -> None:
    """Oracle: each document by itself, in float64, through transformers' own logits."""
    model, encoder = loaded
    batch = a_batch(encoder)
    oracle = model.double()
    total = 0.0
    for document in batch:
        ids = torch.tensor([document.ids])
        log_p = oracle(ids).logits.log_softmax(-1)[0]
        wanted = range(document.n_prompt, len(document.ids))
        total -= sum(float(log_p[i - 1, document.ids[i]]) for i in wanted)
    model.float()
    model.requires_grad_(True)
    cut = microbatches(batch, pad_id=encoder.pad_id, max_tokens=900, device=CPU)
    n = sum(d.n_target for d in batch)
    found = accumulate(forward_of(model), cut, n, Numerics(), CPU)
    assert found == pytest.approx(total / n, rel=1e-5)


def test_a_document_without_target_is_an_error(loaded: tuple[LlamaForCausalLM, Encoder]) -> None:
    _, encoder = loaded
    with pytest.raises(ValueError, match="no target token"):
        encoder(Document("compute x", "", "execution", "target", "x"))


def test_schedule_warms_up_to_the_peak_and_falls_to_the_floor() -> None:
    recipe = Recipe(steps=100, tokens_per_step=1, peak_lr=2e-3, warmup_steps=10, min_lr_ratio=0.05)
    rates = [learning_rate(step, recipe) for step in range(1, 101)]
    assert max(rates) == rates[9] == pytest.approx(2e-3)
    assert rates[:10] == sorted(rates[:10]) and rates[9:] == sorted(rates[9:], reverse=True)
    assert rates[-1] == pytest.approx(1e-4)


@pytest.mark.parametrize("scaling", ["rslora", "standard"])
@pytest.mark.parametrize("rank", [1, 4, 16])
def test_lora_scale_is_as_declared(
    loaded: tuple[LlamaForCausalLM, Encoder], rank: int, scaling: str
) -> None:
    model, _ = loaded
    lora = Lora(rank=rank, alpha=16, scaling=scaling)  # type: ignore[arg-type]
    with Attached(model, "b", lora, seed=0) as attached:
        scales = {
            s["default"]
            for m in attached.model.modules()
            if isinstance(s := getattr(m, "scaling", None), dict)
        }
    wanted = 16 / rank**0.5 if scaling == "rslora" else 16 / rank
    assert list(scales) == [pytest.approx(wanted)]


def test_leaving_an_adapter_hands_the_base_back(loaded: tuple[LlamaForCausalLM, Encoder]) -> None:
    model, _ = loaded
    before = {k: v.clone() for k, v in model.state_dict().items()}
    with Attached(model, "b", Lora(rank=4), seed=0) as attached:
        for p in attached.model.parameters():
            if p.requires_grad:
                nn.init.normal_(p)
    after = model.state_dict()
    assert before.keys() == after.keys()
    assert all(torch.equal(before[k], after[k]) for k in before)


def test_an_adapter_that_does_not_fit_is_refused(
    loaded: tuple[LlamaForCausalLM, Encoder], tmp_path: Path
) -> None:
    model, _ = loaded
    with Attached(model, "b", Lora(rank=4), seed=0) as attached:
        attached.save(tmp_path)
    file = tmp_path / "adapter_model.safetensors"
    from safetensors.torch import load_file, save_file

    state = load_file(file)
    state.pop(next(iter(state)))
    save_file(state, file)
    with (
        Attached(model, "b", Lora(rank=4), seed=0) as attached,
        pytest.raises(AdapterError, match="1 tensors missing"),
    ):
        attached.load(tmp_path)


def test_a_stage_gives_the_same_bytes_whatever_ran_before(tmp_path: Path) -> None:
    base = resolve("nano-xs")
    stage, _, evaluation = compile_run(run(), base)
    other = compile_run(run(seed=2, lora_rank=0), base)[0]
    folders = [tmp_path / name for name in ("a", "noise", "b", "items-a", "items-b")]
    for folder in folders:
        folder.mkdir()
    first, second = Engine("cpu"), Engine("cpu")
    first.run(stage, None, folders[0])
    second.run(other, None, folders[1])
    second.run(stage, None, folders[2])
    for name in ("adapter_model.safetensors", "adapter_config.json", "steps.parquet"):
        assert (folders[0] / name).read_bytes() == (folders[2] / name).read_bytes(), name
    first.run(evaluation, folders[0], folders[3])
    second.run(evaluation, folders[2], folders[4])
    rows = pl.read_parquet(folders[3] / "items.parquet")
    assert rows.equals(pl.read_parquet(folders[4] / "items.parquet"))
    assert tuple(rows.columns) == NEUTRAL_ITEM_COLUMNS


@pytest.mark.parametrize("rank", [0, 4])
def test_stage_2_continues_stage_1_and_counts_its_effort(rank: int, tmp_path: Path) -> None:
    base = resolve("nano-xs")
    stage1, stage2, _ = compile_run(run(lora_rank=rank), base)
    one, two = tmp_path / "1", tmp_path / "2"
    one.mkdir(), two.mkdir()
    engine = Engine("cpu")
    assert engine.run(stage1, None, one).status is Status.OK
    outcome = engine.run(stage2, one, two)
    assert outcome.status is Status.OK and outcome.summary is not None
    assert (
        outcome.summary.steps == TRAIN.stage2.steps == len(pl.read_parquet(two / "steps.parquet"))
    )
    budget = TRAIN.stage2.steps * TRAIN.stage2.tokens_per_step
    assert budget <= outcome.summary.tokens < budget + 200
    assert outcome.summary.replay_tokens / outcome.summary.tokens == pytest.approx(0.4, abs=0.05)
    assert outcome.summary.adapter_shift > 0


def test_a_stage_reads_its_weights_a_few_times_however_many_there_are(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each reading copies every weight off the device, so one a tensor takes minutes on a GPU."""
    reads = 0
    read = Attached.tensors

    def counted(attached: Attached) -> dict[str, torch.Tensor]:
        nonlocal reads
        reads += 1
        return read(attached)

    monkeypatch.setattr(Attached, "tensors", counted)
    stage = compile_run(run(), resolve("nano-xs"))[0]
    assert Engine("cpu").run(stage, None, tmp_path).status is Status.OK
    assert len(load_file(tmp_path / "adapter_model.safetensors")) > 6
    assert reads <= 6


def test_divergence_is_a_status_with_its_step(tmp_path: Path) -> None:
    stage = compile_run(run(), resolve("nano-xs"))[0]
    wild = {**stage.recipe.model_dump(), "peak_lr": 1e20}  # type: ignore[union-attr]
    broken = TrainStage.model_validate({**stage.model_dump(), "recipe": wild})
    outcome = Engine("cpu").run(broken, None, tmp_path)
    assert outcome.status is Status.DIVERGED
    assert outcome.reason is not None and outcome.reason.startswith("step ")


def test_a_nan_stops_training_at_once(loaded: tuple[LlamaForCausalLM, Encoder]) -> None:
    model, encoder = loaded
    model.requires_grad_(True)
    with torch.no_grad():
        next(model.parameters())[:] = float("nan")
    steps = train_steps(
        model, [a_batch(encoder)], TRAIN.stage1, Numerics(), pad_id=encoder.pad_id, device=CPU
    )
    with pytest.raises(Diverged, match="step 1"):
        next(steps)

"""What `tests.bench.train_speed` measures: one bench of steps, and who trains on it.

Real (non-padding) tokens of the same steps go through transformers' Trainer with peft, TRL's
SFTTrainer, this project with one adapter, and with cohorts. On CPU seconds are of this process's
one thread, since machines are shared; on a GPU they are of the clock.

FLOP a token are 4 N + 6 N_adapter: forward 2 N, backward to activations 2 N, and the gradient of
weights, 2 N more, of adapters alone. N counts the linear layers without embedding and head;
attention's own products are left out.
"""

from __future__ import annotations

import importlib.util
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
import torch
from tokenizers import Tokenizer
from tokenizers.models import WordLevel
from transformers import (
    LlamaConfig,
    LlamaForCausalLM,
    PreTrainedTokenizerFast,
    Trainer,
    TrainerCallback,
    TrainingArguments,
)

from pbb.config import Lora, Numerics, Recipe
from pbb.documents import Document
from pbb.freed_memory import keep_freed_memory
from pbb.models.adapters import Attached
from pbb.models.encoding import Encoded
from pbb.models.lean.reading import lean_llama
from pbb.models.stacked import Stack
from pbb.training.cohort import cohort_steps
from pbb.training.loop import train_steps
from tests.bench.plain import padded, trainer_settings

NOTHING: Final = Document("", "", "execution", "acquisition", "")
QUARTILES: Final = (20, 27, 33, 46, 78)
"""Tokens of the quickstart's documents: least, quarter, half, three quarters, most."""
TARGET_SHARE: Final = 0.47


@dataclass(frozen=True)
class Setting:
    """What is trained. lengths: of documents, times those of the quickstart."""

    name: str
    shape: dict[str, Any]
    tokens_per_step: int
    lengths: float
    numerics: Numerics


NANO: Final = {"hidden_size": 96, "intermediate_size": 288, "vocab_size": 859}
SMOL: Final = {"hidden_size": 576, "intermediate_size": 1536, "vocab_size": 49152}
SETTINGS: Final = {
    "cpu": Setting(
        "nano-s",
        {**NANO, "num_hidden_layers": 3, "num_attention_heads": 3},
        640,
        1.0,
        Numerics(),
    ),
    "cuda": Setting(
        "SmolLM2-135M",
        {**SMOL, "num_hidden_layers": 30, "num_attention_heads": 9, "num_key_value_heads": 3},
        6144,
        2.0,
        Numerics(dtype="bfloat16", max_batch_tokens=65_536),
    ),
}
"""Weights are drawn, not loaded: speed does not depend on them, and nothing need be fetched."""


def seconds_on(device: torch.device) -> float:
    """Now: this process's on CPU, since machines are shared; else by the clock, all work done."""
    if device.type == "cpu":
        return time.process_time()
    torch.cuda.synchronize()
    return time.perf_counter()


@dataclass
class Bench:
    """The base, and steps of documents for as many adapters as the largest cohort has."""

    setting: Setting
    device: torch.device
    rank: int
    steps: int
    adapters: int

    def __post_init__(self) -> None:
        torch.manual_seed(0)
        config = LlamaConfig(**self.setting.shape, tie_word_embeddings=True, bos_token_id=None)
        dtype = getattr(torch, self.setting.numerics.dtype)
        model: Any = LlamaForCausalLM(config)
        self.base = model.to(self.device, dtype).eval().requires_grad_(False)
        self.lora = Lora(rank=self.rank)
        per_step = self.setting.tokens_per_step
        self.recipe = Recipe(steps=10_000, tokens_per_step=per_step, peak_lr=1e-4, warmup_steps=0)
        self.batches = [self._batches(np.random.default_rng(i)) for i in range(self.adapters)]

    def _batches(self, rng: np.random.Generator) -> list[list[Encoded]]:
        return [self._batch(rng) for _ in range(self.steps)]

    def _batch(self, rng: np.random.Generator) -> list[Encoded]:
        documents, tokens = [], 0
        while tokens < self.setting.tokens_per_step:
            quantile = np.interp(rng.random(), (0, 0.25, 0.5, 0.75, 1), QUARTILES)
            length = int(quantile * self.setting.lengths)
            ids = rng.integers(3, self.setting.shape["vocab_size"], length)
            n_prompt = length - max(1, int(length * TARGET_SHARE))
            documents.append(Encoded(tuple(ids.tolist()), n_prompt, NOTHING))
            tokens += length
        return documents

    def tokens(self, adapters: int) -> int:
        """Real tokens of a round."""
        return sum(len(d.ids) for b in self.batches[:adapters] for step in b for d in step)

    def seconds(self) -> float:
        """Now, by the clock that suits the device."""
        return seconds_on(self.device)

    def flop_per_token(self) -> int:
        """4 N + 6 N_adapter."""
        shape = self.setting.shape
        width, wide = shape["hidden_size"], shape["intermediate_size"]
        kv = width * shape.get("num_key_value_heads", 1) // shape.get("num_attention_heads", 1)
        kv = kv if "num_key_value_heads" in shape else width
        layers = [(width, width), (width, kv), (width, kv), (width, width)]
        layers += [(width, wide), (width, wide), (wide, width)]
        base = sum(a * b for a, b in layers)
        adapter = sum(self.rank * (a + b) for a, b in layers)
        return int(shape["num_hidden_layers"] * (4 * base + 6 * adapter))


# --- contenders: each trains one round and gives its seconds


def ours_alone(bench: Bench, adapter: int = 0) -> float:
    """One adapter by the engine's loop for CPU."""
    keep_freed_memory()  # as the engine does
    numerics = bench.setting.numerics
    with Attached(bench.base, "base", bench.lora, seed=0) as attached:
        attached.model.to(bench.device)
        began = bench.seconds()
        for _ in train_steps(
            attached.model,
            bench.batches[adapter],
            bench.recipe,
            numerics,
            pad_id=0,
            device=bench.device,
        ):
            pass
        return bench.seconds() - began


def ours_together(bench: Bench, adapters: int) -> float:
    """A cohort, as the engine takes one: on CPU one after the other, on a GPU side by side.

    Side by side they start from zeros: speed does not depend on it.
    """
    if bench.device.type == "cpu":
        return sum(ours_alone(bench, adapter) for adapter in range(adapters))
    llama = lean_llama(bench.base)
    assert llama is not None
    stack = Stack(llama, [bench.lora] * adapters)
    began = bench.seconds()
    for _ in cohort_steps(
        stack,
        bench.batches[:adapters],
        [bench.recipe] * adapters,
        bench.setting.numerics,
        pad_id=0,
        device=bench.device,
    ):
        pass
    return bench.seconds() - began


class _Timer(TrainerCallback):  # type: ignore[misc]
    def __init__(self, bench: Bench) -> None:
        self._bench = bench
        self.began = 0.0

    def on_train_begin(self, *args: Any, **kwargs: Any) -> None:
        self.began = self._bench.seconds()


def by_trainer(bench: Bench) -> float:
    """transformers' Trainer with peft's LoRA: its defaults, a fused optimizer, padded batches."""
    documents = [d for step in bench.batches[0] for d in step]
    rows = -(-len(documents) // bench.steps)
    with (
        Attached(bench.base, "base", bench.lora, seed=0) as attached,
        tempfile.TemporaryDirectory() as folder,
    ):
        attached.model.to(bench.device)
        timer = _Timer(bench)
        arguments = TrainingArguments(
            folder,
            per_device_train_batch_size=rows,
            **trainer_settings(bench.setting.numerics, bench.device),
        )
        trainer = Trainer(
            attached.model,
            arguments,
            data_collator=padded,
            train_dataset=[{"ids": d.ids, "n_prompt": d.n_prompt} for d in documents],
            callbacks=[timer],
        )
        trainer.args.remove_unused_columns = False
        trainer.train()
        return bench.seconds() - timer.began


def by_trl(bench: Bench, **tuned: Any) -> float:
    """TRL's SFTTrainer on the same steps; tuned: its own arguments, over those of the Trainer.

    Padding-free batches and packing need a flash-attention package, and are left out without.
    """
    Dataset: Any = importlib.import_module("datasets").Dataset
    trl: Any = importlib.import_module("trl")
    documents = [d for step in bench.batches[0] for d in step]
    rows = [
        {
            "input_ids": list(d.ids),
            "labels": [-100] * d.n_prompt + list(d.ids[d.n_prompt :]),
        }
        for d in documents
    ]
    with (
        Attached(bench.base, "base", bench.lora, seed=0) as attached,
        tempfile.TemporaryDirectory() as folder,
    ):
        attached.model.to(bench.device)
        timer = _Timer(bench)
        arguments = trl.SFTConfig(
            folder,
            per_device_train_batch_size=-(-len(documents) // bench.steps),
            **trainer_settings(bench.setting.numerics, bench.device),
            gradient_checkpointing=False,
            max_length=None,
            dataset_kwargs={"skip_prepare_dataset": True},
            **tuned,
        )
        trainer = trl.SFTTrainer(
            attached.model,
            arguments,
            data_collator=_padded_rows,
            train_dataset=Dataset.from_list(rows),
            processing_class=_tokenizer(),
            callbacks=[timer],
        )
        trainer.train()
        return bench.seconds() - timer.began


def _tokenizer() -> Any:
    """Any with a padding token will do: the rows are tokens already."""
    vocabulary = WordLevel({"[PAD]": 0, "[UNK]": 1}, unk_token="[UNK]")
    return PreTrainedTokenizerFast(
        tokenizer_object=Tokenizer(vocabulary), pad_token="[PAD]", eos_token="[UNK]"
    )


def _padded_rows(rows: Sequence[dict[str, Any]]) -> dict[str, torch.Tensor]:
    return padded(
        [
            {"ids": row["input_ids"], "n_prompt": sum(label == -100 for label in row["labels"])}
            for row in rows
        ]
    )

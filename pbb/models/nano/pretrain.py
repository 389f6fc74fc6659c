"""Make the shipped nano bases: `python -m pbb.models.nano.pretrain nano-s OUT`.

All sizes read equal tokens in equal order: a step's documents depend on the step alone.
"""

from __future__ import annotations

import argparse
import json
import time
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Final, cast

import torch
from torch import nn
from torch.utils.data import DataLoader, Dataset
from transformers import LlamaConfig, LlamaForCausalLM

from pbb.config import Numerics, Recipe
from pbb.corpus import meaning
from pbb.models.encoding import Encoded, Encoder
from pbb.models.nano.card import report_card, write_card
from pbb.models.nano.library import (
    Diet,
    Reading,
    build_reading,
    step_reading,
)
from pbb.models.nano.vocabulary import build_tokenizer, save_tokenizer
from pbb.seeds import torch_seed
from pbb.training.loop import train_steps


@dataclass(frozen=True)
class Size:
    """A rung of the ladder. library = False: reads executions in context only.

    Those documents are longer, so that variant takes fewer steps to read as many tokens.
    """

    width: int
    layers: int
    heads: int
    peak_lr: float
    library: bool = True
    steps_ratio: float = 1.0


LADDER: Final[dict[str, Size]] = {
    "nano-xs": Size(64, 2, 2, 4e-3),
    "nano-s": Size(96, 3, 3, 3e-3),
    "nano-s-nolib": Size(96, 3, 3, 3e-3, library=False, steps_ratio=0.72),
    "nano-m": Size(128, 4, 4, 2e-3),
}


@dataclass(frozen=True)
class Plan:
    """Effort of pretraining, the same for every size."""

    steps: int = 3200
    documents: int = 48
    first: float = 0.4
    """Share of steps that read executions in context alone, before the library comes."""
    library: int = 400
    passing: int = 20_000
    definitions: float = 0.35
    uses: float = 0.45


def build_model(size: Size) -> LlamaForCausalLM:
    """An untrained Llama of this size, float32, initialised from its own stream."""
    torch.manual_seed(torch_seed("nano-init", size.width, size.layers))
    tokenizer = build_tokenizer()
    config = LlamaConfig(
        vocab_size=len(tokenizer),
        hidden_size=size.width,
        intermediate_size=3 * size.width,
        num_hidden_layers=size.layers,
        num_attention_heads=size.heads,
        max_position_embeddings=512,
        tie_word_embeddings=True,
        bos_token_id=tokenizer.bos_token_id,
        eos_token_id=tokenizer.eos_token_id,
        pad_token_id=tokenizer.pad_token_id,
    )
    return LlamaForCausalLM(config)


class StepData(Dataset[list[Encoded]]):
    """Step -> its encoded documents."""

    def __init__(self, reading: Reading, plan: Plan, library: bool) -> None:
        self._reading, self._plan, self._library = reading, plan, library
        self._encoder: Encoder | None = None

    def __len__(self) -> int:
        return self._plan.steps

    def __getitem__(self, step: int) -> list[Encoded]:
        plan = self._plan
        if self._encoder is None:  # made in the worker that uses it
            self._encoder = Encoder(build_tokenizer())
        late = self._library and step >= plan.first * plan.steps
        diet = Diet(plan.definitions, plan.uses) if late else Diet(0.0, 0.0)
        if step >= len(self):
            raise IndexError(step)
        return [self._encoder(d) for d in step_reading(self._reading, diet, step, plan.documents)]


def pretrain(
    size: Size, plan: Plan, reading: Reading, device: torch.device, workers: int
) -> tuple[LlamaForCausalLM, list[dict[str, float]]]:
    """Train one size; the model, and its loss every 100 steps."""
    model = build_model(size)
    cast(nn.Module, model).to(device)
    recipe = Recipe(
        steps=plan.steps,
        tokens_per_step=1,  # steps are counted in documents here
        peak_lr=size.peak_lr,
        warmup_steps=100,
    )
    loader = DataLoader(
        StepData(reading, plan, size.library),
        batch_size=None,
        num_workers=workers,
        prefetch_factor=8 if workers else None,
    )
    encoder = Encoder(build_tokenizer())
    log, tokens, started = [], 0, time.perf_counter()
    steps = train_steps(model, loader, recipe, Numerics(), pad_id=encoder.pad_id, device=device)
    for record in steps:
        tokens += record.tokens
        if record.step % 100 == 0 or record.step == plan.steps:
            elapsed = time.perf_counter() - started
            log.append({"step": record.step, "loss": record.loss_nats_per_token, "tokens": tokens})
            print(
                f"{record.step:6d} {record.loss_nats_per_token:.4f} {tokens / elapsed:,.0f} tok/s",
                flush=True,
            )
    return model, log


def save(model: LlamaForCausalLM, folder: Path) -> None:
    """Weights in bfloat16 (half the bytes, loaded as float32), config and tokenizer."""
    folder.mkdir(parents=True, exist_ok=True)
    cast(nn.Module, model).to(dtype=torch.bfloat16)
    model.save_pretrained(folder, safe_serialization=True)
    save_tokenizer(folder)


def main() -> None:
    """Pretrain one size into OUT/NAME and write its report card."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("name", choices=LADDER)
    parser.add_argument("out", type=Path)
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--workers", type=int, default=1)
    parser.add_argument("--threads", type=int, default=2)
    for field, value in asdict(Plan()).items():
        parser.add_argument(f"--{field}", type=type(value), default=value)
    args = parser.parse_args()
    plan = Plan(**{field: getattr(args, field) for field in asdict(Plan())})
    size, device = LADDER[args.name], torch.device(args.device)
    plan = replace(plan, steps=round(plan.steps * size.steps_ratio))
    torch.set_float32_matmul_precision("high")
    torch.set_num_threads(args.threads)
    reading = build_reading(plan.library, plan.passing)
    started = time.perf_counter()
    model, log = pretrain(size, plan, reading, device, args.workers)
    train_s = time.perf_counter() - started
    save(model, args.out / args.name)
    facts = {
        "name": args.name,
        "plan": asdict(plan),
        "size": asdict(size),
        "device": args.device,
        "train_s": round(train_s),
        "tokens": log[-1]["tokens"],
        "n_params": sum(p.numel() for p in model.parameters()),
        "accuracy": report_card(model.float(), reading, device),
        "log": log,
    }
    write_card(facts, args.out / args.name)
    hashes = sorted(meaning(named.body.source) for named in reading.library)
    (args.out / "library_meanings.json").write_text(json.dumps(hashes))


if __name__ == "__main__":
    main()

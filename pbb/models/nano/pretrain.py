"""Make the shipped nano bases: `python -m pbb.models.nano.pretrain nano-s OUT`.

Three stages, which may run on several machines: `--stage 1`, then `--stage 2` on what it left, and
so on. All sizes read equal tokens in equal order; the variant without a library reads programs in
context where the others read the library.
"""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Callable, Iterator
from dataclasses import asdict
from pathlib import Path
from typing import Any, cast

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.nn.utils import clip_grad_norm_
from torch.utils.data import DataLoader, IterableDataset
from transformers import LlamaConfig, LlamaForCausalLM

from pbb.config import Recipe
from pbb.models.head import backbone
from pbb.models.nano.card import write_card
from pbb.models.nano.library import meanings
from pbb.models.nano.plans import LADDER, PLANS, Plan, Size
from pbb.models.nano.reading import Kind
from pbb.models.nano.shards import CONTEXT, Packed, Tokens, documents, packed
from pbb.models.nano.vocabulary import build_tokenizer, save_tokenizer
from pbb.seeds import torch_seed
from pbb.training.optimiser import learning_rate


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
        max_position_embeddings=CONTEXT,
        tie_word_embeddings=True,
        bos_token_id=tokenizer.bos_token_id,
        eos_token_id=tokenizer.eos_token_id,
        pad_token_id=tokenizer.pad_token_id,
    )
    return LlamaForCausalLM(config)


class Reading(IterableDataset[Packed]):
    """The steps of a plan, in order."""

    def __init__(self, plan: Plan, library: bool, shards: Path | None) -> None:
        self._plan, self._library, self._shards = plan, library, shards

    def __iter__(self) -> Iterator[Packed]:
        plan = self._plan
        late = plan.first * plan.steps * plan.rows * CONTEXT if self._library else float("inf")
        context, library, grammars = (
            documents(
                kind, range(plan.first_part, plan.first_part + parts), plan.ended, self._shards
            )
            for kind, parts in _parts(plan)
        )
        following = _mixed(context, (library, late, plan.library), (grammars, 0.0, plan.grammars))
        steps = packed(following, plan.rows, CONTEXT)
        return (next(steps) for _ in range(plan.steps))


def _parts(plan: Plan) -> tuple[tuple[Kind, int], ...]:
    return (
        ("context", plan.context_parts),
        ("library", plan.library_parts),
        ("grammars", plan.grammars_parts),
    )


def _mixed(
    usual: Iterator[Tokens], *others: tuple[Iterator[Tokens], float, float]
) -> Callable[[], Tokens]:
    """The next document: of the others while they lack tokens, or else the usual one.

    others: documents, after how many tokens they begin, and their share of the tokens from then on.
    """
    used = [0] * len(others)
    total = 0

    def following() -> Tokens:
        nonlocal total
        wanting = (
            i for i, (_, late, share) in enumerate(others) if used[i] < share * (total - late)
        )
        i = next(wanting, None)
        document = next(usual if i is None else others[i][0])
        total += len(document)
        if i is not None:
            used[i] += len(document)
        return document

    return following


def summed_nll(model: nn.Module, tokens: Tensor, owner: Tensor, learnt: Tensor) -> Tensor:
    """Summed next-token NLL [nats] of the tokens (R, T) that carry loss; owner as in Packed.

    Documents of a row do not see each other. Rotary positions are relative, so a document reads the
    same wherever it stands in its row.
    """
    length = tokens.shape[1]
    causal = torch.ones(length, length, dtype=torch.bool, device=tokens.device).tril()
    seen = (owner[:, None, :, None] == owner[:, None, None, :]) & causal
    hidden = backbone(model)(
        input_ids=tokens, attention_mask=seen, use_cache=False
    ).last_hidden_state
    head: Any = model.get_output_embeddings()  # type: ignore[operator]
    logits = head(hidden[:, :-1]).float().flatten(0, 1)
    wanted = tokens[:, 1:].masked_fill(~learnt[:, 1:], -100).flatten()
    return F.cross_entropy(logits, wanted, ignore_index=-100, reduction="sum")


def train(
    model: LlamaForCausalLM,
    size: Size,
    plan: Plan,
    device: torch.device,
    shards: Path | None,
    rows_at_once: int,
) -> list[dict[str, float]]:
    """Train one stage in place; the loss [nats/token] every 100 steps."""
    cast(nn.Module, model).to(device)
    objective = torch.compile(summed_nll) if device.type == "cuda" else summed_nll
    recipe = Recipe(
        steps=plan.steps,
        tokens_per_step=plan.rows * CONTEXT,
        peak_lr=size.peak_lr * plan.lr_ratio,
        warmup_steps=plan.warmup,
    )
    optimizer = torch.optim.AdamW(
        model.parameters(),
        lr=recipe.peak_lr,
        betas=(recipe.beta1, recipe.beta2),
        weight_decay=recipe.weight_decay,
        fused=True,
    )
    reading = Reading(plan, size.library, shards)
    loader = DataLoader(reading, batch_size=None, num_workers=1, prefetch_factor=8)
    log: list[dict[str, float]] = []
    tokens, started = 0, time.perf_counter()
    for step, read in enumerate(loader, start=1):
        for group in optimizer.param_groups:
            group["lr"] = learning_rate(step, recipe)
        n_target = int(read.learnt.sum())
        total = torch.zeros((), device=device)
        for start in range(0, plan.rows, rows_at_once):
            rows = slice(start, start + rows_at_once)
            held = (torch.as_tensor(part[rows]).to(device) for part in _fields(read))
            with torch.autocast(device.type, torch.bfloat16, enabled=device.type == "cuda"):
                nll = objective(model, *held)
            (nll / n_target).backward()
            total += nll.detach()
        clip_grad_norm_(model.parameters(), recipe.max_grad_norm)
        optimizer.step()
        optimizer.zero_grad()
        tokens += int((read.owner >= 0).sum())
        if step % 100 == 0 or step in (1, plan.steps):
            loss, elapsed = float(total) / n_target, time.perf_counter() - started
            log.append({"step": step, "loss": round(loss, 4), "tokens": tokens})
            print(f"{step:6d} {loss:.4f} {tokens / elapsed:,.0f} tok/s {elapsed:.0f} s", flush=True)
    return log


def _fields(read: Packed) -> tuple[np.ndarray[Any, Any], ...]:
    return read.tokens, read.owner, read.learnt


def save(model: LlamaForCausalLM, folder: Path) -> None:
    """Weights in bfloat16 (half the bytes, loaded as float32), config and tokenizer."""
    folder.mkdir(parents=True, exist_ok=True)
    cast(nn.Module, model).to(dtype=torch.bfloat16)
    model.save_pretrained(folder, safe_serialization=True)
    save_tokenizer(folder)


def read(folder: Path) -> tuple[LlamaForCausalLM, dict[str, Any]]:
    """What an earlier stage left: weights, and the facts of its card."""
    model = LlamaForCausalLM.from_pretrained(folder, dtype=torch.float32)
    return model, json.loads((folder / "card.json").read_text())


def main() -> None:
    """Pretrain one size into OUT/NAME; `pbb.models.nano.card` then measures it."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("name", choices=LADDER)
    parser.add_argument("out", type=Path)
    parser.add_argument(
        "--stage", type=int, choices=range(1, len(PLANS) + 1), help="this one alone; else all"
    )
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--shards", type=Path, help="read parts that pbb.models.nano.shards writes")
    parser.add_argument("--rows-at-once", type=int, default=16, help="rows of a microbatch")
    args = parser.parse_args()
    torch.set_float32_matmul_precision("high")
    torch.set_num_threads(args.threads)
    for number, plan in enumerate(PLANS, start=1):
        if args.stage in (None, number):
            _run_stage(args, number, plan)
    (args.out / "library_meanings.json").write_text(json.dumps(meanings()))


def _run_stage(args: argparse.Namespace, number: int, plan: Plan) -> None:
    """Train one stage and save it, with its facts beside those of the stages before it."""
    folder, size, device = args.out / args.name, LADDER[args.name], torch.device(args.device)
    model, facts = (build_model(size), {"stages": []}) if number == 1 else read(folder)
    started = time.perf_counter()
    log = train(model, size, plan, device, args.shards, args.rows_at_once)
    stage = {
        "plan": asdict(plan),
        "device": torch.cuda.get_device_name(device) if device.type == "cuda" else "CPU",
        "train_s": round(time.perf_counter() - started),
        "tokens": log[-1]["tokens"],
        "log": log,
    }
    save(model, folder)
    facts |= {
        "name": args.name,
        "size": asdict(size),
        "n_params": sum(p.numel() for p in model.parameters()),
        "stages": [*facts["stages"][: number - 1], stage],
    }
    facts.pop("marks", None)  # of the weights as they were
    write_card(facts, folder)


if __name__ == "__main__":
    main()

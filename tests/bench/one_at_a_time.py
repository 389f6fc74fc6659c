"""A trial by itself, as it is made without this project: transformers' Trainer with peft, then
generate.

It trains its whole chain, on the documents, steps, ranks and rates of ours, and answers the same
items. Tuned as such a loop can be: the Trainer of `tests.bench.training`, a step as one batch as
wide as its longest document; for answering LoRA merged into its weights, and prompts sorted by
format and length.
"""

from __future__ import annotations

import tempfile
import time
from collections import defaultdict
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any, Final

import polars as pl
import torch
from peft.tuners.tuners_utils import BaseTunerLayer
from torch import nn
from torch.optim import AdamW
from torch.optim.lr_scheduler import LambdaLR
from transformers import Trainer, TrainingArguments

from pbb.config import EvaluateStage, Question, Recipe, TrainStage
from pbb.corpus import build_corpus
from pbb.evaluation.items import Item, is_sampled, items, scored, table
from pbb.models.adapters import Attached
from pbb.models.encoding import Encoded, Encoder
from pbb.models.loading import load_base
from pbb.models.precision import autocast
from pbb.sampling import step_documents
from pbb.training.optimiser import learning_rate
from study.backends.work import share_right
from study.plan import Trial
from tests.bench.plain import left_padded, padded, trainer_settings
from tests.bench.training import seconds_on

AT_ONCE: Final = {"cpu": 128, "cuda": 2048}
"""Prompts that generate takes together, by `tests.bench.evaluation_speed` the best of several."""


class Parts:
    """Seconds of a device by what they went into."""

    def __init__(self, device: torch.device) -> None:
        self.seconds: dict[str, float] = defaultdict(float)
        self._device = device

    @contextmanager
    def of(self, name: str) -> Iterator[None]:
        """What the block takes is of this part."""
        began = seconds_on(self._device)
        yield
        self.seconds[name] += seconds_on(self._device) - began


def whole(trial: Trial, on: str) -> dict[str, Any]:
    """Run it. on: cpu or cuda. Gives its accuracy, seconds by part, and when it was, by the
    clock."""
    began_s, device = time.time(), torch.device(on)
    torch.set_num_threads(1)
    parts = Parts(device)
    *trained, asked = (planned.stage for planned in trial.chain)
    with parts.of("load"):
        base, encoder = load_base(asked.base, asked.numerics.dtype, device)
    assert isinstance(asked, EvaluateStage)
    if trained:
        first = trained[0]
        assert isinstance(first, TrainStage)
        with Attached(base, first.base.name, first.lora, first.seed) as attached:
            attached.model.to(device)
            for stage in trained:
                assert isinstance(stage, TrainStage)
                train(attached.model, encoder, stage, device, parts)
            rows = answer(merged(attached.model), encoder, asked, device, parts)
    else:
        rows = answer(base, encoder, asked, device, parts)
    return {
        "accuracy": share_right(trial, rows),
        "parts": dict(parts.seconds),
        "began_s": began_s,
        "ended_s": time.time(),
    }


def documents(stage: TrainStage, encoder: Encoder) -> list[list[Encoded]]:
    """Those of each step; the engine's."""
    corpus = build_corpus(stage.corpus)
    return list(step_documents(stage, corpus, encoder.stream, lambda d: len(d.ids)))


def train(
    model: nn.Module, encoder: Encoder, stage: TrainStage, device: torch.device, parts: Parts
) -> None:
    """One stage, with an optimizer and a schedule of its own."""
    with parts.of("documents"):
        steps = documents(stage, encoder)
    recipe = stage.recipe
    with parts.of(stage.role), tempfile.TemporaryDirectory() as folder:
        arguments = TrainingArguments(
            folder,
            **trainer_settings(stage.numerics, device),
            per_device_train_batch_size=1,  # a row of the dataset is a step
            train_sampling_strategy="sequential",
            remove_unused_columns=False,
            max_grad_norm=recipe.max_grad_norm,
        )
        Trainer(
            model,
            arguments,
            data_collator=batch,
            train_dataset=steps,
            optimizers=optimizer(model, recipe),
        ).train()


def optimizer(model: nn.Module, recipe: Recipe) -> tuple[AdamW, LambdaLR]:
    """torch's fused one, at the rates of ours: transformers' schedules begin their warm-up at 0."""
    found = AdamW(
        [parameter for parameter in model.parameters() if parameter.requires_grad],
        lr=recipe.peak_lr,
        betas=(recipe.beta1, recipe.beta2),
        weight_decay=recipe.weight_decay,
        fused=True,
    )
    return found, LambdaLR(found, lambda n: learning_rate(n + 1, recipe) / recipe.peak_lr)


def batch(steps: Sequence[Sequence[Encoded]]) -> dict[str, torch.Tensor]:
    """The documents of a step, side by side."""
    (own,) = steps
    return padded([{"ids": each.ids, "n_prompt": each.n_prompt} for each in own])


def merged(model: nn.Module) -> nn.Module:
    """The model, LoRA added to the weights that it stands on: a product less for every layer."""
    for module in model.modules():
        if isinstance(module, BaseTunerLayer):
            module.merge()
    return model


def answer(
    model: nn.Module, encoder: Encoder, stage: EvaluateStage, device: torch.device, parts: Parts
) -> pl.DataFrame:
    """Neutral item rows of all questions, as an evaluation stage of ours leaves them."""
    with parts.of("evaluate"):
        corpus = build_corpus(stage.corpus)
        blocks = [(question, list(items(question, corpus))) for question in stage.questions]
        asked = [item for _, own in blocks for item in own]
        drawn = any(is_sampled(question, corpus) for question in stage.questions)
        with autocast(stage.numerics, device), torch.inference_mode():
            texts = iter(generated(model.eval(), encoder, asked, stage, device, drawn))
        rows: list[dict[str, object]] = []
        for question, own in blocks:
            rows += scored(question, own, [next(texts) for _ in own], stage, corpus)
        return table(rows)


def generated(
    model: Any,
    encoder: Encoder,
    asked: Sequence[Item],
    stage: EvaluateStage,
    device: torch.device,
    drawn: bool,
) -> list[str]:
    """Answers to items, in their order. drawn: at temperature 1, instead of the likeliest."""
    prompts = [encoder.prompt(item.prompt) for item in asked]
    order = sorted(range(len(asked)), key=lambda i: (_format(asked[i]), len(prompts[i])))
    texts, at_once = [""] * len(asked), AT_ONCE[device.type]
    for start in range(0, len(order), at_once):
        places = order[start : start + at_once]
        tokens, mask = left_padded([prompts[i] for i in places], encoder.pad_id)
        found = model.generate(
            tokens.to(device),
            attention_mask=mask.to(device),
            max_new_tokens=stage.max_new_tokens,
            eos_token_id=encoder.eos_id,
            pad_token_id=encoder.pad_id,
            do_sample=drawn,
            **({"top_k": 0} if drawn else {}),
        )
        for place, ids in zip(places, found[:, tokens.shape[1] :].tolist(), strict=True):
            end = ids.index(encoder.eos_id) if encoder.eos_id in ids else len(ids)
            texts[place] = encoder.decode(ids[:end])
    return texts


def _format(item: Item) -> str:
    """Answers in one format are about as long."""
    return item.question.response_format if isinstance(item.question, Question) else "recall"

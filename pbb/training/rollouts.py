"""Prompts of a stage that reinforces, and the answers that the model in training gives to them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import islice

import torch
from torch import nn

from pbb.config import RlStage
from pbb.corpus import Corpus
from pbb.documents import Document
from pbb.evaluation.decoding import Continue, continued
from pbb.evaluation.sampling_decoder import sampled
from pbb.models.encoding import Encoded, Encoder
from pbb.models.precision import autocast
from pbb.sampling import source_documents
from pbb.seeds import stream


@dataclass(frozen=True)
class Answer:
    """A sampled answer to a document's prompt.

    encoded: ids of the prompt, and from n_prompt on those sampled, the end token among them where
    it came. text: without that token. ended: false where the limit cut the answer off.
    """

    encoded: Encoded
    text: str
    ended: bool


def step_prompts(stage: RlStage, corpus: Corpus) -> Iterator[list[Document]]:
    """The documents whose prompts each step asks, for `stage.recipe.steps` steps.

    Passes over the source's cases are shuffled afresh, and templates drawn, as for training.
    """
    rng = stream("prompts", stage.seed, stage.role)
    documents = source_documents(stage.source, corpus, stage.seed, rng)
    for _ in range(stage.recipe.steps):
        yield list(islice(documents, stage.recipe.prompts_per_step))


def step_answers(
    model: nn.Module,
    encoder: Encoder,
    documents: Sequence[Document],
    stage: RlStage,
    step: int,
    device: torch.device,
    by: Continue = continued,
) -> list[Answer]:
    """group_size answers to each prompt, groups one after the other, sampled in one batch.

    Step k of a stage has its own stream of numbers, so that a resumed stage draws the same. by: the
    decoder.
    """
    recipe = stage.recipe
    asked = [document for document in documents for _ in range(recipe.group_size)]
    prompts = [encoder.prompt(document.prompt) for document in asked]
    rng = stream("rollouts", stage.seed, stage.role, step)
    with autocast(stage.numerics, device):
        outputs = sampled(
            model,
            prompts,
            uniforms=rng.random((len(asked), recipe.max_new_tokens)),
            pad_id=encoder.pad_id,
            eos_id=encoder.eos_id,
            max_new_tokens=recipe.max_new_tokens,
            device=device,
            temperature=recipe.temperature,
            by=by,
        )
    rows = zip(asked, prompts, outputs, strict=True)
    return [_answer(encoder, *row, recipe.max_new_tokens) for row in rows]


def _answer(
    encoder: Encoder, document: Document, prompt: Sequence[int], output: Sequence[int], most: int
) -> Answer:
    ended = len(output) < most
    ids = (*prompt, *output, *((encoder.eos_id,) if ended else ()))
    return Answer(Encoded(ids, len(prompt), document), encoder.decode(output), ended)

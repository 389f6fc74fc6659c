"""A few training documents of a run, as the model sees them, with their token counts."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from pbb.config import TrainStage
from pbb.corpus import build_corpus
from pbb.models.encoding import Encoded, Encoder
from pbb.models.registry import locate
from pbb.sampling import step_documents
from study.plan import Trial


@dataclass(frozen=True)
class Sample:
    """target_tokens carry the loss; prompt_tokens do not."""

    stage: str
    kind: str
    prompt: str
    completion: str
    prompt_tokens: int
    target_tokens: int


def samples(trial: Trial, per_kind: int) -> Iterator[Sample]:
    """The first documents of each kind in each training stage's first step."""
    encoder = load_encoder(trial.config.model)
    for planned in trial.chain:
        if isinstance(planned.stage, TrainStage):
            yield from _stage_samples(planned.stage, encoder, per_kind)


def _stage_samples(stage: TrainStage, encoder: Encoder, per_kind: int) -> Iterator[Sample]:
    corpus = build_corpus(stage.corpus)
    shown: dict[str, int] = {}
    for encoded in next(step_documents(stage, corpus, encoder, lambda each: len(each.ids))):
        kind = _kind(encoded)
        shown[kind] = shown.get(kind, 0) + 1
        if shown[kind] <= per_kind:
            yield Sample(
                stage=stage.role,
                kind=kind,
                prompt=encoded.document.prompt,
                completion=encoded.document.completion,
                prompt_tokens=encoded.n_prompt,
                target_tokens=encoded.n_target,
            )


def _kind(encoded: Encoded) -> str:
    document = encoded.document
    parts = (document.split, document.kind, document.response_format)
    return " ".join([*(p for p in parts if p), *(["(replay)"] if document.replay else [])])


def load_encoder(model: str) -> Encoder:
    """The base's tokenizer alone. Raises UnknownModel."""
    from transformers import AutoTokenizer  # seconds, and only this command needs it

    files = locate(model)
    gguf = {"gguf_file": files.gguf} if files.gguf else {}
    return Encoder(AutoTokenizer.from_pretrained(files.folder, trust_remote_code=False, **gguf))

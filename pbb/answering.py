"""Evaluation stages: answered one at a time, or by the adapters of a cohort side by side."""

from __future__ import annotations

import contextlib
from collections.abc import Sequence
from pathlib import Path
from typing import Final

import torch
from torch import nn

from pbb.config import EvaluateStage, Lora
from pbb.corpus import build_corpus
from pbb.durable import parquet_bytes
from pbb.evaluation.cohort_decoding import Resident
from pbb.evaluation.cohort_items import evaluate_together
from pbb.evaluation.decoding import Continue
from pbb.evaluation.items import evaluate
from pbb.jobs import Job
from pbb.models.adapters import ADAPTER_FILE, read_tensors, standing
from pbb.models.encoding import Encoder
from pbb.models.lean.llama import Llama
from pbb.models.lean.reading import lean_llama
from pbb.models.stacked import Stack
from pbb.stage_files import ITEMS_FILE, evaluated_folder, saved_lora

NO_ADAPTER: Final = Lora(rank=1)
"""Stands for the bare base: all zeros, it adds nothing."""


def answer(
    stage: EvaluateStage,
    base: nn.Module,
    encoder: Encoder,
    parent: Path | None,
    out: Path,
    device: torch.device,
    by: Continue,
) -> None:
    """Evaluate the parent's model, or the bare base, and write its item rows. by: the decoder.

    Raises AdapterError where the parent did not keep the checkpoint that is asked.
    """
    corpus, folder = build_corpus(stage.corpus), evaluated_folder(stage, parent)
    if folder is None:
        rows = evaluate(base, encoder, stage, corpus, device, by)
    else:
        lora = saved_lora(folder)
        with standing(base, stage.base.name, lora, 0, folder, device) as attached:
            rows = evaluate(attached.model, encoder, stage, corpus, device, by)
    (out / ITEMS_FILE).write_bytes(parquet_bytes(rows))


def may_answer_together(jobs: Sequence[Job]) -> bool:
    """Whether all evaluate adapters of one base, in one shape.

    Raises AdapterError where a parent did not keep the checkpoint that is asked.
    """
    first = jobs[0].stage
    return all(
        isinstance(job.stage, EvaluateStage)
        and isinstance(first, EvaluateStage)
        and _shape(job.stage) == _shape(first)
        and _lora(job.stage, job.parent).rank > 0
        for job in jobs
    )


def answered_if_it_fits(
    jobs: Sequence[Job], base: nn.Module, encoder: Encoder, resident: Resident
) -> bool:
    """`answer_together`; false, and nothing written, where the memory was exhausted.

    False too for a base that has no lean forward.
    """
    llama = lean_llama(base)
    if llama is None:
        return False
    # Not handled in `except`: there the error would still hold on to what was allocated.
    with contextlib.suppress(torch.OutOfMemoryError):
        answer_together(jobs, llama, encoder, resident)
        return True
    resident.forget()
    torch.cuda.empty_cache()
    return False


def answer_together(
    jobs: Sequence[Job], llama: Llama, encoder: Encoder, resident: Resident
) -> None:
    """Evaluate what each job asks, side by side, and write its item rows. llama: the base's own.

    Raises AdapterError where a parent's adapter does not fit the base.
    """
    stages = [job.stage for job in jobs if isinstance(job.stage, EvaluateStage)]
    folders = [evaluated_folder(stage, job.parent) for stage, job in zip(stages, jobs, strict=True)]
    stack = Stack(llama, [NO_ADAPTER if f is None else saved_lora(f) for f in folders])
    for i, folder in enumerate(folders):
        if folder is not None:
            stack.put(i, read_tensors(folder / ADAPTER_FILE, stack.names))
    tables = evaluate_together(stack.llama, encoder, stages, resident)
    for job, rows in zip(jobs, tables, strict=True):
        (job.out / ITEMS_FILE).write_bytes(parquet_bytes(rows))


def _lora(stage: EvaluateStage, parent: Path | None) -> Lora:
    folder = evaluated_folder(stage, parent)
    return NO_ADAPTER if folder is None else saved_lora(folder)


def _shape(stage: EvaluateStage) -> tuple[object, ...]:
    return stage.base, stage.numerics, stage.batch_size, stage.max_new_tokens

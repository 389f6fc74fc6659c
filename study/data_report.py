"""What `pbb-study data` finds in a run's documents: some of them, counts by kind, and checks."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from pbb.config import EvaluateStage, RlStage, Stage
from pbb.corpus import build_corpus
from pbb.domains.registry import blamed
from pbb.models.encoding import Encoder
from study.data_checks import Check, Leaks, overlaps
from study.data_counts import Counts, KindCount, prompt_identity
from study.encoders import load_encoder
from study.plan import Trial
from study.samples import (
    EVALUATION,
    Gallery,
    Sample,
    asked,
    context_length,
    kind_of,
    kind_of_item,
    shown_stages,
    stage_documents,
    stage_items,
    stage_prompts,
    training_stages,
)


@dataclass(frozen=True)
class StageReport:
    """One stage: documents to look at, and counts of all of them.

    asked: whether the model gets their prompts alone, and is to answer.
    """

    stage: str
    asked: bool
    samples: Sequence[Sample]
    counts: Sequence[KindCount]


@dataclass(frozen=True)
class DataReport:
    """The stages asked for, and checks over the corpus and so many training documents of theirs."""

    stages: Sequence[StageReport]
    checks: Sequence[Check]
    documents: int

    @property
    def ok(self) -> bool:
        return all(check.ok for check in self.checks)


def examine(trial: Trial, stage: str | None, per_kind: int, steps: int | None) -> DataReport:
    """Read a trial's documents, of one stage or of all; steps: of each training stage at most.

    Raises UnknownModel, TooFewPrograms, FailedDomain.
    """
    with blamed(trial.config.corpus.domain.kind):
        return _examined(trial, stage, per_kind, steps)


def _examined(trial: Trial, stage: str | None, per_kind: int, steps: int | None) -> DataReport:
    encoder = load_encoder(trial.config.model)
    leaks = Leaks(trial.config, training_stages(trial), encoder)
    reports = [
        _report(planned.stage, encoder, leaks, per_kind, steps)
        for planned in shown_stages(trial)
        if stage in (None, getattr(planned.stage, "role", EVALUATION))
    ]
    lengths = _lengths(reports, context_length(trial.config.model))
    leaked = leaks.checks() if leaks.seen else []
    checks = [*overlaps(build_corpus(trial.config.corpus)), *leaked, *lengths]
    return DataReport(reports, checks, leaks.seen)


def _report(
    stage: Stage, encoder: Encoder, leaks: Leaks, per_kind: int, steps: int | None
) -> StageReport:
    if isinstance(stage, EvaluateStage):
        return _evaluated(stage, encoder, per_kind)
    if isinstance(stage, RlStage):
        return _reinforced(stage, encoder, leaks, per_kind, steps)
    gallery, counts = Gallery(stage.role, encoder, per_kind), Counts(encoder)
    for _, encoded in stage_documents(stage, encoder, steps):
        gallery.see(encoded)
        counts.see(encoded)
        leaks.see(encoded)
    return StageReport(stage.role, False, gallery.samples(), counts.rows())


def _reinforced(
    stage: RlStage, encoder: Encoder, leaks: Leaks, per_kind: int, steps: int | None
) -> StageReport:
    """What it asks; its answers are the model's own, so right ones are shown and not counted."""
    gallery, counts = Gallery(stage.role, encoder, per_kind), Counts(encoder)
    for encoded in stage_prompts(stage, encoder, steps):
        kind, prompt = kind_of(encoded.document), encoded.document.prompt
        gallery.see(encoded)
        counts.add(kind, encoded.ids[: encoded.n_prompt], 0, prompt_identity(prompt), prompt)
        leaks.see(encoded)
    return StageReport(stage.role, True, gallery.samples(), counts.rows())


def _evaluated(stage: EvaluateStage, encoder: Encoder, per_kind: int) -> StageReport:
    counts = Counts(encoder)
    for item in stage_items(stage):
        ids, kind = encoder.prompt(item.prompt), kind_of_item(item)
        counts.add(kind, ids, 0, prompt_identity(item.prompt), item.prompt)
        counts.expect(kind, item.expected)
    return StageReport(EVALUATION, True, asked(stage, encoder, per_kind), counts.rows())


def _lengths(reports: Sequence[StageReport], most: int | None) -> list[Check]:
    if most is None:
        return []
    long = [
        f"{report.stage}, {row.kind}: {row.longest} tokens"
        for report in reports
        for row in report.counts
        if row.longest > most
    ]
    return [Check(f"kinds of documents longer than the base's {most} tokens", *_first(long))]


def _first(found: Sequence[str]) -> tuple[int, str]:
    return len(found), found[0] if found else ""

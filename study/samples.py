"""Documents of a planned stage as the model gets them, and a few of each kind to look at."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import islice

from pbb.config import EvaluateStage, RecallQuestion, RlStage, TrainStage
from pbb.corpus import build_corpus
from pbb.documents import Document
from pbb.evaluation.items import Item, items
from pbb.models.encoding import Encoded, Encoder
from pbb.models.registry import locate
from pbb.sampling import source_documents, step_documents
from pbb.seeds import stream
from search_spaces.errors import StudyError
from study.plan import Plan, PlannedStage, Trial

EVALUATION = "evaluation"


@dataclass(frozen=True)
class Sample:
    """given: what stands before, chat template and special tokens included. learnt: what carries
    the loss; at an evaluation what would be right, which the model never gets.
    """

    stage: str
    kind: str
    given: str
    learnt: str
    given_tokens: int
    learnt_tokens: int


def planned_trial(
    plan: Plan, arm: str | None, stage: str | None, curriculum: str | None = None
) -> Trial:
    """The first trial of an arm (`instruction`, unless one is named) that has the stage.

    curriculum: of the trial; null = of any.

    Raises StudyError, saying what there is.
    """
    name = plan.study.name
    if not plan.trials:
        raise StudyError(f"study {name!r} plans no trial in advance, so there are no documents yet")
    trials = [t for t in plan.trials if curriculum in (None, t.config.curriculum)]
    if not trials:
        known = ", ".join(sorted({trial.config.curriculum for trial in plan.trials}))
        raise StudyError(f"curriculum {curriculum!r} is not in study {name!r}; it has: {known}")
    arms = sorted({trial.config.arm for trial in trials})
    wanted = arm or ("instruction" if "instruction" in arms else trials[0].config.arm)
    found = [trial for trial in trials if trial.config.arm == wanted]
    if not found:
        raise StudyError(f"arm {wanted!r} is not in study {name!r}; it has: {', '.join(arms)}")
    for trial in found:
        if stage is None or stage in stage_names(trial):
            return trial
    names = sorted({each for trial in found for each in stage_names(trial)})
    raise StudyError(f"arm {wanted!r} has no stage {stage!r}; it has: {', '.join(names)}")


def shown_stages(trial: Trial) -> list[PlannedStage]:
    """What trains, in order, then the result; evaluations beside it ask nothing else."""
    return [*(each for each in trial.chain if not each.is_evaluation), trial.chain[-1]]


def stage_names(trial: Trial) -> list[str]:
    """Of `shown_stages`; the last one is the evaluation."""
    return [getattr(each.stage, "role", EVALUATION) for each in shown_stages(trial)]


def training_stages(trial: Trial) -> list[TrainStage]:
    """Those that read documents, in order; none where the base is evaluated as it ships."""
    return [each.stage for each in trial.chain if isinstance(each.stage, TrainStage)]


def stage_documents(
    stage: TrainStage, encoder: Encoder, steps: int | None = None
) -> Iterator[tuple[int, Encoded]]:
    """(step from 1, document) of the whole stage, or of its first steps."""
    corpus = build_corpus(stage.corpus)
    made = step_documents(stage, corpus, encoder.stream, lambda each: len(each.ids))
    for step, batch in enumerate(islice(made, steps), start=1):
        for encoded in batch:
            yield step, encoded


def stage_prompts(stage: RlStage, encoder: Encoder, steps: int | None = None) -> Iterator[Encoded]:
    """Documents whose prompts a reinforcing stage asks; the model never gets their completions."""
    corpus, rng = build_corpus(stage.corpus), stream("order", stage.seed, stage.role, 0)
    made = source_documents(stage.source, corpus, stage.seed, rng)
    count = min(steps or stage.recipe.steps, stage.recipe.steps) * stage.recipe.prompts_per_step
    yield from encoder.stream(islice(made, count))


def stage_items(stage: EvaluateStage) -> Iterator[Item]:
    """What an evaluation asks."""
    corpus = build_corpus(stage.corpus)
    for question in stage.questions:
        yield from items(question, corpus)


def kind_of(document: Document) -> str:
    """For instance `acquisition execution cot (replay)`."""
    parts = (document.split, document.kind, document.response_format)
    return " ".join([*(p for p in parts if p), *(["(replay)"] if document.replay else [])])


def kind_of_item(item: Item) -> str:
    """For instance `target cot (in context)`."""
    asked = item.question
    if isinstance(asked, RecallQuestion):
        return f"{asked.split} recall"
    split = "composed" if asked.composed else asked.split
    return f"{split} {asked.response_format}{' (in context)' if asked.in_context else ''}"


class Gallery:
    """The first few documents of each kind that it is shown."""

    def __init__(self, stage: str, encoder: Encoder, per_kind: int) -> None:
        self._stage, self._encoder, self._per_kind = stage, encoder, per_kind
        self._kinds: dict[str, list[Sample]] = {}

    def see(self, encoded: Encoded) -> None:
        """Keep it, unless there are enough of its kind."""
        kind = kind_of(encoded.document)
        kept = self._kinds.setdefault(kind, [])
        if len(kept) < self._per_kind:
            given, learnt = self._encoder.shown(encoded.document)
            sizes = (encoded.n_prompt, encoded.n_target)
            kept.append(Sample(self._stage, kind, given, learnt, *sizes))

    def samples(self) -> list[Sample]:
        """Kinds in the order of their first document."""
        return [sample for kept in self._kinds.values() for sample in kept]


def asked(stage: EvaluateStage, encoder: Encoder, n: int) -> list[Sample]:
    """The first n items of each question, with the answer expected."""
    shown: Counter[str] = Counter()
    found = []
    for item in stage_items(stage):
        kind = kind_of_item(item)
        shown[kind] += 1
        if shown[kind] <= n:
            given = encoder.shown_prompt(item.prompt)
            tokens = len(encoder.prompt(item.prompt))
            right = len(encoder.ids(item.expected))
            found.append(Sample(EVALUATION, kind, given, item.expected, tokens, right))
    return found


def context_length(model: str) -> int | None:
    """Tokens that a base can attend to; null where its files do not say. Raises UnknownModel."""
    path = locate(model).folder / "config.json"
    if not path.is_file():
        return None
    try:
        found = json.loads(path.read_text("utf-8"))["max_position_embeddings"]
    except (ValueError, LookupError, TypeError, RecursionError):
        return None
    return found if isinstance(found, int) else None

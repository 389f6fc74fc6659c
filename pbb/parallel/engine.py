"""The engine of several processes: all of them run each stage together, and the first one writes.

The numbers are those of `pbb.engine.Engine` but for rounding. One that reinforces is refused: its
answers are sampled by one process (`search_spaces.settings.Resources`).
"""

from __future__ import annotations

import itertools
import time
from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager, ExitStack
from pathlib import Path

from torch import nn

from pbb.config import EvaluateStage, Stage, TrainStage
from pbb.corpus import build_corpus
from pbb.durable import parquet_bytes
from pbb.engine import chosen_device, ended, prepare
from pbb.evaluation.items import Item, answered, item_rows
from pbb.jobs import Job
from pbb.models.adapters import Attached
from pbb.models.encoding import Encoder
from pbb.parallel.steps import shared_steps
from pbb.parallel.strategies import Replicated, Sharded, Strategy
from pbb.parallel.team import PeerFailed, Team
from pbb.records import StageOutcome, Status, StepRecord, TrainSummary
from pbb.sampling import step_documents
from pbb.stage_files import (
    ITEMS_FILE,
    evaluated_folder,
    save_checkpoint,
    saved_lora,
    write_records,
)
from pbb.training.effort import Effort
from pbb.training.feed import Feed
from pbb.training.proof import Proof


def replicated() -> TeamEngine:
    """By DDP, with all processes of torch's default group."""
    team = Team(chosen_device("auto"))
    return TeamEngine(team, Replicated(team))


def sharded() -> TeamEngine:
    """By FSDP, likewise."""
    team = Team(chosen_device("auto"))
    return TeamEngine(team, Sharded(team))


class TeamEngine:
    """Runs stages; made in every process of the team, and given the same jobs in each."""

    def __init__(self, team: Team, strategy: Strategy) -> None:
        self._team, self._strategy = team, strategy
        self._loaded: tuple[object, nn.Module, Encoder] | None = None

    def run_cohort(self, jobs: Sequence[Job]) -> Iterator[StageOutcome]:
        """Outcomes in order, one stage after the other; the same in every process.

        Where memory was exhausted and the processes cannot go on together, only those that lacked
        it know the outcome, and each of them raises PeerFailed when it is asked for the next.
        """
        for job in jobs:
            outcome = self._run(job)
            yield outcome
            if outcome.status is Status.OUT_OF_MEMORY and not self._strategy.survives:
                raise PeerFailed(f"after {outcome.reason}, this process cannot go on with others")

    def _run(self, job: Job) -> StageOutcome:
        def load() -> float:
            started = time.perf_counter()
            self._base(job.stage, job.parent)
            return time.perf_counter() - started

        def work() -> TrainSummary | None:
            model, encoder = self._base(job.stage, job.parent)
            match job.stage:
                case TrainStage():
                    return self._train(job.stage, model, encoder, job.parent, job.out)
                case EvaluateStage():
                    self._answer(job.stage, model, encoder, job.parent, job.out)
                    return None
            raise ValueError(f"a stage {job.stage.kind!r} runs in one process")

        return ended(load, work)

    def _base(self, stage: Stage, parent: Path | None) -> tuple[nn.Module, Encoder]:
        prepare(stage.numerics, self._team.device)
        if isinstance(stage, EvaluateStage):
            folder = evaluated_folder(stage, parent)
            all_weights = folder is not None and saved_lora(folder).rank == 0
        else:
            all_weights = stage.lora.rank == 0
        key = (stage.base, stage.numerics.dtype, all_weights)
        if self._loaded is None or self._loaded[0] != key:
            self._loaded = None  # frees the old base before the new one is read
            found = self._strategy.load(stage.base, stage.numerics.dtype, all_weights=all_weights)
            self._loaded = (key, *found)
        return self._loaded[1], self._loaded[2]

    def _train(
        self, stage: TrainStage, base: nn.Module, encoder: Encoder, parent: Path | None, out: Path
    ) -> TrainSummary:
        """As `pbb.alone.train`. Raises Diverged in all processes."""
        team, run = self._team, self._strategy.run
        effort, records = Effort(), list[StepRecord]()
        batches = step_documents(
            stage, build_corpus(stage.corpus), encoder.stream, lambda d: len(d.ids)
        )
        with Feed(effort.counted(batches)) as feed, ExitStack() as opened:
            attached = run(lambda: opened.enter_context(self._attached(stage, base, parent)))
            first = next(feed)
            proof = run(lambda: Proof(stage, attached, first, encoder, team.device))
            for record in shared_steps(
                attached.model,
                itertools.chain([first], feed),
                stage.recipe,
                stage.numerics,
                team,
                cut=lambda of_all: self._strategy.cut(
                    of_all, pad_id=encoder.pad_id, max_tokens=stage.numerics.max_batch_tokens
                ),
                run=run,
            ):
                records.append(record)
                if record.step in stage.checkpoints:
                    self._save(attached, out, record.step)
            run(lambda: proof.ended(attached))
            self._save(attached, out, None)
        shift = run(lambda: proof.shift(self._attached(stage, base, out)))
        if team.leads:
            write_records(records, out)
        return effort.summary(records, shift, feed.waited_s)

    def _attached(
        self, stage: TrainStage, base: nn.Module, folder: Path | None
    ) -> AbstractContextManager[Attached]:
        return self._strategy.attached(base, stage.base.name, stage.lora, stage.seed, folder)

    def _save(self, attached: Attached, out: Path, step: int | None) -> None:
        """Write the weights as they are now: the stage's, or those after a step."""
        weights = attached.tensors()

        def write() -> None:
            if step is None:
                attached.write(out, weights)
            else:
                save_checkpoint(attached, weights, out, step)

        self._team.attempt(write if self._team.leads else _nothing)

    def _answer(
        self,
        stage: EvaluateStage,
        base: nn.Module,
        encoder: Encoder,
        parent: Path | None,
        out: Path,
    ) -> None:
        """As `pbb.answering.answer`; the processes share the items of each question."""
        corpus, folder = build_corpus(stage.corpus), evaluated_folder(stage, parent)
        with ExitStack() as opened:
            model = base
            if folder is not None:
                lora = saved_lora(folder)
                standing = self._strategy.attached(base, stage.base.name, lora, 0, folder)
                model = self._strategy.run(lambda: opened.enter_context(standing)).model

            def answer(asked: Sequence[Item]) -> list[str]:
                own = asked[self._team.rank :: self._team.size]
                said = self._strategy.run_apart(
                    model,
                    lambda: answered(model, encoder, own, stage, corpus, self._team.device),
                )
                return _in_turn(self._team.gathered(said))

            rows = item_rows(stage, corpus, answer)
        if self._team.leads:
            (out / ITEMS_FILE).write_bytes(parquet_bytes(rows))


def _in_turn(parts: Sequence[Sequence[str]]) -> list[str]:
    """First each part's first, then each one's second, and so on."""
    return [text for row in itertools.zip_longest(*parts) for text in row if text is not None]


def _nothing() -> None:
    """What there is to write for all but the first process."""

"""The engine: keeps a base in memory and runs stages on it, one process, one device.

A stage's spec and its parent's folder decide the bytes it leaves, whatever ran before it.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import torch
from torch import nn

from pbb.alone import reinforce, train
from pbb.answering import answer, answered_if_it_fits, may_answer_together
from pbb.cohort import Trained, fits, side_by_side, trained_if_it_fits
from pbb.config import Base, EvaluateStage, Numerics, RlStage, Stage, TrainStage
from pbb.evaluation.cohort_decoding import Resident
from pbb.evaluation.decoding import Continue, continued
from pbb.freed_memory import keep_freed_memory
from pbb.jobs import Job
from pbb.models.encoding import Encoder
from pbb.models.loading import load_base
from pbb.records import StageOutcome, Status, TrainSummary
from pbb.stage_files import write_records
from pbb.training.optimiser import Diverged
from pbb.training.reinforcement import NothingToLearn

Together = Callable[[Sequence[Job], nn.Module, Encoder], Sequence[Trained | None] | None]
"""Runs jobs at once on a base: how each ended, null of an evaluation; or null where that cannot be,
for lack of memory above all."""


class Engine:
    """Runs stages. `device`: a torch device, or `auto` for the GPU where there is one."""

    def __init__(self, device: str = "auto") -> None:
        self.device = chosen_device(device)
        self._side_by_side = self.device.type != "cpu"
        if not self._side_by_side:
            keep_freed_memory()
        self._resident = Resident(self.device)
        # On CPU, results keep the bytes that the decoder of one adapter gives them.
        self._by: Continue = self._resident.continued if self._side_by_side else continued
        self._loaded: tuple[Base, str, nn.Module, Encoder] | None = None

    def run(
        self, stage: Stage, parent: Path | None, out: Path, scratch: Path | None = None
    ) -> StageOutcome:
        """Run a stage into the existing empty folder `out`.

        parent: folder of the training stage it continues or evaluates; None = the bare base.
        scratch: folder, perhaps not there yet, in which a stage that can be resumed keeps its
        state, and goes on from the one it finds; None = it cannot.
        Leaves safetensors and steps.parquet (training) or items.parquet (evaluation). Divergence,
        exhausted memory and rewards without any contrast come back as a status; other errors are
        raised.
        """
        return next(self.run_cohort([Job(stage, parent, out, scratch)]))

    def run_cohort(self, jobs: Sequence[Job]) -> Iterator[StageOutcome]:
        """Run stages into their folders; outcomes in their order, each as `run` tells it.

        Adapters of one base and step shape train side by side on a GPU, as many at once as its
        memory holds and its speed gains by, and answer side by side: a small step leaves most of it
        idle. On CPU it is busy with one (a cohort of 8 gained 5% at most), and one after the other
        each has the bytes that it has alone. A cohort that cannot, for lack of memory above all, is
        halved.
        """
        several = self._side_by_side and len(jobs) > 1
        training = self._side_by_side and fits([job.stage for job in jobs])
        if not (training or (several and may_answer_together(jobs))):
            yield from (self._alone(job) for job in jobs)
            return
        loading = ended(lambda: self._base(jobs[0].stage)[2], lambda: None)
        if loading.status is not Status.OK:  # its time, like that of what goes well, is all jobs'
            told = {**loading.model_dump(), "wall_s": loading.wall_s / len(jobs)}
            yield from (StageOutcome.model_validate(told) for _ in jobs)
            return
        load_s = loading.load_s / len(jobs)
        if training:
            model, encoder, _ = self._base(jobs[0].stage)
            self._resident.forget()  # what the decoder keeps is training's to use
            for share in side_by_side(jobs, model, encoder, self.device):
                yield from self._at_once(share, self._trained, load_s)
        else:
            yield from self._at_once(jobs, self._answered, load_s)

    def _at_once(self, jobs: Sequence[Job], run: Together, load_s: float) -> Iterator[StageOutcome]:
        """Run all jobs together, or each half of them where that cannot be."""
        began = time.perf_counter()
        model, encoder, _ = self._base(jobs[0].stage)
        ends = run(jobs, model, encoder)
        if ends is not None:
            each_s = (time.perf_counter() - began) / len(jobs)
            for job, end in zip(jobs, ends, strict=True):
                yield _outcome(job, end, each_s, load_s)
        elif len(jobs) == 1:
            yield self._alone(jobs[0], load_s)
        else:
            half = len(jobs) // 2
            for share in (jobs[:half], jobs[half:]):
                yield from self._at_once(share, run, load_s)

    def _trained(
        self, jobs: Sequence[Job], base: nn.Module, encoder: Encoder
    ) -> Sequence[Trained] | None:
        return trained_if_it_fits(jobs, base, encoder, self.device)

    def _answered(
        self, jobs: Sequence[Job], base: nn.Module, encoder: Encoder
    ) -> Sequence[None] | None:
        fitted = answered_if_it_fits(jobs, base, encoder, self._resident)
        return [None] * len(jobs) if fitted else None

    def _alone(self, job: Job, loaded_s: float = 0.0) -> StageOutcome:
        """loaded_s: seconds that went into loading its base before."""

        def work() -> TrainSummary | None:
            model, encoder, _ = self._base(job.stage)
            match job.stage:
                case TrainStage() as stage:
                    self._resident.forget()
                    return train(stage, model, encoder, job.parent, job.out, self.device)
                case RlStage() as stage:
                    return reinforce(
                        stage,
                        model,
                        encoder,
                        job.parent,
                        job.out,
                        job.scratch,
                        self.device,
                        self._by,
                    )
                case EvaluateStage() as stage:
                    answer(stage, model, encoder, job.parent, job.out, self.device, self._by)
                    return None

        return ended(lambda: loaded_s + self._base(job.stage)[2], work)

    def _base(self, stage: Stage) -> tuple[nn.Module, Encoder, float]:
        """The stage's base, and the seconds that loading it has taken now."""
        began = time.perf_counter()
        base, numerics = stage.base, stage.numerics
        prepare(numerics, self.device)
        if self._loaded is None or self._loaded[:2] != (base, numerics.dtype):
            self._resident.forget()
            self._loaded = None  # frees the old base before the new one is read
            self._loaded = (base, numerics.dtype, *load_base(base, numerics.dtype, self.device))
        return self._loaded[2], self._loaded[3], time.perf_counter() - began


def chosen_device(device: str) -> torch.device:
    """A torch device by name, or for `auto` the GPU where there is one; ready to be used."""
    chosen = ("cuda" if torch.cuda.is_available() else "cpu") if device == "auto" else device
    # cuDNN's attention builds a plan for every new shape, and nearly every batch is one.
    torch.backends.cuda.enable_cudnn_sdp(False)
    return torch.device(chosen)


def prepare(numerics: Numerics, device: torch.device) -> None:
    """Set this process's threads and arithmetic as a stage asks."""
    torch.set_num_threads(numerics.cpu_threads)
    torch.use_deterministic_algorithms(device.type == "cpu")
    # That would fill whatever is allocated with NaN first; nothing here reads what it has not
    # written.
    torch.utils.deterministic.fill_uninitialized_memory = False  # type: ignore[attr-defined]


def ended(load: Callable[[], float], work: Callable[[], TrainSummary | None]) -> StageOutcome:
    """Load a stage's base, then do its work; what went wrong with the stage itself is a status.

    load: gives the seconds that it took. A base that the memory does not hold is the stage's end.
    """
    started, load_s = time.perf_counter(), 0.0
    status, reason, summary = Status.OK, None, None
    try:
        load_s = load()
        started = time.perf_counter()
        summary = work()
    except Diverged as error:
        status, reason = Status.DIVERGED, str(error)
    except NothingToLearn as error:
        status, reason = Status.FAILED, str(error)
    except torch.OutOfMemoryError as error:
        status, reason = Status.OUT_OF_MEMORY, str(error).splitlines()[0]
    return StageOutcome(
        status=status,
        reason=reason,
        summary=summary,
        wall_s=time.perf_counter() - started,
        load_s=load_s,
    )


def _outcome(job: Job, end: Trained | None, wall_s: float, load_s: float) -> StageOutcome:
    """Of a stage of a cohort; writes the records of one that was trained and ended well."""
    if end is None:
        return StageOutcome(
            status=Status.OK, reason=None, summary=None, wall_s=wall_s, load_s=load_s
        )
    if end.diverged is None:
        write_records(end.records, job.out)
    return StageOutcome(
        status=Status.OK if end.diverged is None else Status.DIVERGED,
        reason=None if end.diverged is None else str(end.diverged),
        summary=end.summary,
        wall_s=wall_s,
        load_s=load_s,
    )

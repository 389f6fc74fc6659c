"""Which trials of a study `tests.bench.answered` measures, and what all of them then take.

Trials that differ in seed or in the number of demonstrations alone are of one cell. Every cell is
measured, and what was not measured takes the mean of what was.
"""

from __future__ import annotations

import argparse
import statistics
from collections import defaultdict
from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass

from pbb.config import EvaluateStage, Question, TrainStage
from search_spaces.errors import StudyError
from search_spaces.study_file import Study, load_study, smoke_study
from study.plan import Plan, PlannedStage, Trial, evaluations, make_plan

RATE_ARMS = frozenset({"instruction", "none", "demonstrations"})
"""Whose answers a rate is computed from; all other arms are controls beside it."""
TOLD = frozenset({"model", "curriculum", "arm", "response_format", "seed", "demonstrations"})
"""Factors that a cell tells by itself, or among which trials cost alike."""


@dataclass(frozen=True)
class Cell:
    """Trials that cost alike. formats: those that they answer in; others: all their factors but
    seed, number of demonstrations and these."""

    model: str
    curriculum: str
    arm: str
    formats: tuple[str, ...]
    others: tuple[tuple[str, str], ...]


@dataclass(frozen=True)
class Asked:
    """What a contender's process is told. device: cpu or cuda; trials: so many are measured."""

    study: str
    trials: int
    device: str
    smoke: bool

    def words(self) -> list[str]:
        """What `asked_of` reads back."""
        smoke = ["--smoke"] if self.smoke else []
        return [self.study, str(self.trials), "--device", self.device, *smoke]


def asked_of(description: str | None) -> Asked:
    """From the command line of a contender's process."""
    parser = argparse.ArgumentParser(description=description)
    parser.add_argument("study")
    parser.add_argument("trials", type=int)
    parser.add_argument("--device", choices=("cpu", "cuda"), default="cpu")
    parser.add_argument("--smoke", action="store_true")
    return Asked(**vars(parser.parse_args()))


def planned(study: str, smoke: bool) -> Plan:
    """The plan of a study, or of its smoke section. Exits where the contenders cannot run it."""
    try:
        found = load_study(study)
        plan = make_plan(smoke_study(found) if smoke else found)
    except StudyError as error:
        raise SystemExit(str(error)) from error
    if plan.study.tune is not None or not plan.trials:
        raise SystemExit(f"study {study!r} proposes trials as it goes; name one without tuning")
    for trial in plan.trials:
        *trained, last = trial.chain
        whole = not trained or last.parent == trained[-1].fingerprint
        asks_once = whole and evaluations(trial.chain) == (last,)
        if not asks_once or not all(isinstance(each.stage, TrainStage) for each in trained):
            raise SystemExit(
                f"study {study!r} reinforces, or evaluates more than once a trial, which the plain "
                "contender does not; name another"
            )
    return plan


def cell(trial: Trial) -> Cell:
    """The trial's."""
    stage, config = trial.chain[-1].stage, trial.config
    assert isinstance(stage, EvaluateStage)
    formats = {q.response_format for q in stage.questions if isinstance(q, Question)}
    others = {name: str(value) for name, value in trial.factors.items() if name not in TOLD}
    return Cell(
        config.model,
        config.curriculum,
        config.arm,
        tuple(sorted(formats)),
        tuple(sorted(others.items())),
    )


def sample(trials: Sequence[Trial], count: int) -> list[Trial]:
    """So many trials, in order: as many of every cell as of any other, while a cell has them.

    What is over goes to the largest cells. Those of one cell lie evenly among its trials. Exits
    where there are more cells than `count`.
    """
    cells: dict[Cell, list[Trial]] = defaultdict(list)
    for trial in trials:
        cells[cell(trial)].append(trial)
    if count < len(cells):
        raise SystemExit(f"--trials {count}: there are {len(cells)} cells; measure one of each")
    taken = dict.fromkeys(cells, 0)
    for _ in range(min(count, len(trials))):
        left = [each for each in cells if taken[each] < len(cells[each])]
        taken[min(left, key=lambda each: (taken[each], -len(cells[each])))] += 1
    chosen = {
        own[(2 * i + 1) * len(own) // (2 * taken[each])].id
        for each, own in cells.items()
        for i in range(taken[each])
    }
    return [trial for trial in trials if trial.id in chosen]


def of_rate(study: Study, trials: Sequence[Trial]) -> list[Trial]:
    """The trials that the study's primary rate is computed from; none where it declares none."""
    primary, shown = study.primary, study.headline.demonstration_format
    return [
        trial
        for trial in trials
        if primary is not None
        and trial.config.arm in RATE_ARMS
        and (trial.config.model, trial.config.curriculum) == (primary.model, primary.curriculum)
        and trial.factors["demonstration_format"] in (None, shown)
    ]


def trial_seconds(trials: Sequence[Trial], measured: Mapping[str, float]) -> dict[str, float]:
    """Seconds of every trial by its id: the mean of its cell. measured: of some trials."""
    return _means({trial.id: [cell(trial)] for trial in trials}, measured)


def stage_seconds(trials: Sequence[Trial], measured: Mapping[str, float]) -> dict[str, float]:
    """Seconds of every distinct stage by its fingerprint. measured: of some stages.

    The mean of stages of its base, kind and cell; of its base and kind where several cells share
    it, or where none of its own cell was measured.
    """
    groups: dict[str, list[Hashable]] = {}
    for fingerprint, users in users_of(trials).items():
        stage = _stage(users[0], fingerprint)
        alike, cells = (stage.stage.base.name, kind(stage)), {cell(trial) for trial in users}
        groups[fingerprint] = [(*alike, cells.pop() if len(cells) == 1 else None), alike]
    return _means(groups, measured)


def kind(stage: PlannedStage) -> str:
    """A training stage's role, or `evaluate`."""
    return stage.stage.kind if isinstance(stage.stage, EvaluateStage) else stage.stage.role


def users_of(trials: Sequence[Trial]) -> dict[str, list[Trial]]:
    """Fingerprint of every distinct stage -> the trials that need it."""
    users: dict[str, list[Trial]] = defaultdict(list)
    for trial in trials:
        for stage in trial.chain:
            users[stage.fingerprint].append(trial)
    return users


def distinct(trials: Sequence[Trial], seconds: Mapping[str, float]) -> float:
    """Seconds of the stages that the trials need, each once. seconds: by fingerprint."""
    return sum(seconds[fingerprint] for fingerprint in users_of(trials))


def charged(trials: Sequence[Trial], seconds: Mapping[str, float]) -> dict[str, float]:
    """Seconds by trial, a stage in equal parts to the trials that share it; all add up to
    `distinct`."""
    shares: dict[str, float] = defaultdict(float)
    for fingerprint, users in users_of(trials).items():
        for trial in users:
            shares[trial.id] += seconds[fingerprint] / len(users)
    return shares


def _stage(trial: Trial, fingerprint: str) -> PlannedStage:
    return next(stage for stage in trial.chain if stage.fingerprint == fingerprint)


def _means(
    groups: Mapping[str, Sequence[Hashable]], measured: Mapping[str, float]
) -> dict[str, float]:
    """For every name the mean of the first of its groups that anything measured is in."""
    found: dict[Hashable, list[float]] = defaultdict(list)
    for name, spent in measured.items():
        for group in groups[name]:
            found[group].append(spent)
    return {
        name: statistics.fmean(next(found[group] for group in own if group in found))
        for name, own in groups.items()
    }

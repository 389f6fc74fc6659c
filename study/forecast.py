"""What a plan will cost, and how sure its rate will be, before anything runs. Rough by design."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence, Set
from dataclasses import dataclass
from typing import Final

from analysis.power import Pilot, expected_width, shipped_pilot
from pbb.config import EvaluateStage, Stage, TrainingStage
from search_spaces.settings import Range, Resources, TpeSearch
from search_spaces.study_file import Study
from study.costs import evaluated_items, seconds, stage_work, train_tokens, width
from study.plan import Plan, PlannedStage, Resolve, Trial, evaluations, tuning_trials
from study.prices import CPU, GPU, LAUNCH_S, REFERENCE, Machine
from study.tuning_forecast import tuning_work

BYTES_PER_ITEM: Final = 60
"""Of one item row in compressed Parquet, its texts included."""
BYTES_PER_STEP_RECORD: Final = 40


@dataclass(frozen=True)
class Forecast:
    """Counts are of the whole study; tokens, seconds and bytes of what is still to run.

    comparisons: sets of runs that give a rate. seeds: of the primary comparison; without one, of
    the comparison that has fewest. interval_dex: expected width of its 95% interval of log10 rate,
    judged by `pilot`; null where there is none, for the reason in `interval_note`. device_seconds:
    of all trainers together; wall_s: of the launch, with `trainers` side by side. repeats:
    proposals of tpe that the counts were multiplied by. tuning_groups, tuning_runs: still to be
    tuned before anything is measured; in tokens, items, seconds and bytes, but not in runs and
    stages. Until then measured runs are taken to have the recipe's own values.
    """

    runs: int
    runs_cached: int
    stages: int
    stages_cached: int
    comparisons: int
    train_tokens: int
    evaluated_items: int
    device_seconds: float
    device: str
    wall_s: float
    trainers: int
    disk_bytes: int
    programs: int
    seeds: int
    interval_dex: float | None
    interval_note: str
    pilot: str
    repeats: int
    tuning_groups: int
    tuning_runs: int


def forecast(
    plan: Plan,
    has: Callable[[str], bool],
    resolve: Resolve,
    pilot: Pilot | None = None,
    machine: Machine = REFERENCE,
) -> Forecast:
    """has: whether a stage's result is committed in the store.

    pilot: what the width of the interval is judged by; without one, the pilot that ships. machine:
    where it is to run.
    """
    known = pilot or shipped_pilot()
    trials, repeats = _trials(plan, resolve)
    stages = {stage.fingerprint: stage for trial in trials for stage in trial.chain}
    cached = {key for key in stages if has(key)}
    tuning = tuning_work(plan, has, resolve)
    to_run = [*_to_run(trials, cached) * repeats, *tuning.to_run]
    trains = [stage for stage in to_run if isinstance(stage, TrainingStage)]
    asks = [stage for stage in to_run if isinstance(stage, EvaluateStage)]
    items = sum(evaluated_items(stage) for stage in asks)
    spent = _time(plan.study.resources, to_run, trials, cached, machine)
    comparisons = _comparisons(trials)
    judged = _judged(plan.study, comparisons)
    interval, note = interval_width(plan.study, judged, known)
    return Forecast(
        runs=repeats * len(trials),
        runs_cached=sum(
            all(each.fingerprint in cached for each in evaluations(trial.chain)) for trial in trials
        ),
        stages=repeats * len(stages),
        stages_cached=len(cached),
        comparisons=len(comparisons),
        train_tokens=sum(train_tokens(stage) for stage in trains),
        evaluated_items=items,
        device_seconds=spent.device_s,
        device=spent.device,
        wall_s=spent.wall_s,
        trainers=spent.trainers,
        disk_bytes=sum(map(stage_bytes, trains)) + items * BYTES_PER_ITEM,
        programs=plan.study.programs.targets,
        seeds=len(judged.seeds) if judged else 0,
        interval_dex=interval,
        interval_note=note,
        pilot=f"{known.study}, {known.model}",
        repeats=repeats,
        tuning_groups=tuning.groups,
        tuning_runs=tuning.runs,
    )


@dataclass(frozen=True)
class _Time:
    device: str
    device_s: float
    trainers: int
    wall_s: float


def _time(
    resources: Resources,
    to_run: Sequence[Stage],
    trials: Sequence[Trial],
    cached: Set[str],
    machine: Machine,
) -> _Time:
    """Trainers share the stages, but those of one trial run one after the other."""

    def spent(stage: Stage) -> float:
        if resources.gpus_per_worker:
            return seconds(stage_work(stage), GPU)
        return machine.slowness * seconds(stage_work(stage), CPU)

    device_s = math.fsum(map(spent, to_run))
    held = [[s.stage for s in t.chain if s.fingerprint not in cached] for t in trials]
    longest = max((math.fsum(map(spent, chain)) for chain in held), default=0.0)
    if resources.gpus_per_worker:
        device, trainers = "GPU", resources.workers
    else:
        device = "CPU core"
        trainers = min(resources.workers, max(1, machine.cores // resources.cpus_per_worker))
    wall_s = LAUNCH_S + max(device_s / trainers, min(longest, device_s)) if to_run else 0.0
    return _Time(device, device_s, trainers, wall_s)


def _trials(plan: Plan, resolve: Resolve) -> tuple[Sequence[Trial], int]:
    """tpe's proposals are not known in advance, but all cost what the low ends cost."""
    search = plan.study.search
    if not isinstance(search, TpeSearch):
        return plan.trials, 1
    low = {k: v.low for k, v in plan.study.nuisances.items() if isinstance(v, Range)}
    return tuning_trials(plan.study, low, resolve), search.budget


def _to_run(trials: Sequence[Trial], cached: set[str]) -> list[Stage]:
    """Stages that launch would execute: none above a cached one."""
    needed: dict[str, PlannedStage] = {}
    for trial in trials:
        wanted = {each.fingerprint for each in evaluations(trial.chain)}
        for stage in reversed(trial.chain):  # children first
            if stage.fingerprint in wanted - cached:
                needed[stage.fingerprint] = stage
                wanted |= {stage.parent} if stage.parent else set()
    return [stage.stage for stage in needed.values()]


@dataclass(frozen=True)
class Comparison:
    """Runs equal but for arm, n and seed that have both sides of a rate."""

    model: str
    curriculum: str
    seeds: frozenset[int]
    ns: frozenset[int]


def _comparisons(trials: Sequence[Trial]) -> list[Comparison]:
    groups: dict[tuple[object, ...], list[Trial]] = {}
    varied = ("arm", "demonstrations", "demonstration_format", "skew", "seed")
    skews = {t.factors["skew"] for t in trials if t.config.arm == "demonstrations"}
    for trial in trials:
        key = tuple(value for name, value in trial.factors.items() if name not in varied)
        own = trial.factors["skew"]
        for skew in skews if own is None else {own}:  # arms without demonstrations join every one
            groups.setdefault((*key, skew), []).append(trial)
    sides = {"instruction", "demonstrations"}
    return [
        Comparison(
            group[0].config.model,
            group[0].config.curriculum,
            frozenset(trial.config.seed for trial in group),
            frozenset(
                trial.config.demonstrations
                for trial in group
                if trial.config.arm == "demonstrations"
            ),
        )
        for group in groups.values()
        if sides <= {trial.config.arm for trial in group}
    ]


def _judged(study: Study, comparisons: Sequence[Comparison]) -> Comparison | None:
    """The comparison whose interval is forecast: of the primary ones, the one with fewest runs."""
    primary = study.primary
    declared = [
        each
        for each in comparisons
        if primary and (each.model, each.curriculum) == (primary.model, primary.curriculum)
    ]
    return min(
        declared or comparisons, key=lambda each: (len(each.seeds), len(each.ns)), default=None
    )


def stage_bytes(stage: TrainingStage) -> int:
    """Of the saved weights, float32, and the step records.

    An adapter on all linear layers has about (5/3) r / width of a Llama's parameters.
    """
    n, rank = stage.base.n_params, stage.lora.rank
    weights = n if rank == 0 else min(n, n * 5 / 3 * rank / width(stage.base))
    return int(4 * weights) + stage.recipe.steps * BYTES_PER_STEP_RECORD


def interval_width(
    study: Study, comparison: Comparison | None, pilot: Pilot
) -> tuple[float | None, str]:
    """Width [decades] of the 95% interval of log10 rate, and why there is none."""
    if comparison is None or len(comparison.seeds) < 2:
        return None, "none: it takes both arms of a rate on two seeds or more"
    sizes = study.programs
    width = expected_width(
        pilot.components,
        programs=sizes.targets,
        seeds=len(comparison.seeds),
        items=sizes.items_per_program,
        ns=sorted(comparison.ns),
        slope=pilot.slope,
    )
    if width is None:
        return None, "none: it takes two n or more"
    if math.isinf(width):
        return None, "likely open: wider than from the smallest to the largest n"
    return width, ""

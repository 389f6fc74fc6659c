"""What a plan will cost, and how sure its rate will be, before anything runs. Rough by design."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np

from pbb.config import EvaluateStage, Question, TrainStage
from search_spaces.settings import Range, TpeSearch
from study.plan import Plan, PlannedStage, Resolve, Trial, tuning_trials

CPU_FLOP_PER_S: Final = 4e10
"""Two CPU cores, float32, eager: 6 x 0.37M x about 20,000 tokens/s, measured."""
GPU_FLOP_PER_S: Final = 1.4e13
"""One datacentre GPU, bf16, eager, padded: 4 x 135M x 25,000 tokens/s, measured."""
TOKENS_PER_ITEM: Final = 64
"""Prompt and answer of one evaluated item."""
BYTES_PER_ITEM: Final = 60
"""Of one item row in compressed Parquet, its texts included."""
BYTES_PER_STEP_RECORD: Final = 40
TESTED_WIDTHS_DEX: Final = ((20 * 2, 0.95), (40 * 3, 0.7), (100 * 5, 0.5))
"""(programs x seeds, median width of the 95% interval of log10 rate), simulated at 10 items a
program, 6 levels of n and a true rate of 50."""


@dataclass(frozen=True)
class Forecast:
    """Counts are of the whole study; tokens, seconds and bytes of what is still to run.

    comparisons: sets of runs that give a rate; seeds: the fewest of any of them.
    interval_dex: expected width of the 95% interval of log10 rate; null below two seeds, which
    give none. repeats: proposals of tpe that the counts were multiplied by.
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
    flop_per_s: float
    disk_bytes: int
    programs: int
    seeds: int
    interval_dex: float | None
    repeats: int


def forecast(plan: Plan, has: Callable[[str], bool], resolve: Resolve) -> Forecast:
    """has: whether a stage's result is committed in the store."""
    trials, repeats = _trials(plan, resolve)
    stages = {stage.fingerprint: stage for trial in trials for stage in trial.chain}
    cached = {key for key in stages if has(key)}
    to_run = _to_run(trials, cached)
    trains = [stage for stage in to_run if isinstance(stage, TrainStage)]
    asks = [stage for stage in to_run if isinstance(stage, EvaluateStage)]
    on_gpu = plan.study.resources.gpus_per_worker > 0
    flop_per_s = GPU_FLOP_PER_S if on_gpu else CPU_FLOP_PER_S
    items = sum(evaluated_items(stage) for stage in asks)
    flop = sum(train_flop(stage) for stage in trains) + sum(evaluate_flop(stage) for stage in asks)
    comparisons = _comparisons(trials)
    seeds = min((len(seeds) for seeds in comparisons), default=0)
    return Forecast(
        runs=repeats * len(trials),
        runs_cached=sum(trial.chain[-1].fingerprint in cached for trial in trials),
        stages=repeats * len(stages),
        stages_cached=len(cached),
        comparisons=len(comparisons),
        train_tokens=repeats * sum(train_tokens(stage) for stage in trains),
        evaluated_items=repeats * items,
        device_seconds=repeats * flop / flop_per_s,
        device="GPU" if on_gpu else "2 CPU cores",
        flop_per_s=flop_per_s,
        disk_bytes=repeats * (sum(map(stage_bytes, trains)) + items * BYTES_PER_ITEM),
        programs=plan.study.programs.targets,
        seeds=seeds,
        interval_dex=interval_width_dex(plan.study.programs.targets, seeds),
        repeats=repeats,
    )


def _trials(plan: Plan, resolve: Resolve) -> tuple[Sequence[Trial], int]:
    """tpe's proposals are not known in advance, but all cost what the low ends cost."""
    search = plan.study.search
    if not isinstance(search, TpeSearch):
        return plan.trials, 1
    low = {k: v.low for k, v in plan.study.nuisances.items() if isinstance(v, Range)}
    return tuning_trials(plan.study, low, resolve), search.budget


def _to_run(trials: Sequence[Trial], cached: set[str]) -> list[TrainStage | EvaluateStage]:
    """Stages that launch would execute: none above a cached one."""
    needed: dict[str, PlannedStage] = {}
    for trial in trials:
        for stage in reversed(trial.chain):
            if stage.fingerprint in cached:
                break
            needed[stage.fingerprint] = stage
    return [stage.stage for stage in needed.values()]


def _comparisons(trials: Sequence[Trial]) -> list[set[int]]:
    """The seeds of each comparison: runs equal but for arm, n and seed that have both sides."""
    groups: dict[tuple[object, ...], list[Trial]] = {}
    varied = ("arm", "demonstrations", "demonstration_format", "seed")
    for trial in trials:
        key = tuple(value for name, value in trial.factors.items() if name not in varied)
        groups.setdefault(key, []).append(trial)
    sides = {"instruction", "demonstrations"}
    return [
        {trial.config.seed for trial in group}
        for group in groups.values()
        if sides <= {trial.config.arm for trial in group}
    ]


def train_tokens(stage: TrainStage) -> int:
    """Non-padding tokens."""
    return stage.recipe.steps * stage.recipe.tokens_per_step


def train_flop(stage: TrainStage) -> float:
    """6N per token with all weights trained, 4N with the base frozen (Kaplan 2020, section 2.1)."""
    return (6 if stage.lora.rank == 0 else 4) * stage.base.n_params * train_tokens(stage)


def evaluate_flop(stage: EvaluateStage) -> float:
    """2N per token read or written."""
    return 2 * stage.base.n_params * evaluated_items(stage) * TOKENS_PER_ITEM


def evaluated_items(stage: EvaluateStage) -> int:
    """Items asked in all questions of the stage."""
    return sum(_programs(stage, question) for question in stage.questions) * (
        stage.corpus.items_per_program
    )


def _programs(stage: EvaluateStage, question: Question) -> int:
    corpus = stage.corpus
    sizes = {
        "acquisition": corpus.acquisition,
        "validation": corpus.validation,
        "target": corpus.targets,
    }
    return min(question.programs or sizes[question.split], sizes[question.split])


def stage_bytes(stage: TrainStage) -> int:
    """Of the saved weights, float32, and the step records.

    An adapter on all linear layers has about (5/3) r / width of the base's parameters in a Llama
    of width (2.7 N)^(1/3) (12 width^2 per layer, width / 32 layers).
    """
    n, rank = stage.base.n_params, stage.lora.rank
    width = (2.7 * n) ** (1 / 3)
    weights = n if rank == 0 else min(n, n * 5 / 3 * rank / width)
    return int(4 * weights) + stage.recipe.steps * BYTES_PER_STEP_RECORD


def interval_width_dex(programs: int, seeds: int) -> float | None:
    """Width of the 95% interval of log10 rate, log-interpolated from `TESTED_WIDTHS_DEX`.

    Outside the tested sizes the nearest two are continued. Null with one seed: runs on one stage
    1 are one cluster, which gives no interval.
    """
    if seeds < 2:
        return None
    sizes, widths = zip(*TESTED_WIDTHS_DEX, strict=True)
    x = np.log(sizes)
    y = np.log(widths)
    at = math.log(programs * seeds)
    upper = min(max(int(np.searchsorted(x, at)), 1), len(x) - 1)
    slope = (y[upper] - y[upper - 1]) / (x[upper] - x[upper - 1])
    return float(np.exp(y[upper] + slope * (at - x[upper])))

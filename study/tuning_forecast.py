"""What is still to be tuned before a plan can be measured, at what it costs at least."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from pbb.config import Stage
from search_spaces.settings import Range
from search_spaces.study_file import Study
from search_spaces.tuning import groups, tuning_study
from study.plan import Plan, PlannedStage, Resolve, tuning_trials


@dataclass(frozen=True)
class TuningWork:
    """groups that have no chosen values; runs of all their proposals; stages, each as often as it
    would run."""

    groups: int
    runs: int
    to_run: tuple[Stage, ...]


def tuning_work(plan: Plan, has: Callable[[str], bool], resolve: Resolve) -> TuningWork:
    """Proposals are not known in advance; all are taken to cost what the low ends cost.

    What the low and the high ends share, all proposals do: it runs once, if the store lacks it.
    """
    tune = plan.study.tune
    pending = [group for group in groups(plan.study) if group not in plan.chosen]
    runs, once, often = 0, dict[str, PlannedStage](), list[PlannedStage]()
    for group in pending:
        search, budget = tuning_study(plan.study, group, plan.chosen), tune.trials if tune else 0
        low = tuning_trials(search, _ends(search, "low"), resolve)
        high = tuning_trials(search, _ends(search, "high"), resolve)
        runs += budget * len(low)
        stages = {stage.fingerprint: stage for trial in low for stage in trial.chain}
        shared = stages.keys() & {stage.fingerprint for trial in high for stage in trial.chain}
        once |= {key: stages[key] for key in shared if not has(key)}
        often += [stage for key, stage in stages.items() if key not in shared] * budget
    return TuningWork(len(pending), runs, tuple(s.stage for s in [*once.values(), *often]))


def _ends(search: Study, end: str) -> dict[str, float]:
    ranges = {path: each for path, each in search.nuisances.items() if isinstance(each, Range)}
    return {path: getattr(each, end) for path, each in ranges.items()}

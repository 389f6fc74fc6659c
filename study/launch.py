"""Launch a study: run what is missing, keep what is there."""

from __future__ import annotations

import importlib
import json
import shutil
import time
from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Final, Literal

from pbb.config import Base, RunConfig
from pbb.models.registry import resolve as resolve_base
from pbb.records import Status
from search_spaces.errors import StudyError
from search_spaces.runs import run_config
from search_spaces.samplers import enumerate_space
from search_spaces.settings import TpeSearch
from search_spaces.study_file import Study
from study.backends.work import Backend, Point, TrialEnd, Work
from study.backends.worker import ENGINE
from study.collector import Collector
from study.folder import StudyFolder, held_folder
from study.lengths import write_lengths
from study.plan import Plan, Resolve, Trial, check_corpora, make_plan
from study.pool import StagePool
from study.progress import display
from study.provenance import write_manifest
from study.status import status
from study.store import Store

__all__ = ["BackendName", "LaunchResult", "launch", "status"]

BackendName = Literal["ray", "local"]
SCRATCH: Final = ".ray"


@dataclass(frozen=True)
class LaunchResult:
    """What a launch did. ok and failed count trials; stages_run were executed by this launch."""

    folder: Path
    ok: int
    failed: int
    stages_run: int
    stages_cached: int
    wall_s: float


def launch(
    study: Study,
    root: Path,
    backend: BackendName = "ray",
    *,
    quiet: bool = False,
    runner: str = ENGINE,
    resolve: Resolve = resolve_base,
) -> LaunchResult:
    """Bring every trial of the study to its end, in `root/<name>/`.

    Whatever an earlier launch finished is kept, however it ended. Raises StudyError for a folder
    that cannot be used or an unknown model, and KeyboardInterrupt after stopping the workers.
    """
    began_s = time.monotonic()
    plan = make_plan(study, cache(resolve))  # what is wrong with the study is found before
    bases = _bases(study, resolve)  # anything is written under its name
    check_corpora(plan)
    with held_folder(root, study) as folder, display(quiet) as shown:
        store = Store(root)
        store.sweep()
        collector = Collector(study, folder, store, shown)
        work = _missing(plan, bases, folder, store, collector, runner)
        trials = None if isinstance(study.search, TpeSearch) else plan.trials
        try:
            if work.proposals or not folder.manifest.exists():
                corpora = (config.corpus for config in _configs(plan))
                write_manifest(folder.manifest, work.bases, corpora, backend)
            if not folder.documents.exists():
                write_lengths(folder.documents, _configs(plan))
            if work.proposals:
                _backend(backend).run(work, collector)
        finally:
            collector.close(trials)
            shutil.rmtree(work.scratch, ignore_errors=True)
    return _result(folder, collector, time.monotonic() - began_s)


def _missing(
    plan: Plan,
    bases: Mapping[str, Base],
    folder: StudyFolder,
    store: Store,
    collector: Collector,
    runner: str,
) -> Work:
    """The work that neither the folder nor the store has; what the store has is collected."""
    pool = StagePool(store.outcome)
    missing: list[Trial] = []
    for trial in plan.trials:
        if collector.is_complete(trial):
            continue
        pool.request(trial.chain)
        if pool.has_ended(trial.chain):
            collector.finished(TrialEnd(trial, pool.ends(trial.chain)))
        else:
            missing.append(trial)
    return Work(
        study=plan.study,
        trials=tuple(missing),
        scored=_scored(plan.study, collector),
        bases=bases,
        root=store.root,
        scratch=store.root / SCRATCH / plan.study.name,
        log=folder.log,
        runner=runner,
    )


def _configs(plan: Plan) -> Iterator[RunConfig]:
    if plan.trials:
        yield from (trial.config for trial in plan.trials)
    else:  # tpe varies nuisances alone, so every proposal has the corpora of the space
        yield from (run_config(plan.study, point) for point in enumerate_space(plan.study))


def _bases(study: Study, resolve: Resolve) -> dict[str, Base]:
    """Every base of the study by name. Raises StudyError for an unknown one."""
    names = dict.fromkeys(name for grid in study.factors for name in grid.model)
    try:
        return {name: resolve(name) for name in names}
    except ValueError as error:
        raise StudyError(str(error)) from error


def _scored(study: Study, collector: Collector) -> tuple[tuple[Point, float], ...]:
    """tpe's proposals that earlier launches ran for every seed, with their scores."""
    if not isinstance(study.search, TpeSearch):
        return ()
    accuracies: dict[str, list[float]] = defaultdict(list)
    for row in collector.rows.values():
        if row["status"] in (Status.OK.value, Status.DIVERGED.value):
            accuracies[row["nuisances"]].append(row["accuracy"] or 0.0)
    needed = len(enumerate_space(study))
    whole = {text: values for text, values in accuracies.items() if len(values) == needed}
    return tuple((json.loads(text), sum(v) / needed) for text, v in whole.items())


def _backend(name: BackendName) -> Backend:
    """Ray is imported only when it is asked for, after its environment has been set."""
    if name == "ray":
        importlib.import_module("study.backends.ray_environment").prepare()
        ray: Backend = importlib.import_module("study.backends.ray_tune").RayBackend()
        return ray
    local: Backend = importlib.import_module("study.backends.local").LocalBackend()
    return local


def _result(folder: StudyFolder, collector: Collector, wall_s: float) -> LaunchResult:
    ends = Counter(row["status"] for row in collector.rows.values())
    used = {s["fingerprint"] for row in collector.rows.values() for s in row["stages"] or ()}
    return LaunchResult(
        folder=folder.path,
        ok=ends[Status.OK.value],
        failed=ends.total() - ends[Status.OK.value],
        stages_run=len(collector.run),
        stages_cached=len(used - collector.run),
        wall_s=wall_s,
    )

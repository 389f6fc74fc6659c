"""Launch a study: run what is missing, keep what is there."""

from __future__ import annotations

import importlib
import shutil
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Final, Literal

from pbb.config import Base, RunConfig
from pbb.models.registry import resolve as resolve_base
from pbb.records import Status
from search_spaces.errors import StudyError
from search_spaces.groups import UNTUNED
from search_spaces.runs import run_config
from search_spaces.samplers import enumerate_space
from search_spaces.settings import TpeSearch
from search_spaces.study_file import Study
from study.backends.work import Backend, Point, TrialEnd, Work
from study.backends.worker import ENGINE
from study.collector import Collector
from study.disk import told_if_full
from study.folder import StudyFolder, held_folder
from study.lengths import write_lengths
from study.places import Place, is_remote, open_store
from study.plan import Plan, Resolve, Trial, check_corpora, make_plan
from study.pool import StagePool
from study.progress import Display, display
from study.provenance import write_manifest
from study.status import status
from study.store import Store
from study.tuned import whole_proposals
from study.tuning import tune

__all__ = ["BackendName", "LaunchResult", "launch", "status"]

BackendName = Literal["ray", "local"]
SCRATCH: Final = ".ray"
OWN_CLUSTER: Final = "local"
"""Ray's own word for a cluster that it is to start."""


@dataclass(frozen=True)
class LaunchResult:
    """What a launch did. ok and failed count trials; stages_run were executed by this launch.

    used_backend: false where nothing was missing, so that no cluster was looked for.
    """

    folder: Path
    ok: int
    failed: int
    stages_run: int
    stages_cached: int
    wall_s: float
    used_backend: bool


def launch(
    study: Study,
    root: Place,
    backend: BackendName = "ray",
    *,
    quiet: bool = False,
    address: str | None = None,
    runner: str = ENGINE,
    resolve: Resolve = resolve_base,
) -> LaunchResult:
    """Bring every trial of the study to its end, in `root/<name>/`, and in its cache where the root
    is on an object store.

    Whatever an earlier launch finished is kept, however it ended. address: of a running Ray
    cluster, joined where anything is missing; RAY_ADDRESS is not asked then. Raises StudyError for
    a folder that cannot be used, an unknown model, a full disk or a cluster that cannot be had, and
    KeyboardInterrupt after stopping the workers.
    """
    began_s = time.monotonic()
    if address is not None:
        _name_cluster(address, backend)
    _refuse_scattered(study, root)
    plan = make_plan(study, cache(resolve))  # what is wrong with the study is found before
    bases = _bases(study, resolve)  # anything is written under its name
    check_corpora(plan)
    store = open_store(root)
    with (
        told_if_full(store.root),
        store.shared(study.name),
        held_folder(store.root, study, resolve) as folder,
        display(quiet) as shown,
    ):
        store.sweep()
        begin = _described(folder, plan, bases, backend)
        store.push()
        means = _Means(store, bases, shown, backend, runner, begin)
        return _brought(plan, folder, means, began_s)


def _described(
    folder: StudyFolder, plan: Plan, bases: Mapping[str, Base], backend: BackendName
) -> Callable[[], None]:
    """Write what a folder that is new, or extended, was made by; gives what writes, once, what
    stages were run by."""
    corpora = [config.corpus for config in _configs(plan)]
    begin = cache(lambda: write_manifest(folder.manifest, bases, corpora, backend))
    if not (folder.manifest.exists() and folder.documents.exists()):
        begin()
        write_lengths(folder.documents, _configs(plan))
    return begin


def _brought(plan: Plan, folder: StudyFolder, means: _Means, began_s: float) -> LaunchResult:
    """Tune, then measure by what was chosen; not where tuning failed in part."""
    study, store = plan.study, means.store
    tuned = tune(study, folder, means.search)
    if tuned.failed:
        wall_s = time.monotonic() - began_s
        used = means.used_backend
        return LaunchResult(folder.path, 0, tuned.failed, len(tuned.run), 0, wall_s, used)
    measured = make_plan(study, means.bases.__getitem__, tuned.chosen) if tuned.chosen else plan
    collector = means.bring(measured, folder, store.root / SCRATCH / study.name)
    store.sweep()  # after workers that died while others went on
    collector.run |= tuned.run
    return _result(folder, collector, time.monotonic() - began_s, means.used_backend)


def _refuse_scattered(study: Study, root: Place) -> None:
    """Processes that share a stage read and write its one folder, so they need a common one."""
    processes = study.resources.processes_per_worker
    if is_remote(root) and processes > 1:
        raise StudyError(
            f"resources.processes_per_worker = {processes} with --root {root}: the processes of a "
            "trainer need a folder that all of them see; choose one, or one process a trainer"
        )


@dataclass
class _Means:
    """What a launch brings studies to their end with.

    begin: told before stages are run; what it does it does once. used_backend: whether the backend
    has been asked to run anything.
    """

    store: Store
    bases: Mapping[str, Base]
    display: Display
    backend: BackendName
    runner: str
    begin: Callable[[], None]
    used_backend: bool = False

    def search(self, study: Study, folder: StudyFolder) -> Collector:
        """Bring a tuning study of this launch's study to its end."""
        scratch = self.store.root / SCRATCH / folder.path.parents[1].name / study.name
        return self.bring(Plan(study, (), UNTUNED), folder, scratch)

    def bring(self, plan: Plan, folder: StudyFolder, scratch: Path) -> Collector:
        """Run what is missing of a plan, and collect all of it in the folder."""
        collector = Collector(plan.study, folder, self.store, self.display)
        work = _missing(plan, self, folder, scratch, collector)
        trials = None if isinstance(plan.study.search, TpeSearch) else plan.trials
        try:
            if work.proposals:
                self.begin()
                self.used_backend = True
                _backend(self.backend).run(work, collector)
        finally:
            collector.close(trials)
            shutil.rmtree(scratch, ignore_errors=True)
        return collector


def _missing(
    plan: Plan, means: _Means, folder: StudyFolder, scratch: Path, collector: Collector
) -> Work:
    """The work that neither the folder nor the store has; what the store has is collected."""
    store = means.store
    store.expect(plan.stages())
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
        chosen=plan.chosen,
        scored=_scored(plan.study, collector),
        bases=means.bases,
        root=store.place,
        scratch=scratch,
        log=folder.log,
        runner=means.runner,
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
    """tpe's proposals that earlier launches ran whole, with their scores."""
    if not isinstance(study.search, TpeSearch):
        return ()
    whole = whole_proposals(collector.rows.values(), len(enumerate_space(study)))
    return tuple((each.values, each.score) for each in whole)


def _backend(name: BackendName) -> Backend:
    """Ray is imported only when it is asked for, after its environment has been set."""
    if name == "ray":
        importlib.import_module("study.backends.ray_environment").prepare()
        ray: Backend = importlib.import_module("study.backends.ray_tune").RayBackend()
        return ray
    local: Backend = importlib.import_module("study.backends.local").LocalBackend()
    return local


def _name_cluster(address: str, backend: BackendName) -> None:
    if backend != "ray":
        raise StudyError(f"--address {address} names a Ray cluster; leave out --backend {backend}")
    if address.strip() in ("", OWN_CLUSTER):
        raise StudyError(
            f"--address {address!r} names no cluster that runs; write auto (the one on this "
            "machine) or host:port, or leave out --address and RAY_ADDRESS to start Ray here"
        )
    importlib.import_module("study.backends.ray_environment").name_cluster(address)


def _result(
    folder: StudyFolder, collector: Collector, wall_s: float, used_backend: bool
) -> LaunchResult:
    ends = Counter(row["status"] for row in collector.rows.values())
    used = {s["fingerprint"] for row in collector.rows.values() for s in row["stages"] or ()}
    return LaunchResult(
        folder=folder.path,
        ok=ends[Status.OK.value],
        failed=ends.total() - ends[Status.OK.value],
        stages_run=len(collector.run),
        stages_cached=len(used - collector.run),
        wall_s=wall_s,
        used_backend=used_backend,
    )

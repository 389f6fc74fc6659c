"""Turns ended trials into the study folder's item rows and trial rows, as they end."""

from __future__ import annotations

import time
from collections.abc import Iterable
from typing import Any, Final

import polars as pl

from pbb.records import Status
from search_spaces.study_file import Study
from study.backends.work import TrialEnd, WorkerTime, share_right
from study.folder import StudyFolder
from study.items import ItemFiles
from study.plan import Trial
from study.pool import Counts, StageEnd
from study.progress import Display
from study.rows import item_rows
from study.store import Store
from study.trials import cancelled_row, charged, ended_row, kind_of, read_trials, write_trials

WRITE_EVERY_S: Final = 2.0
WRITING_SHARE: Final = 0.02
"""The trial table is rewritten at most so often, and takes such a share of the time at most, so
that thousands of trials stay cheap."""


class Collector:
    """A backend's listener. An earlier launch's row is kept while its trial is not run again."""

    def __init__(self, study: Study, folder: StudyFolder, store: Store, display: Display) -> None:
        self._study = study
        self._folder = folder
        self._store = store
        self._display = display
        self._items = ItemFiles(folder.items)
        self._began_s = time.monotonic()
        self._write_next_s = 0.0
        self._times: list[WorkerTime] = []
        self._worked: list[str] = []
        """Trials that this launch ran a stage for."""
        self.rows: dict[str, dict[str, Any]] = {
            row["trial"]: row for row in read_trials(folder.trials)
        }
        self._ended: set[str] = set()
        """Trials that ended in this launch; tpe may propose whole numbers twice."""
        self.run: set[str] = set()
        """Stages that this launch ran."""

    def is_complete(self, trial: Trial) -> bool:
        """True when an earlier launch brought the trial to a good end and its rows are there."""
        row = self.rows.get(trial.id)
        ended = row is not None and row["status"] == Status.OK.value
        return ended and self._items.has(trial.id)

    def finished(self, end: TrialEnd) -> None:
        """Write the trial's item rows, then its trial row. Told again, it has ended already."""
        if end.trial.id in self._ended:
            return
        self._ended.add(end.trial.id)
        end = self._whole(end)
        accuracy = None
        if end.result.status is Status.OK:
            asked = [self._store.read_items(each.fingerprint) for each in end.evaluated]
            self._items.write(end.trial.id, item_rows(self._study, end.trial, pl.concat(asked)))
            accuracy = share_right(end.trial, asked[-1])
        new = [s for s in end.stages if not s.cached and s.outcome is not None]
        own = [s for s in new if s.fingerprint not in self.run]
        self.run.update(s.fingerprint for s in own)
        if own:
            self._worked.append(end.trial.id)
        resources = self._study.resources
        devices = resources.gpus_per_worker or float(resources.cpus_per_worker)
        kinds = kind_of(end.trial)
        cost = charged(((kinds[s.fingerprint], s) for s in own), devices)
        wall_s = time.monotonic() - self._began_s
        self.rows[end.trial.id] = ended_row(end, accuracy, cost, wall_s)
        if time.monotonic() >= self._write_next_s:
            self._write()

    def progress(self, counts: Counts) -> None:
        """Show it."""
        self._display.update(counts)

    def spent(self, time: WorkerTime) -> None:
        """Remember it; `close` shares it out."""
        self._times.append(time)

    def close(self, trials: Iterable[Trial] | None) -> None:
        """Share out start-up and idle time, cancel what did not end, write the table.

        trials: those of the plan, in its order; null where trials are proposed one by one.
        """
        self._share_out()
        if trials is not None:
            planned = {trial.id: trial for trial in trials}
            strangers = self.rows.keys() - planned.keys()  # of another version of the code
            self.rows = {
                name: self.rows.get(name) or cancelled_row(trial) for name, trial in planned.items()
            }
            self._write()  # first: a part that cannot be read is told by what follows
            self._items.remove(strangers)
        else:
            self._write()
        self._items.compact(t for t, row in self.rows.items() if row["status"] == Status.OK.value)
        self._store.push()

    def _whole(self, end: TrialEnd) -> TrialEnd:
        """With the stages that nobody had to ask for, since the store has what builds on them."""
        asked = {stage.fingerprint: stage for stage in end.stages}
        names = [planned.fingerprint for planned in end.trial.chain]
        stages = tuple(
            asked.get(name) or StageEnd(name, Status.OK, None, True, self._store.outcome(name))
            for name in names
        )
        return TrialEnd(end.trial, stages)

    def _share_out(self) -> None:
        """Equal shares for all trials that this launch ran a stage for."""
        resources = self._study.resources
        devices = resources.gpus_per_worker or float(resources.cpus_per_worker)
        share = devices / max(1, len(self._worked))
        for name in self._worked:
            row = self.rows[name]
            row["startup_device_s"] += share * sum(t.start_up_s for t in self._times)
            row["idle_device_s"] += share * sum(t.idle_s for t in self._times)

    def _write(self) -> None:
        began_s = time.monotonic()
        write_trials(self._folder.trials, self.rows.values())
        self._store.push()
        ended_s = time.monotonic()
        self._write_next_s = ended_s + max(WRITE_EVERY_S, (ended_s - began_s) / WRITING_SHARE)

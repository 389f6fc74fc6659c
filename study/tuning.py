"""Tuning before measuring: a search a group, on validation programs, then the best values."""

from __future__ import annotations

import json
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from pbb.records import Status
from search_spaces.errors import StudyError
from search_spaces.groups import Chosen
from search_spaces.samplers import enumerate_space
from search_spaces.study_file import Study
from search_spaces.tuning import groups, tuning_study
from study.collector import Collector
from study.folder import StudyFolder, held_folder
from study.trials import read_trials, write_trials
from study.tuned import (
    CONCLUSIVE,
    read_chosen,
    read_tuned,
    tuned_rows,
    whole_proposals,
    write_tuned,
)

RunStudy = Callable[[Study, StudyFolder], Collector]
"""Brings a study of the design tpe to its end in its folder."""


@dataclass(frozen=True)
class Tuned:
    """What tuning found. failed: trials that ended neither well nor diverged, so that a group has
    fewer proposals than the others, and nothing may be measured yet. run: stages run for it."""

    chosen: Chosen
    failed: int
    run: frozenset[str]


def tune(study: Study, folder: StudyFolder, run: RunStudy) -> Tuned:
    """Tune every group that the folder's table lacks. Raises StudyError where all diverged."""
    stages: set[str] = set()
    for group in groups(study):
        tuned = read_tuned(folder.tuned, study)
        if group in tuned:
            continue
        search = tuning_study(study, group, read_chosen(folder.tuned, study))
        with held_folder(folder.tuning, search) as own:
            _forget_failures(own)
            collector = run(search, own)
        stages |= collector.run
        trials = collector.rows.values()
        lost = sum(row["status"] not in CONCLUSIVE for row in trials)
        if lost:
            return Tuned({}, lost, frozenset(stages))
        whole = whole_proposals(trials, len(enumerate_space(search)))
        if all(each.diverged == len(each.rows) for each in whole):
            raise StudyError(
                f"study {study.name!r}: every proposal for {group} diverged, so none can be "
                "chosen; move the ranges of tune.nuisances, under a new name of the study"
            )
        before = [row for rows in tuned.values() for row in rows]
        write_tuned(folder.tuned, [*before, *tuned_rows(group, whole)])
    chosen = read_chosen(folder.tuned, study)
    assert chosen.keys() == set(groups(study)), "nothing is measured before all is chosen"
    return Tuned(chosen, 0, frozenset(stages))


def _forget_failures(folder: StudyFolder) -> None:
    """What failed in an earlier launch says nothing of what was proposed, and is proposed anew."""
    rows = read_trials(folder.trials)
    if any(row["status"] not in CONCLUSIVE for row in rows):
        write_trials(folder.trials, [row for row in rows if row["status"] in CONCLUSIVE])


def _budget(study: Study) -> int:
    return study.tune.trials if study.tune else 0


def tuning_progress(study: Study, folder: StudyFolder) -> list[str]:
    """Lines on how far tuning is, and what failed; none for a study that does not tune."""
    wanted = groups(study)
    if not wanted:
        return []
    chosen = read_chosen(folder.tuned, study)
    proposals, bad = len(chosen) * _budget(study), Counter[tuple[str, str]]()
    for group in wanted:
        if group in chosen:
            continue
        search = tuning_study(study, group, chosen)
        rows = read_trials(StudyFolder(folder.tuning / search.name).trials)
        proposals += len(whole_proposals(rows, len(enumerate_space(search))))
        bad.update(
            (row["status"], row["reason"])
            for row in rows
            if row["status"] not in (Status.OK.value, Status.CANCELLED.value)
        )
    told = f"{proposals} of {len(wanted) * _budget(study)} proposals scored"
    lines = [f"tuning: {len(chosen)} of {len(wanted)} groups chosen, {told}"]
    return lines + [f"{n} tuning trials {name}: {why}" for (name, why), n in bad.most_common()]


def chosen_values(study: Study, folder: StudyFolder) -> list[tuple[str, str]]:
    """Each group and its chosen values, in words."""
    return [
        (str(group), f"{_told(row['nuisances'])} ({row['score']:.1%} on validation programs)")
        for group, rows in read_tuned(folder.tuned, study).items()
        for row in rows
        if row["chosen"]
    ]


def best_proposals(trials: Iterable[Mapping[str, Any]], most: int = 3) -> list[tuple[str, str]]:
    """The best few as (nuisances, accuracy and seeds) in words, best first.

    trials: rows of `trials.parquet`. A run that gave no accuracy, as one that diverged, counts 0.
    """
    scores: dict[str, list[float]] = defaultdict(list)
    for row in trials:
        scores[row["nuisances"]].append(row["accuracy"] or 0.0)
    ranked = sorted(scores.items(), key=lambda entry: (-sum(entry[1]) / len(entry[1]), entry[0]))
    return [
        (
            _told(text),
            f"{sum(values) / len(values):.1%} on validation programs, {len(values)} runs",
        )
        for text, values in ranked[:most]
    ]


def _told(nuisances: str) -> str:
    return ", ".join(f"{name} = {value:.4g}" for name, value in json.loads(nuisances).items())

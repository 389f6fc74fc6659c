"""How far a study is, read from its folder and the store alone."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable
from typing import Any

from analysis.checks import check_rows
from analysis.costs import read_costs
from analysis.errors import BadInput
from analysis.item_files import trials_in
from analysis.sentences import device_time
from pbb.models.registry import resolve as resolve_base
from pbb.records import Status
from search_spaces.errors import StudyError
from search_spaces.study_file import load_study
from study.damage import damage
from study.folder import FolderError, StudyFolder, is_edited_by_hand
from study.places import Place, at_hand
from study.plan import PlannedStage, Resolve, Trial, make_plan
from study.store import Store
from study.trials import Row, kind_of, read_trials
from study.tuned import read_chosen
from study.tuning import tuning_progress


def status(folder: Place, resolve: Resolve = resolve_base) -> str:
    """Lines: what is wrong with the folder, trials by status, stages done and missing, device time,
    failures, shared stages.

    Raises StudyError where the folder is none of a study's.
    """
    store, path = at_hand(folder)
    files = StudyFolder(path.absolute())
    if not files.study.is_file():
        raise FolderError(f"{folder}: holds no study.yaml; name the folder that `launch` wrote")
    study = load_study(files.study)
    rows = read_trials(files.trials)
    try:
        trials: tuple[Trial, ...] = make_plan(
            study, resolve, read_chosen(files.tuned, study)
        ).trials
    except StudyError:  # a base that is not at hand here: show what the rows say
        trials = ()
    begun = {row["trial"] for row in rows}
    ended = Counter(row["status"] for row in rows)
    ended["not begun"] += sum(trial.id not in begun for trial in trials)
    lines = [f"{study.name}: {study.question}", *_wrong(files, rows)]
    lines += tuning_progress(study, files)
    lines.append(_line("trials", ended))
    if trials:
        stages = {s.fingerprint: s for trial in trials for s in trial.chain}
        store.expect(stages)
        lines.append(_line("stages", _stage_counts(stages.values(), store)))
    lines += _device_time(files)
    lines += _failures(rows)
    lines += _shared(trials, rows, store)
    return "\n".join(lines)


def _wrong(files: StudyFolder, rows: Iterable[Row]) -> list[str]:
    """What a report would refuse, and a study file that is not the one that was launched."""
    found = []
    if is_edited_by_hand(files.study):
        found.append(
            f"WRONG: {files.study} was edited by hand since its launch, so this may tell of "
            "another study; undo that (launching your own study file says what differs)"
        )
    if wrong := damage(files) or _item_rows(files, rows):
        found.append(f"WRONG: {wrong}")
    return found


def _item_rows(files: StudyFolder, rows: Iterable[Row]) -> str | None:
    ended = {row["trial"] for row in rows if row["status"] == Status.OK.value}
    try:
        before = _names(files)
        try:
            missing = _missing(files, ended)
        except BadInput:
            if _names(files) == before:
                raise
            missing = _missing(files, ended)  # a launch has just put files into parts
    except BadInput as error:
        return str(error)
    if not missing:
        return None
    return f"item rows of {len(missing)} ended trials are missing; launch again to collect them"


def _missing(files: StudyFolder, ended: set[str]) -> set[str]:
    """Ended trials without rows. Raises BadInput where a report would refuse what is there."""
    check_rows(files.path)
    return ended - trials_in(files.items)


def _names(files: StudyFolder) -> set[str]:
    return {path.name for path in files.items.glob("*.parquet")}


def _line(what: str, counts: Counter[str]) -> str:
    told = ", ".join(f"{number} {name}" for name, number in counts.items() if number)
    return f"{what}: {told or 'none'}"


def _stage_counts(stages: Iterable[PlannedStage], store: Store) -> Counter[str]:
    outcomes = [store.outcome(stage.fingerprint) for stage in stages]
    return Counter("missing" if o is None else _told(o.status) for o in outcomes)


def _told(status: Status) -> str:
    return "done" if status is Status.OK else status.value


def _device_time(files: StudyFolder) -> list[str]:
    """What trials were charged with so far; nothing where there is no record that can be read."""
    try:
        costs = read_costs(files.path)
    except BadInput as error:
        return [f"Device time: unknown; {error}"]
    return [device_time(costs)] if costs else []


def _failures(rows: Iterable[dict[str, Any]]) -> list[str]:
    """Each reason once, with the number of trials that it ended."""
    bad = Counter(
        (row["status"], row["reason"])
        for row in rows
        if row["status"] not in (Status.OK.value, Status.CANCELLED.value)
    )
    return [f"{number} {name}: {reason}" for (name, reason), number in bad.most_common()]


def _shared(trials: Iterable[Trial], rows: Iterable[dict[str, Any]], store: Store) -> list[str]:
    """How often each stage that several trials build on is used; the store holds it once."""
    users: dict[str, int] = defaultdict(int)
    roles: dict[str, str] = {}
    for trial in trials:
        for fingerprint, kind in kind_of(trial).items():
            users[fingerprint] += 1
            roles[fingerprint] = kind
    if not users:  # proposed one by one: only the rows know
        for row in rows:
            for use in row["stages"] or ():
                users[use["fingerprint"]] += 1
                roles[use["fingerprint"]] = use["kind"]
    return [
        f"{roles[name]} {name[:6]}: {'trained once' if store.has(name) else 'not trained yet'}, "
        f"used by {number} trials"
        for name, number in users.items()
        if number > 1 and roles[name] != "evaluate"
    ]

"""Item rows of many trials in few files: no row is lost, met twice or changed, whatever happens."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from analysis import load_study
from analysis.errors import BadInput
from analysis.item_files import PART_NAME, current_files
from study import items
from study.export import export
from study.items import ItemFiles
from study.launch import launch
from tests.analysis.synthetic import World, item_rows, write_items, write_study
from tests.study.studies import RUNNER, fake_base, small_study

TRIALS = {
    hashlib.sha256(run["run"][0].encode()).hexdigest()[:16]: run
    for run in item_rows(World(programs=4, items=5)).partition_by("run", maintain_order=True)[:8]
}


@pytest.fixture(autouse=True)
def few_are_many(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(items, "MANY_FILES", 4)
    monkeypatch.setattr(items, "PART_TRIALS", 3)


def filled(folder: Path, trials: dict[str, pl.DataFrame] = TRIALS) -> Path:
    for trial, rows in trials.items():
        ItemFiles(folder).write(trial, rows)
    return folder


def rows_in(folder: Path) -> list[tuple[Any, ...]]:
    """All rows that a reader meets, sorted."""
    files = current_files(folder)
    return sorted(pl.read_parquet(files, glob=False).rows(), key=repr) if files else []


def sorted_rows(trials: dict[str, pl.DataFrame]) -> list[tuple[Any, ...]]:
    return sorted(pl.concat(trials.values()).rows(), key=repr)


def names(folder: Path) -> list[str]:
    return sorted(file.name for file in folder.iterdir())


@contextmanager
def killed_at(step: int) -> Iterator[list[str]]:
    """From its n-th durable step on, the process does nothing more."""
    taken: list[str] = []

    def armed(name: str, do: Callable[..., Any]) -> Callable[..., Any]:
        def act(*args: Any, **kwargs: Any) -> Any:
            taken.append(name)
            if len(taken) >= step:
                raise KeyboardInterrupt
            return do(*args, **kwargs)

        return act

    with pytest.MonkeyPatch.context() as patch:
        for name in ("fsync", "replace", "unlink"):
            patch.setattr(os, name, armed(name, getattr(os, name)))
        yield taken


def test_compaction_changes_no_row_and_done_again_nothing(tmp_path: Path) -> None:
    folder = filled(tmp_path / "items")
    files = ItemFiles(folder)
    files.compact(TRIALS)
    assert all(PART_NAME.fullmatch(name) for name in names(folder)) and len(names(folder)) == 3
    assert rows_in(folder) == sorted_rows(TRIALS)
    before = {name: (folder / name).read_bytes() for name in names(folder)}
    for again in (files, ItemFiles(folder)):
        again.compact(TRIALS)
        assert all(again.has(trial) for trial in TRIALS) and not again.has("0" * 16)
    assert {name: (folder / name).read_bytes() for name in names(folder)} == before


def test_few_trials_keep_a_file_each_and_unfinished_ones_too(tmp_path: Path) -> None:
    few = dict(list(TRIALS.items())[:4])
    folder = filled(tmp_path / "few", few)
    ItemFiles(folder).compact(few)
    assert names(folder) == sorted(f"{trial}.parquet" for trial in few)
    unfinished, *finished = TRIALS
    folder = filled(tmp_path / "many")
    ItemFiles(folder).compact(finished)
    assert (folder / f"{unfinished}.parquet").is_file()
    assert rows_in(folder) == sorted_rows(TRIALS)


def test_files_of_another_schema_stay(tmp_path: Path) -> None:
    folder = filled(tmp_path / "items")
    older = next(iter(TRIALS))
    rows = TRIALS[older].drop("stage")
    write_items(rows, folder / f"{older}.parquet")
    ItemFiles(folder).compact(TRIALS)
    assert pl.read_parquet(folder / f"{older}.parquet").equals(rows)
    assert len(names(folder)) == 4


def test_a_trial_in_a_part_can_be_written_anew_and_removed(tmp_path: Path) -> None:
    folder = filled(tmp_path / "items")
    ItemFiles(folder).compact(TRIALS)
    first, second, *rest = TRIALS
    files = ItemFiles(folder)
    parts = names(folder)
    files.write(first, TRIALS[first])
    assert names(folder) == parts, "the same rows: nothing to do"
    changed = TRIALS[first].with_columns(output=pl.lit("something else"))
    files.write(first, changed)
    assert rows_in(folder) == sorted_rows({**TRIALS, first: changed})
    files.remove([second, "0" * 16])
    assert rows_in(folder) == sorted_rows({first: changed} | {t: TRIALS[t] for t in rest})
    assert not ItemFiles(folder).has(second) and ItemFiles(folder).has(first)
    files.remove(list(TRIALS))
    assert names(folder) == []


def test_a_copy_that_missed_a_part_counts_no_row_twice(tmp_path: Path) -> None:
    """It has the first part and the third, and the second came and went unseen."""
    folder, copy = filled(tmp_path / "items"), tmp_path / "copy"
    ItemFiles(folder).compact(TRIALS)
    shutil.copytree(folder, copy)
    first, second, *rest = TRIALS
    ItemFiles(folder).remove([first])
    ItemFiles(folder).remove([second])
    for file in folder.iterdir():
        shutil.copy(file, copy)
    assert rows_in(copy) == rows_in(folder) == sorted_rows({t: TRIALS[t] for t in rest})


def do_compact(folder: Path) -> None:
    ItemFiles(folder).compact(TRIALS)


def do_change(folder: Path) -> None:
    files = ItemFiles(folder)
    files.remove(list(TRIALS)[1:3])
    files.write(next(iter(TRIALS)), TRIALS[next(iter(TRIALS))].head(3))


@pytest.mark.parametrize("do", [do_compact, do_change])
def test_killed_at_any_step_it_loses_and_doubles_nothing(
    tmp_path: Path, do: Callable[[Path], None]
) -> None:
    def prepared(name: str) -> Path:
        folder = filled(tmp_path / name)
        if do is do_change:
            do_compact(folder)
        return folder

    first, *gone = list(TRIALS)[:3]
    whole = sorted_rows(TRIALS)
    undisturbed = prepared("undisturbed")
    with killed_at(10**6) as steps:
        do(undisturbed)
    assert len(steps) > 8
    for step in range(1, len(steps) + 1):
        folder = prepared(f"{do.__name__}{step}")
        with pytest.raises(KeyboardInterrupt), killed_at(step):
            do(folder)
        met = rows_in(folder)
        assert len(set(met)) == len(met), "no row twice"
        assert set(met) <= set(whole)
        may_lack = set(sorted_rows({t: TRIALS[t] for t in (first, *gone)}))
        assert set(whole) - set(met) <= (may_lack if do is do_change else set())
        for file in folder.glob(".tmp-*"):  # as a launch does
            file.unlink()
        do(folder)
        assert rows_in(folder) == rows_in(undisturbed)


def test_a_damaged_part_is_set_aside_and_its_trials_are_missing(tmp_path: Path) -> None:
    folder = filled(tmp_path / "items")
    ItemFiles(folder).compact(TRIALS)
    part = sorted(folder.iterdir())[0]
    part.write_bytes(part.read_bytes()[:-9])
    with pytest.raises(BadInput, match=part.name):
        current_files(folder)
    files = ItemFiles(folder)
    missing = [trial for trial in TRIALS if not files.has(trial)]
    assert 2 <= len(missing) <= 3
    for trial in missing:
        files.write(trial, TRIALS[trial])
    assert rows_in(folder) == sorted_rows(TRIALS)


@pytest.mark.parametrize("said", ['{"a": ', '["a"]', '{"a": "b"}'])
def test_a_part_that_says_nonsense_is_refused(tmp_path: Path, said: str) -> None:
    file = tmp_path / "part-0123456789abcdef.parquet"
    next(iter(TRIALS.values())).write_parquet(file, metadata={"pbb_trials": said})
    with pytest.raises(BadInput, match="pbb_trials"):
        current_files(tmp_path)


@pytest.mark.parametrize("more", [-1, 1, 10**30])
def test_a_part_that_lacks_rows_is_refused(tmp_path: Path, more: int) -> None:
    file = tmp_path / "part-0123456789abcdef.parquet"
    rows = next(iter(TRIALS.values()))
    for counts in ({"a": rows.height + more}, {"a": rows.height + 1, "b": -1}):
        rows.write_parquet(file, metadata={"pbb_trials": json.dumps(counts)})
        with pytest.raises(BadInput, match="pbb_trials"):
            current_files(tmp_path)


def test_the_report_says_the_same(tmp_path: Path) -> None:
    write_study(item_rows(World(programs=8, items=5, ns=(1, 4, 16))), tmp_path)
    folder = tmp_path / "items"
    before = load_study(tmp_path)
    trials = []
    for file in sorted(folder.iterdir()):
        trials.append(hashlib.sha256(file.name.encode()).hexdigest()[:16])
        file.rename(folder / f"{trials[-1]}.parquet")
    ItemFiles(folder).compact(trials)
    assert len(names(folder)) < len(trials) / 2
    after = load_study(tmp_path)
    assert after.rates.equals(before.rates, null_equal=True)
    assert after.contrasts.equals(before.contrasts, null_equal=True)
    assert after.accuracy.equals(before.accuracy, null_equal=True)


def test_a_launch_compacts_and_the_next_one_knows(tmp_path: Path) -> None:
    def begin(root: Path) -> Any:
        return launch(small_study(), root, "local", quiet=True, runner=RUNNER, resolve=fake_base)

    result = begin(tmp_path / "runs")
    folder = result.folder / "items"
    assert len(names(folder)) == 3 and all(map(PART_NAME.fullmatch, names(folder)))
    rows, files = rows_in(folder), {n: (folder / n).read_bytes() for n in names(folder)}
    for lost in ((), ("trials.parquet",)):
        for name in lost:
            (result.folder / name).unlink()
        assert (begin(tmp_path / "runs").ok, begin(tmp_path / "runs").stages_run) == (7, 0)
        assert {name: (folder / name).read_bytes() for name in names(folder)} == files
    copied = export(result.folder, tmp_path / "out")
    assert pl.read_csv(copied / "items.csv").height == len(rows)
    next(folder.iterdir()).unlink()
    assert begin(tmp_path / "runs").stages_run == 0, "the store has what was lost"
    assert rows_in(folder) == rows

"""One contract for every backend."""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path
from typing import ClassVar

import polars as pl
import pytest

from analysis.load import load
from pbb.records import ITEM_SCHEMA, SCHEMA_KEY, SCHEMA_VERSION
from search_spaces.errors import StudyError
from search_spaces.groups import Group
from search_spaces.study_file import Study
from study.launch import BackendName, LaunchResult, launch, status
from study.plan import make_plan
from study.trials import TRIAL_SCHEMA, read_trials
from study.tuned import read_chosen
from tests.study.studies import (
    KILLED_ONCE,
    RUNNER,
    branching,
    fake_base,
    small_study,
    tuned_together,
    tuning_study,
    twenty_arms,
)


class BackendContract:
    """What a launch promises, whatever runs it."""

    backend: ClassVar[BackendName]

    def launch(self, study: Study, root: Path) -> LaunchResult:
        return launch(study, root, self.backend, quiet=True, runner=RUNNER, resolve=fake_base)

    @pytest.fixture
    def log(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
        """Gets a line for every stage begun."""
        path = tmp_path / "begun.txt"
        monkeypatch.setenv("FAKE_ENGINE_LOG", str(path))
        return path

    def test_twenty_arms_train_their_stage_1_once(self, tmp_path: Path) -> None:
        result = self.launch(twenty_arms(), tmp_path)
        assert (result.ok, result.failed) == (20, 0)
        assert (result.stages_run, result.stages_cached) == (40, 0)
        stage1 = {
            use["fingerprint"]
            for row in read_trials(result.folder / "trials.parquet")
            for use in row["stages"]
            if use["kind"] == "stage1"
        }
        assert len(stage1) == 1
        assert "trained once, used by 20 trials" in status(result.folder, fake_base)
        again = self.launch(twenty_arms(), tmp_path)
        assert (again.ok, again.stages_run, again.stages_cached) == (20, 0, 40)

    def test_tpe_asks_for_its_budget_and_remembers_it(self, tmp_path: Path) -> None:
        result = self.launch(tuning_study(budget=4), tmp_path)
        rows = read_trials(result.folder / "trials.parquet")
        proposals = Counter(row["nuisances"] for row in rows)
        assert (len(rows), len(proposals), set(proposals.values())) == (8, 4, {2})
        assert all(0 <= row["accuracy"] <= 1 for row in rows)
        again = self.launch(tuning_study(budget=4), tmp_path)
        assert (again.ok, again.stages_run) == (8, 0)

    def test_nuisances_are_tuned_alike_and_then_measured(self, tmp_path: Path) -> None:
        study = tuned_together(arm=["instruction", "none"])
        result = self.launch(study, tmp_path)
        assert (result.ok, result.failed) == (4, 0)
        table = pl.read_parquet(result.folder / "tuning.parquet")
        assert dict(table.group_by("arms").len().iter_rows()) == {
            "every": 3,
            "instruction": 3,
        }
        chosen = read_chosen(result.folder / "tuning.parquet", study)
        planned = make_plan(study, fake_base, chosen).trials
        rows = read_trials(result.folder / "trials.parquet")
        assert {row["trial"] for row in rows} == {trial.id for trial in planned}
        assert {trial.config.train.stage2.steps for trial in planned} == {
            chosen[Group("tiny", "lora", "every")]["stage2.steps"]
        }
        assert self.launch(study, tmp_path).stages_run == 0

    def test_cohorts_change_no_result(self, tmp_path: Path) -> None:
        alone = self.launch(small_study(), tmp_path / "alone")
        cohorts = small_study(resources={"cohort": 4})
        result = self.launch(cohorts, tmp_path / "cohorts")
        assert (result.ok, result.failed, result.stages_run) == (7, 0, alone.stages_run)
        files = sorted((alone.folder / "items").glob("*.parquet"))
        for file in files:
            assert pl.read_parquet(result.folder / "items" / file.name).equals(
                pl.read_parquet(file)
            )
        assert len(files) == 7


class TestLocal(BackendContract):
    """In this process."""

    backend = "local"

    def test_every_stage_runs_once(self, tmp_path: Path, log: Path) -> None:
        self.launch(twenty_arms(), tmp_path)
        assert len(log.read_text().splitlines()) == 40

    def test_a_cohort_is_asked_of_the_runner_at_once(self, tmp_path: Path, log: Path) -> None:
        self.launch(small_study(resources={"cohort": 4}), tmp_path)
        told = [line.split()[-1] for line in log.read_text().splitlines() if "cohort" in line]
        assert told and set(told) <= {"2", "3", "4"}

    def test_rows_follow_the_contract(self, tmp_path: Path) -> None:
        result = self.launch(small_study(), tmp_path)
        files = sorted((result.folder / "items").glob("*.parquet"))
        rows = read_trials(result.folder / "trials.parquet")
        assert {file.stem for file in files} == {row["trial"] for row in rows}
        for file in files:
            assert pl.read_parquet_schema(file) == ITEM_SCHEMA
            assert pl.read_parquet_metadata(file)[SCHEMA_KEY] == str(SCHEMA_VERSION)
        table = pl.read_parquet(result.folder / "trials.parquet")
        assert table.schema == TRIAL_SCHEMA
        assert "Device time: allocated" in status(result.folder, fake_base)
        assert table["train_device_s"].sum() == pytest.approx(8 * 0.5)  # 2 stage 1s, 6 stage 2s
        assert table["evaluate_device_s"].sum() == pytest.approx(7 * 0.25)

    def test_deleting_rows_loses_nothing(self, tmp_path: Path) -> None:
        result = self.launch(small_study(), tmp_path)
        items = sorted((result.folder / "items").glob("*.parquet"))
        before = {file.name: file.read_bytes() for file in items}
        for file in [*items, result.folder / "trials.parquet"]:
            file.unlink()
        again = self.launch(small_study(), tmp_path)
        assert (again.ok, again.stages_run) == (7, 0)
        assert {file.name: file.read_bytes() for file in items} == before

    def test_the_manifest_is_of_the_launch_that_ran_stages(self, tmp_path: Path) -> None:
        result = self.launch(small_study(), tmp_path)
        manifest = (result.folder / "manifest.json").read_bytes()
        told = json.loads(manifest)
        assert told["bases"]["tiny"]["sha256"] == fake_base("tiny").sha256
        assert len(told["data_sha256"]) == 64
        self.launch(small_study(), tmp_path)
        assert (result.folder / "manifest.json").read_bytes() == manifest

    def test_studies_share_stages(self, tmp_path: Path) -> None:
        self.launch(small_study("one"), tmp_path)
        other = self.launch(small_study("two"), tmp_path)
        assert (other.ok, other.stages_run, other.stages_cached) == (7, 0, 15)

    def test_divergence_is_recorded_and_not_tried_again(
        self, tmp_path: Path, log: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setenv("FAKE_ENGINE_DIVERGE", "stage2")
        result = self.launch(small_study(), tmp_path)
        assert (result.ok, result.failed) == (1, 6)
        assert "6 diverged" in status(result.folder, fake_base)
        begun = len(log.read_text().splitlines())
        again = self.launch(small_study(), tmp_path)
        assert (again.failed, again.stages_run) == (6, 0)
        assert len(log.read_text().splitlines()) == begun

    def test_what_raised_is_tried_again_by_the_next_launch(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setenv("FAKE_ENGINE_RAISE", "stage2")
        result = self.launch(small_study(), tmp_path)
        rows = read_trials(result.folder / "trials.parquet")
        assert (result.ok, result.failed) == (1, 6)
        reasons = {row["reason"] for row in rows if row["status"] == "failed"}
        assert all("the device fell off the bus" in reason for reason in reasons)
        monkeypatch.delenv("FAKE_ENGINE_RAISE")
        assert self.launch(small_study(), tmp_path).ok == 7

    def test_rows_of_every_evaluation_stand_in_the_trials_file(self, tmp_path: Path) -> None:
        result = self.launch(branching(small_study()), tmp_path)
        assert result.ok == 7
        trained = {"instruction", "none", "demonstrations"}
        for file in (result.folder / "items").glob("*.parquet"):
            rows = pl.read_parquet(file)
            asked = rows.select("curriculum", "stage", "step", "split", "measure").unique()
            if rows["curriculum"][0] == "none":
                assert asked.select("stage", "step").unique().rows() == [(0, 0)]
                continue
            assert set(rows["arm"]) <= trained
            points = asked.group_by("stage", "step").agg(splits=pl.col("split").unique().sort())
            assert sorted(points.rows()) == [
                (0, 0, ["acquisition"]),
                (1, 0, ["acquisition", "target"]),
                (2, 10, ["target"]),
                (2, 20, ["target"]),
                (2, 30, ["acquisition", "target"]),
            ]
            assert set(rows["measure"]) == {"execution", "in_context", "recall"}
            recall = rows["measure"] == "recall"
            assert rows.filter(recall)["response_format"].null_count() == recall.sum()
        last = load(result.folder).counts
        assert set(last.filter(pl.col("stage") > 0)["step"]) == {30}

    def test_what_fails_beside_a_result_is_told_and_tried_again(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        study = branching(small_study())
        whole = self.launch(study, tmp_path / "undisturbed").folder / "items"
        monkeypatch.setenv("FAKE_ENGINE_RAISE", "evaluate 2.20")
        result = self.launch(study, tmp_path / "r")
        assert (result.ok, result.failed) == (1, 6)
        rows = read_trials(result.folder / "trials.parquet")
        failed = [row for row in rows if row["status"] == "failed"]
        assert all("the device fell off the bus" in row["reason"] for row in failed)
        assert all(row["accuracy"] is not None for row in failed), "the result is there"
        steps = {s for f in result.folder.glob("items/*") for s in pl.read_parquet(f)["step"]}
        assert steps == {0, 10, 30}
        monkeypatch.delenv("FAKE_ENGINE_RAISE")
        again = self.launch(study, tmp_path / "r")
        assert (again.ok, again.stages_run) == (7, 6)
        for file in whole.iterdir():
            assert (again.folder / "items" / file.name).read_bytes() == file.read_bytes()

    def test_a_changed_study_is_refused_and_nothing_is_lost(self, tmp_path: Path) -> None:
        result = self.launch(small_study(), tmp_path)
        files = [path for path in result.folder.rglob("*") if path.is_file()]
        before = {path: path.read_bytes() for path in files if path.name != ".lock"}
        with pytest.raises(StudyError, match=r"data_seed.*--root"):
            self.launch(small_study(data_seed=2), tmp_path)
        assert {path: path.read_bytes() for path in before} == before

    def test_a_foreign_folder_is_refused(self, tmp_path: Path) -> None:
        (tmp_path / "small").mkdir()
        (tmp_path / "small" / "thesis.tex").write_text("precious")
        with pytest.raises(StudyError, match=r"thesis\.tex"):
            self.launch(small_study(), tmp_path)
        assert [path.name for path in (tmp_path / "small").iterdir()] == ["thesis.tex"]

    def test_a_file_in_the_way_is_refused(self, tmp_path: Path) -> None:
        (tmp_path / "small").write_text("a file")
        with pytest.raises(StudyError, match="--root"):
            self.launch(small_study(), tmp_path)


@pytest.mark.ray
@pytest.mark.timeout(300)
@pytest.mark.usefixtures("ray_cluster")
class TestRay(BackendContract):
    """On a local cluster."""

    backend = "ray"

    @pytest.mark.slow  # a search is several launches
    def test_nuisances_are_tuned_alike_and_then_measured(self, tmp_path: Path) -> None:
        super().test_nuisances_are_tuned_alike_and_then_measured(tmp_path)

    def test_a_killed_worker_comes_back_and_rows_are_the_local_backends(
        self, tmp_path: Path
    ) -> None:
        local = launch(small_study(), tmp_path / "l", "local", runner=RUNNER, resolve=fake_base)
        kill = tmp_path / "r" / "kill"
        kill.parent.mkdir()
        kill.touch()
        result = launch(small_study(), tmp_path / "r", "ray", runner=KILLED_ONCE, resolve=fake_base)
        assert not kill.exists()
        assert (result.ok, result.failed, result.stages_run) == (7, 0, 15)
        for file in sorted((local.folder / "items").glob("*.parquet")):
            assert (result.folder / "items" / file.name).read_bytes() == file.read_bytes()

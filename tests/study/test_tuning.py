"""Tuning before measuring: on validation programs, alike for all, by score, and done once."""

from __future__ import annotations

import json
from collections import defaultdict
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from analysis.nuisances import read_choices
from analysis.report import write_report
from analysis.results import rates_json
from pbb.config import EvaluateStage, Stage, TrainStage
from pbb.records import StageOutcome
from search_spaces.errors import StudyError
from search_spaces.groups import Group
from search_spaces.study_file import Study
from search_spaces.tuning import groups
from study.costs import train_tokens
from study.export import export
from study.folder import StudyFolder
from study.forecast import forecast
from study.launch import LaunchResult, launch, status
from study.plan import make_plan
from study.store import Store
from study.trials import read_trials
from study.tuned import TUNED_SCHEMA, Proposal, best, read_chosen
from tests.study.fake_engine import FakeEngine
from tests.study.studies import RUNNER, fake_base, small_study, tuned_study, tuned_together

MEASURED_SEEDS = {1, 2}


def run(study: Study, root: Path, runner: str = RUNNER) -> LaunchResult:
    return launch(study, root, "local", quiet=True, runner=runner, resolve=fake_base)


def table(result: LaunchResult) -> pl.DataFrame:
    return pl.read_parquet(result.folder / "tuning.parquet")


def used_stages(root: Path, trials: list[dict[str, Any]]) -> list[TrainStage | EvaluateStage]:
    """Every stage that trials used, as the store describes it."""
    found = []
    for name in {use["fingerprint"] for row in trials for use in row["stages"]}:
        told = json.loads((Store(root).path(name) / "stage.json").read_text())["stage"]
        found.append((TrainStage if told["kind"] == "train" else EvaluateStage)(**told))
    return found


def tuning_trials(result: LaunchResult) -> dict[str, list[dict[str, Any]]]:
    """Rows by group's folder."""
    folders = sorted((result.folder / "tuning").iterdir())
    return {folder.name: read_trials(folder / "trials.parquet") for folder in folders}


@pytest.fixture(scope="module", params=[tuned_study, tuned_together])
def launched(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> tuple[Study, LaunchResult]:
    study: Study = request.param()
    result = run(study, tmp_path_factory.mktemp("runs"))
    assert result.failed == 0
    return study, result


def test_every_group_has_equally_many_proposals(launched: tuple[Study, LaunchResult]) -> None:
    study, result = launched
    found = table(result)
    assert found.schema == TUNED_SCHEMA
    counts = found.group_by("model", "weights", "arms").agg(
        pl.len(), pl.col("chosen").sum().alias("won"), pl.col("nuisances").n_unique()
    )
    assert set(counts["len"]) == set(counts["nuisances"]) == {3}
    assert set(counts["won"]) == {1}
    told = {Group(*row) for row in counts.select("model", "weights", "arms").iter_rows()}
    assert told == set(groups(study))


def test_tuning_sees_no_target_and_no_measured_seed(launched: tuple[Study, LaunchResult]) -> None:
    _, result = launched
    trials = [row for rows in tuning_trials(result).values() for row in rows]
    stages = used_stages(result.folder.parent, trials)
    trained = [stage for stage in stages if isinstance(stage, TrainStage)]
    asked = [stage for stage in stages if isinstance(stage, EvaluateStage)]
    assert trained and asked
    for stage in trained:
        assert stage.seed not in MEASURED_SEEDS
        splits = {component.source.split for component in stage.mixture}
        assert splits <= {"acquisition", "validation"}
    for stage in asked:
        assert {question.split for question in stage.questions} == {"validation"}
    measured = used_stages(result.folder.parent, read_trials(result.folder / "trials.parquet"))
    seeds = {stage.seed for stage in measured if isinstance(stage, TrainStage)}
    assert seeds and seeds <= MEASURED_SEEDS


def test_the_best_mean_over_item_rows_is_chosen(launched: tuple[Study, LaunchResult]) -> None:
    study, result = launched
    for folder, trials in tuning_trials(result).items():
        scores: dict[str, list[float]] = defaultdict(list)
        for row in trials:
            rows = pl.read_parquet(
                result.folder / "tuning" / folder / "items" / f"{row['trial']}.parquet"
            )
            assert rows["split"].unique().to_list() == ["validation"]
            mean = rows["correct"].cast(pl.Float64).mean()
            assert isinstance(mean, float)
            scores[row["nuisances"]].append(mean)
        means = {text: sum(each) / len(each) for text, each in scores.items()}
        model, weights, arms = folder.rsplit(".", 2)
        own = table(result).filter(model=model, weights=weights, arms=arms)
        assert dict(own.select("nuisances", "score").iter_rows()) == pytest.approx(means)
        won = own.filter("chosen")
        assert won["score"].item() == own["score"].max()
        group = next(g for g in groups(study) if (g.weights, g.arms) == (weights, arms))
        chosen = read_chosen(StudyFolder(result.folder).tuned, study)
        assert json.loads(won["nuisances"].item()) == chosen[group]


def test_measured_runs_take_the_values_of_their_group(
    launched: tuple[Study, LaunchResult],
) -> None:
    study, result = launched
    chosen = {
        (row["weights"], row["arms"]): json.loads(row["nuisances"])
        for row in table(result).filter("chosen").iter_rows(named=True)
    }
    ratio = study.train.full_rank_lr_ratio
    for row in read_trials(result.folder / "trials.parquet"):
        if row["curriculum"] == "none":
            continue
        weights = "all" if row["lora_rank"] == 0 else "lora"
        kind = "instruction" if row["arm"] in ("instruction", "placebo") else "demonstrations"
        expected = {**chosen.get((weights, "every"), {}), **chosen[weights, kind]}
        assert json.loads(row["nuisances"]) == expected
        (stage2,) = [
            stage
            for stage in used_stages(result.folder.parent, [row])
            if isinstance(stage, TrainStage) and stage.role == "stage2"
        ]
        lr = expected["stage2.peak_lr"] * (ratio if weights == "all" else 1)
        assert stage2.recipe.peak_lr == pytest.approx(lr, rel=1e-12)
        assert stage2.recipe.steps == expected.get("stage2.steps", study.train.stage2.steps)


def test_both_sides_of_a_comparison_take_equal_effort(
    launched: tuple[Study, LaunchResult],
) -> None:
    study, result = launched
    plan = make_plan(study, fake_base, read_chosen(StudyFolder(result.folder).tuned, study))
    efforts: dict[object, set[tuple[int, int, float]]] = defaultdict(set)
    for trial in plan.trials:
        recipe, rank = trial.config.train.stage2, trial.config.lora_rank
        if trial.config.curriculum == "proactive":
            effort = (recipe.steps, recipe.tokens_per_step, trial.config.train.replay)
            efforts[rank].add(effort)
    assert all(len(found) == 1 for found in efforts.values())
    by_stage1 = defaultdict(set)
    for trial in plan.trials:
        by_stage1[trial.config.lora_rank, trial.config.seed].add(trial.chain[0].fingerprint)
    assert all(len(found) == 1 for found in by_stage1.values())


def test_arms_tuned_apart_are_one_comparison(
    launched: tuple[Study, LaunchResult], tmp_path: Path
) -> None:
    study, result = launched
    untuned = study.model_copy(update={"tune": None})
    plain = run(untuned, tmp_path)

    def compared(folder: Path) -> set[tuple[Any, ...]]:
        keys = ("model", "curriculum", "lora_rank", "instruction_format", "response_format")
        return {
            (*(each[key] for key in keys), each["n_smallest"], each["n_largest"], each["n_runs"])
            for each in rates_json(folder)
        }

    assert compared(result.folder) == compared(plain.folder)
    rows = pl.read_parquet(result.folder / "items" / "*.parquet")
    assert rows.filter(pl.col("curriculum") == "proactive")["factors"].n_unique() == 1
    cells = ("arm", "demonstrations", "lora_rank", "response_format", "curriculum")
    assert rows["cell"].n_unique() == rows.select(cells).unique().height


def test_the_report_says_what_was_chosen(
    launched: tuple[Study, LaunchResult], tmp_path: Path
) -> None:
    study, result = launched
    chosen = read_chosen(StudyFolder(result.folder).tuned, study)
    told = {each.group: dict(each.values) for each in read_choices(result.folder)}
    assert told == {str(group): values for group, values in chosen.items()}
    page = write_report(result.folder, tmp_path).html.read_text()
    assert "How nuisances were chosen" in page
    for group, values in chosen.items():
        assert str(group) in page
        assert f"{values.get('stage2.peak_lr', values.get('stage2.steps')):.4g}" in page


def test_a_relaunch_runs_nothing_and_keeps_every_byte(
    launched: tuple[Study, LaunchResult],
) -> None:
    study, result = launched
    files = [p for p in result.folder.rglob("*.parquet") if p.name != "documents.parquet"]
    before = {path: path.read_bytes() for path in files}
    again = run(study, result.folder.parent)
    assert (again.ok, again.failed, again.stages_run) == (result.ok, 0, 0)
    assert {path: path.read_bytes() for path in files} == before


def test_a_lost_table_is_made_anew_from_the_trials(launched: tuple[Study, LaunchResult]) -> None:
    study, result = launched
    before = table(result)
    (result.folder / "tuning.parquet").unlink()
    assert run(study, result.folder.parent).stages_run == 0
    assert table(result).equals(before)


def test_an_export_keeps_what_was_chosen(
    launched: tuple[Study, LaunchResult], tmp_path: Path
) -> None:
    study, result = launched
    copied = export(result.folder, tmp_path / "out")
    assert (copied / "tuning.parquet").read_bytes() == (
        result.folder / "tuning.parquet"
    ).read_bytes()
    again = run(study, tmp_path / "out")
    assert (again.ok, again.stages_run) == (result.ok, 0)


def test_a_forecast_counts_what_is_run(launched: tuple[Study, LaunchResult]) -> None:
    study, result = launched
    before = forecast(make_plan(study, fake_base), lambda _: False, fake_base)
    assert before.tuning_groups == len(groups(study))
    assert before.tuning_runs == sum(map(len, tuning_trials(result).values()))
    chosen = read_chosen(StudyFolder(result.folder).tuned, study)
    plan = make_plan(study, fake_base, chosen)
    after = forecast(plan, Store(result.folder.parent).has, fake_base)
    assert (after.tuning_runs, after.train_tokens, after.runs_cached) == (0, 0, after.runs)
    if study.tune and "stage2.steps" not in study.tune.nuisances:  # else the low end is a bound
        ran = used_stages(
            result.folder.parent,
            [
                *read_trials(result.folder / "trials.parquet"),
                *(row for rows in tuning_trials(result).values() for row in rows),
            ],
        )
        executed = sum(train_tokens(stage) for stage in ran if isinstance(stage, TrainStage))
        assert before.train_tokens == executed


class Stopped(FakeEngine):
    """Interrupted, as by Ctrl-C, at a training stage that the root's file `stop` tells.

    The file holds a seed, and how many of its stages are run before.
    """

    def run(self, stage: Stage, parent: Path | None, out: Path, scratch: Path) -> StageOutcome:
        stop = out.parents[2] / "stop"
        if stop.is_file() and isinstance(stage, TrainStage):
            seed, after = map(int, stop.read_text().split())
            if stage.seed == seed and after == 0:
                raise KeyboardInterrupt
            if stage.seed == seed:
                stop.write_text(f"{seed} {after - 1}")
        return super().run(stage, parent, out, scratch)


@pytest.mark.parametrize(("seed", "after"), [(1, 0), (1, 4), (101, 0), (101, 5), (101, 13)])
def test_an_interrupted_launch_goes_on_where_it_was(tmp_path: Path, seed: int, after: int) -> None:
    root = tmp_path / "runs"
    root.mkdir()
    (root / "stop").write_text(f"{seed} {after}")
    with pytest.raises(KeyboardInterrupt):
        run(tuned_study(), root, "tests.study.test_tuning:Stopped")
    told = status(root / "tuned", fake_base)
    assert ("4 of 4 groups chosen" in told) == (seed == 1)
    (root / "stop").unlink()
    result = run(tuned_study(), root)
    assert result.failed == 0
    assert set(table(result).group_by("weights", "arms").len()["len"]) == {3}
    assert "4 of 4 groups chosen, 12 of 12 proposals scored" in status(result.folder, fake_base)
    undisturbed = run(tuned_study(), tmp_path / "other")
    first_of_all = (seed, after) == (101, 0)
    assert (result.stages_run < undisturbed.stages_run) is not first_of_all
    if seed == 1:
        assert table(result).drop("device_s").equals(table(undisturbed).drop("device_s"))
    assert run(tuned_study(), root).stages_run == 0


def test_nothing_is_measured_where_tuning_failed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("FAKE_ENGINE_RAISE", "stage2")
    result = run(tuned_study(), tmp_path)
    assert (result.ok, result.failed) == (0, 3)  # of the first group
    assert not (result.folder / "trials.parquet").exists()
    told = status(result.folder, fake_base)
    assert "0 of 4 groups chosen" in told and "the device fell off the bus" in told
    monkeypatch.delenv("FAKE_ENGINE_RAISE")
    assert run(tuned_study(), tmp_path).failed == 0


def test_a_group_in_which_all_diverged_is_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("FAKE_ENGINE_DIVERGE", "stage2")
    with pytest.raises(StudyError, match=r"every proposal for tiny, .* diverged.*ranges"):
        run(tuned_study(), tmp_path)


def test_whole_numbers_that_are_proposed_twice_are_run_once(tmp_path: Path) -> None:
    ranges = {"stage2.steps": {"low": 30, "high": 31}, "stage2.peak_lr": {"low": 1e-3, "high": 1.0}}
    study = tuned_study(tune={"nuisances": ranges, "trials": 4, "seeds": [101]})
    result = run(study, tmp_path)
    assert result.failed == 0
    own = table(result).filter(arms="every", weights="lora")
    assert {json.loads(text)["stage2.steps"] for text in own["nuisances"]} == {30, 31}
    assert own.height == 2
    assert own["chosen"].sum() == 1
    assert own["device_s"].min() > 0  # type: ignore[operator]
    assert set(
        table(result).filter(pl.col("arms") != "every").group_by("arms", "weights").len()["len"]
    ) == {4}
    assert run(study, tmp_path).stages_run == 0


def test_another_tuning_is_another_study(tmp_path: Path) -> None:
    run(tuned_study(), tmp_path)
    tune = tuned_study().model_dump()["tune"]
    with pytest.raises(StudyError, match=r"\(tune.trials: 3 -> 4\)"):
        run(tuned_study(tune={**tune, "trials": 4}), tmp_path)


def test_a_study_that_does_not_tune_is_planned_as_before(tmp_path: Path) -> None:
    result = run(small_study(), tmp_path)
    assert not (result.folder / "tuning").exists()
    assert "tuning" not in status(result.folder, fake_base)
    plan = make_plan(small_study(), fake_base)
    assert {row["nuisances"] for row in read_trials(result.folder / "trials.parquet")} == {"{}"}
    assert forecast(plan, lambda _: False, fake_base).tuning_runs == 0


def test_of_equal_scores_the_gentler_values_win() -> None:
    def proposal(lr: float, *accuracies: float | None) -> Proposal:
        rows = [{"accuracy": each, "status": "ok"} for each in accuracies]
        return Proposal({"stage2.peak_lr": lr}, rows)

    high, low = proposal(0.02, 0.5, 0.5), proposal(0.001, 0.25, 0.75)
    assert best([high, low]) is low
    assert best([high, low, proposal(0.03, 1.0, None), proposal(0.1, 0.9, 0.2)]).score == 0.55

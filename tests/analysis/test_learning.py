"""Learning curves: several steps where there are any, losses where their records stand."""

from pathlib import Path

import polars as pl
import pytest

from analysis.curves import COMPARISON, TREATMENT
from analysis.figures.learning import draw_learning_curves, draw_training_loss
from analysis.learning import LOSS_POINTS, accuracy_by_step, loss_by_step
from analysis.load import load
from tests.analysis.synthetic import World, item_rows, write_items

WORLD = World(programs=4, items=3, seeds=2, ns=(1, 4))
STAGE2 = "0123456789abcdef"


def test_accuracy_by_step_is_the_mean_over_programs_and_runs(tmp_path: Path) -> None:
    early = item_rows(WORLD, seed=1).with_columns(step=pl.lit(100, pl.Int32))
    late = item_rows(WORLD, seed=2)
    rows = pl.concat([early, late])
    points = accuracy_by_step(load(write_items(rows, tmp_path / "a.parquet")).history)
    keys = [*COMPARISON, *TREATMENT, "step"]
    by_program = rows.group_by(*keys, "seed", "program").agg(pl.col("correct").mean())
    expected = by_program.group_by(keys).agg(pl.col("correct").mean())
    both = points.join(expected, on=keys, nulls_equal=True)
    assert len(both) == len(points) == len(expected)
    assert both["accuracy"].to_list() == pytest.approx(both["correct"].to_list())
    drawn = draw_learning_curves(points)
    assert sum(len(trace["x"]) for trace in drawn.traces) == len(points)


def test_runs_evaluated_once_have_no_curve(tmp_path: Path) -> None:
    history = load(write_items(item_rows(WORLD), tmp_path / "a.parquet")).history
    points = accuracy_by_step(history)
    assert points.is_empty()
    with pytest.raises(ValueError, match="one step"):
        draw_learning_curves(points)


def study(root: Path, fingerprint: str) -> Path:
    """A study folder with one trial, and a stage beside it whose loss falls from 2 to 1."""
    folder, stage = root / "study", root / "stages" / STAGE2
    for each in (folder, stage):
        each.mkdir(parents=True)
    steps = range(1, 201)
    losses = [2 - step / 200 for step in steps]
    pl.DataFrame({"step": list(steps), "loss_nats_per_token": losses}).write_parquet(
        stage / "steps.parquet"
    )
    uses = [
        {"fingerprint": "ffffffffffffffff", "kind": "stage1", "cached": False},
        {"fingerprint": fingerprint, "kind": "stage2", "cached": False},
    ]
    trial = {
        "model": "m",
        "curriculum": "proactive",
        "arm": "instruction",
        "demonstrations": 0,
        "demonstration_format": None,
        "status": "ok",
        "stages": uses,
    }
    pl.DataFrame([trial], schema_overrides={"demonstration_format": pl.String}).write_parquet(
        folder / "trials.parquet"
    )
    return folder


def test_losses_are_read_from_the_stages_beside_the_study(tmp_path: Path) -> None:
    found = loss_by_step(study(tmp_path, STAGE2))
    assert found is not None
    assert len(found) <= LOSS_POINTS
    line = [2 - step / 200 for step in found["step"]]
    assert found["loss_nats_per_token"].to_list() == pytest.approx(line)
    assert len(draw_training_loss(found).traces) == 1


@pytest.mark.parametrize("fingerprint", ["../stages/" + STAGE2, "abcdefabcdefabcd", ""])
def test_other_files_are_not_read(tmp_path: Path, fingerprint: str) -> None:
    assert loss_by_step(study(tmp_path, fingerprint)) is None


def test_a_study_without_trials_has_no_losses(tmp_path: Path) -> None:
    assert loss_by_step(tmp_path) is None

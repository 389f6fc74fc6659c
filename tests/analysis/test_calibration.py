"""Simulated studies, and the committed table of what the intervals cover."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import polars as pl
import pytest

from analysis.calibration import REPLICATES, SETTINGS, calibrate, frame, markdown
from analysis.simulate import World, contest, mean_accuracy, true_log_rate

DOCS = Path(__file__).parents[2] / "docs"


def test_the_true_rate_is_where_the_curves_meet() -> None:
    assert true_log_rate(World(rate=7.0)) == pytest.approx(np.log(7.0))
    loud = replace(SETTINGS["stage 1 moves the instruction alone"], instruction_stage1=1.0)
    at = mean_accuracy(loud, loud.at(np.exp(true_log_rate(loud))))
    assert at == pytest.approx(mean_accuracy(loud, loud.at(loud.rate), instructed=True))
    assert true_log_rate(loud) != pytest.approx(np.log(loud.rate), abs=0.01)


@pytest.mark.parametrize("name", SETTINGS)
def test_simulated_accuracy_is_the_population_s(name: str) -> None:
    world = replace(SETTINGS[name], programs=400, seeds=120, missing=0.0, runs_per_stage1=1)
    levels = contest(world, 1).levels
    for level, (series, _, logit) in zip(levels, world.arms(), strict=True):
        known = mean_accuracy(world, logit, instructed=series == "instruction")
        assert level.mean == pytest.approx(known, abs=0.06)


def test_the_committed_table_holds_what_it_promises() -> None:
    """Every setting, enough studies, and coverage where it must be."""
    table = pl.read_csv(DOCS / "simulation.csv")
    assert table["setting"].to_list() == list(SETTINGS)
    assert (table["replicates"] >= REPLICATES).all()
    for side in ("", "_bootstrap"):
        high, low = table[f"cover{side}_high"], table[f"cover{side}_low"]
        assert (high >= 0.93).all()
        assert ((low <= 0.97) | (table[f"open{side}"] > 0.1)).all()
    assert (table["type_1"] <= 0.06).all()


def test_the_page_shows_the_committed_table() -> None:
    page = (DOCS / "simulation.md").read_text(encoding="utf-8")
    for row in pl.read_csv(DOCS / "simulation.csv").iter_rows(named=True):
        assert f"| {row['setting']} | {100 * row['cover']:.1f} " in page


@pytest.mark.slow
@pytest.mark.timeout(900)
@pytest.mark.parametrize("name", SETTINGS)
def test_the_code_still_gives_the_committed_table(name: str) -> None:
    """400 new studies a setting; off by more than 4 Monte-Carlo errors means: make simulation."""
    committed = pl.read_csv(DOCS / "simulation.csv").row(
        by_predicate=pl.col("setting") == name, named=True
    )
    now = calibrate(name, SETTINGS[name], 400)
    error = 4 * np.sqrt(0.05 * 0.95 * (1 / 400 + 1 / committed["replicates"]))
    for column in ("cover", "cover_bootstrap", "cover_contrast", "type_1"):
        assert getattr(now, column) == pytest.approx(committed[column], abs=error)


def test_a_small_table_can_be_made_and_read() -> None:
    rows = [calibrate("20 x 2", SETTINGS["20 x 2"], 12, draws=200)]
    assert frame(rows).height == 1
    assert markdown(rows).count("\n") == 3
    assert 0.5 < rows[0].cover <= 1
    assert rows[0].cover_low <= rows[0].cover <= rows[0].cover_high

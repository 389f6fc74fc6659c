"""The benchmark measures what it says: the same counts by every way, and a rate a comparison."""

import sys
from pathlib import Path

import polars as pl
import pytest
from polars.testing import assert_frame_equal

from tests.bench import analysis_speed
from tests.bench.analysis_speed import OURS, PASSES, RATES, in_turn, main, measured

WORLD = analysis_speed.World(programs=8, items=4, ns=(1, 4, 16))
ROWS = 3 * 3 * 8 * 4 * 10
"""Three comparisons: 7 arms and n, three of them in two formats, 3 seeds."""


@pytest.fixture
def large(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr(analysis_speed, "WORLD", WORLD)
    analysis_speed.write_large(tmp_path, ROWS)
    return tmp_path


def test_every_way_counts_the_same(large: Path) -> None:
    counts = [count(large) for count in PASSES.values()]
    least = counts[1].columns
    for found in counts:
        assert found["n_items"].sum() == ROWS
        joined = found.group_by(least[:-2]).agg(pl.col(least[-2:]).sum())
        ours = counts[-1].group_by(least[:-2]).agg(pl.col(least[-2:]).sum())
        assert_frame_equal(joined, ours, check_row_order=False)


def test_each_comparison_gets_a_rate(large: Path) -> None:
    assert measured(OURS, large, 200)["n_items"] == ROWS
    rates = analysis_speed.all_rates(large, 200)
    assert rates.height == 3
    assert rates["acquisition"].to_list() == [100, 101, 102]
    assert rates["state"].is_in(["estimated", "left_censored", "right_censored"]).any()


def test_measurements_are_made_in_turn_and_apart(large: Path) -> None:
    found = in_turn([OURS, RATES], large, 1, 200)
    assert found[OURS]["n_items"] == ROWS
    assert found[RATES]["rows"] == 3
    assert all(each["wall_s"] > 0 and 0.02 < each["peak_gib"] < 4 for each in found.values())


def test_a_full_disk_is_foreseen(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    words = ["analysis_speed", "--rows", str(10**17), "--where", str(tmp_path)]
    monkeypatch.setattr(sys, "argv", words)
    with pytest.raises(SystemExit, match="GB free"):
        main()
    assert not list(tmp_path.iterdir())

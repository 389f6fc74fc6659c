"""Costs: sums of what the trials recorded, shared stages once."""

from pathlib import Path

import polars as pl
import pytest

from analysis.costs import PHASES, read_costs
from analysis.errors import BadInput
from analysis.figures.costs import draw_device_time
from analysis.sentences import device_time

TRIALS = pl.DataFrame(
    {
        "model": ["a", "a", "b"],
        "train_device_s": [10.0, 20.0, 5.0],
        "evaluate_device_s": [1.0, None, 2.0],
        "startup_device_s": [0.5, 0.5, 0.5],
        "idle_device_s": [0.0, 0.0, 0.25],
        "tokens": [100, 200, 300],
        "wall_s": [11.0, 33.0, 7.0],
        "stages": [
            [
                {"fingerprint": "s1", "kind": "stage1", "cached": False},
                {"fingerprint": "s2", "kind": "stage2", "cached": False},
            ],
            [
                {"fingerprint": "s1", "kind": "stage1", "cached": True},
                {"fingerprint": "s3", "kind": "stage2", "cached": True},
            ],
            [{"fingerprint": "e1", "kind": "evaluate", "cached": True}],
        ],
    }
)


def test_costs_are_sums_and_shared_stages_count_once(tmp_path: Path) -> None:
    TRIALS.write_parquet(tmp_path / "trials.parquet")
    costs = read_costs(tmp_path)
    assert costs is not None
    assert costs.device_s == pytest.approx(39.75)
    assert [costs.phase_s(phase) for phase in PHASES] == pytest.approx([35, 3, 1.5, 0.25])
    assert costs.by_model.filter(pl.col("model") == "a")["train"].to_list() == [30.0]
    assert (costs.tokens, costs.wall_s) == (600, 33.0)
    assert costs.stages.rows() == [("stage1", 1, 0), ("stage2", 1, 1), ("evaluate", 0, 1)]
    assert costs.busy_s == pytest.approx(38)
    assert "allocated 39.8 s, busy 38 s (96%)" in device_time(costs)
    drawn = draw_device_time(costs)
    assert sum(sum(trace["x"]) for trace in drawn.traces) == pytest.approx(39.75)


def test_trials_without_costs_give_none(tmp_path: Path) -> None:
    assert read_costs(tmp_path) is None
    TRIALS.select("model").write_parquet(tmp_path / "trials.parquet")
    assert read_costs(tmp_path) is None


def test_a_damaged_file_is_told(tmp_path: Path) -> None:
    (tmp_path / "trials.parquet").write_bytes(b"no parquet")
    with pytest.raises(BadInput, match=r"trials\.parquet"):
        read_costs(tmp_path)

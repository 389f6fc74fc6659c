"""How nuisances were chosen: what the report says is what the table holds."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import polars as pl
import pytest

from analysis.errors import BadInput
from analysis.nuisances import read_choices

STUDY = """
tune:
  nuisances:
    stage2.peak_lr: {low: 0.001, high: 0.1, log: true}
    stage2.steps: {low: 100, high: 300}
"""


def proposal(arms: str, nuisances: str, score: float, *, chosen: bool = False) -> dict[str, Any]:
    return {
        "model": "nano-s",
        "weights": "lora",
        "arms": arms,
        "nuisances": nuisances,
        "score": score,
        "least": score - 0.1,
        "greatest": score + 0.1,
        "runs": 2,
        "diverged": 0 if chosen else 1,
        "device_s": 2.5,
        "chosen": chosen,
    }


def folder(tmp_path: Path, *rows: dict[str, Any]) -> Path:
    (tmp_path / "study.yaml").write_text(STUDY)
    pl.DataFrame(rows).write_parquet(tmp_path / "tuning.parquet")
    return tmp_path


def test_each_group_is_told_by_its_winner(tmp_path: Path) -> None:
    source = folder(
        tmp_path,
        proposal("instruction", '{"stage2.peak_lr":0.02}', 0.3),
        proposal("instruction", '{"stage2.peak_lr":0.01}', 0.6, chosen=True),
        proposal("demonstrations", '{"stage2.peak_lr":0.002}', 0.5, chosen=True),
        proposal("instruction", '{"stage2.peak_lr":0.03}', 0.2),
    )
    first, second = read_choices(source)
    assert first.group == "nano-s, LoRA, arms that show instructions"
    assert (first.proposals, first.values) == (3, {"stage2.peak_lr": 0.01})
    assert (first.score, first.worst, first.runs, first.diverged) == (0.6, 0.2, 2, 2)
    assert (first.low, first.high, first.device_s) == pytest.approx((0.5, 0.7, 7.5))
    assert (second.proposals, second.worst) == (1, 0.5)


@pytest.mark.parametrize(
    ("nuisances", "at_end"),
    [
        ('{"stage2.peak_lr":0.01,"stage2.steps":200}', ()),
        ('{"stage2.peak_lr":0.005,"stage2.steps":111}', ()),  # low in the range, not in its log
        ('{"stage2.peak_lr":0.0011,"stage2.steps":295}', ("stage2.peak_lr", "stage2.steps")),
        ('{"stage2.peak_lr":0.1,"stage2.steps":100}', ("stage2.peak_lr", "stage2.steps")),
    ],
)
def test_a_value_at_an_end_of_its_range_is_told(
    tmp_path: Path, nuisances: str, at_end: tuple[str, ...]
) -> None:
    (choice,) = read_choices(folder(tmp_path, proposal("every", nuisances, 0.5, chosen=True)))
    assert choice.at_end == at_end


def test_a_study_that_did_not_tune_has_none(tmp_path: Path) -> None:
    assert read_choices(tmp_path) == ()
    assert read_choices(tmp_path / "rows.parquet") == ()


@pytest.mark.parametrize("content", [b"no parquet", None])
def test_a_damaged_table_is_told(tmp_path: Path, content: bytes | None) -> None:
    file = tmp_path / "tuning.parquet"
    if content is None:
        pl.DataFrame({"x": [1]}).write_parquet(file)
    else:
        file.write_bytes(content)
    with pytest.raises(BadInput, match=r"tuning\.parquet"):
        read_choices(tmp_path)

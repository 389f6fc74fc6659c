"""The README's example of item rows from elsewhere does what it promises."""

import random
import re
from pathlib import Path

import polars as pl
import pytest

from analysis.results import rates_json

README = Path(__file__).parents[2] / "README.md"


def test_the_example_gives_a_rate(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    section = README.read_text(encoding="utf-8").split("## Your own results")[1].split("\n## ")[0]
    (code,) = re.findall(r"```python\n(.*?)```", section, re.DOTALL)
    monkeypatch.chdir(tmp_path)
    random.seed(1)
    exec(code, {})
    (rate,) = rates_json(tmp_path / "mine.parquet")
    assert rate["state"] == "estimated"
    assert 4 < rate["rate"] < 16
    assert rate["ci_low"] < rate["rate"] < rate["ci_high"]
    pl.read_parquet("mine.parquet").write_csv("mine.csv")
    assert rates_json(tmp_path / "mine.csv") == [rate]

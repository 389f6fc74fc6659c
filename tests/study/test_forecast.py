"""The forecast of the interval: of which comparison, and judged by which pilot."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from analysis.power import expected_width, shipped_pilot
from study.cli_text import forecast_pairs
from study.forecast import Forecast, forecast
from study.plan import make_plan
from tests.study.studies import fake_base, small_study

GRID: dict[str, Any] = {
    "model": "tiny",
    "acquisition": 8,
    "arm": ["instruction", "none", "demonstrations"],
    "demonstrations": [1, 4, 16, 64],
    "demonstration_format": "trace",
    "response_format": "cot",
    "seed": [1, 2, 3],
}


def expected(*grids: dict[str, Any], pilot: Any = None, **more: Any) -> Forecast:
    domain = {"kind": "arithmetic", "steps": 2, "paths": 2, "inputs": 90}
    study = small_study(domain=domain, factors=list(grids), **more)
    return forecast(make_plan(study, fake_base), lambda _: False, fake_base, pilot)


def test_the_width_is_the_pilots_at_the_planned_sizes() -> None:
    found = expected(GRID, programs={"targets": 50, "items_per_program": 6})
    pilot = shipped_pilot()
    assert found.interval_dex == expected_width(
        pilot.components, programs=50, seeds=3, items=6, ns=(1, 4, 16, 64), slope=pilot.slope
    )
    assert (found.seeds, found.programs, found.interval_note) == (3, 50, "")
    assert "quickstart" in found.pilot


def test_another_pilot_is_believed() -> None:
    known = shipped_pilot()
    steep = replace(known, study="mine", slope=2 * known.slope)
    once, twice = expected(GRID), expected(GRID, pilot=steep)
    assert once.interval_dex and twice.interval_dex
    assert twice.interval_dex == pytest.approx(once.interval_dex / 2)
    assert any("mine" in value for _, value in forecast_pairs(twice))


def test_the_primary_comparison_is_judged_or_the_one_with_fewest_seeds() -> None:
    few = {**GRID, "model": "other", "seed": [1, 2]}
    assert expected(GRID, few).seeds == 2
    assert expected(GRID, few, primary={"model": "tiny"}).seeds == 3


@pytest.mark.parametrize(
    ("change", "told"),
    [
        ({"seed": 1}, "two seeds"),
        ({"demonstrations": 4}, "two n"),
        ({"arm": ["instruction", "none"]}, "both arms"),
        ({"demonstrations": [4, 5]}, "open"),
    ],
)
def test_no_width_says_why(change: dict[str, Any], told: str) -> None:
    found = expected({**GRID, **change})
    assert found.interval_dex is None
    assert told in found.interval_note
    assert dict(forecast_pairs(found))["95% interval"] == found.interval_note

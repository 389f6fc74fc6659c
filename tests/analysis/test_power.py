"""The forecast of an interval's width: against simulated studies, and in its laws."""

from __future__ import annotations

import json
import math
from dataclasses import replace
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from analysis.calibration import QUICKSTART, WIDE
from analysis.covariance import uncertainty
from analysis.errors import BadInput
from analysis.exchange import estimate
from analysis.power import (
    PILOT_FILE,
    Pilot,
    evaluation_share,
    expected_width,
    measured_pilot,
    shipped_pilot,
    slope_at,
)
from analysis.simulate import World, contest
from analysis.variance import EVALUATION_SHARE, Components, components
from tests.analysis.synthetic import item_rows, write_items, write_study

PARTS = Components(
    program=0.5,
    interaction=0.4,
    stage1=0.1,
    run=0.1,
    cell=0.03,
    item=5.0,
    programs=24,
    seeds=3,
    items=8,
    advice="",
)
NS = (1, 4, 16, 64, 256)


def width(parts: Components = PARTS, programs: int = 24, seeds: int = 3, items: int = 8) -> float:
    found = expected_width(parts, programs=programs, seeds=seeds, items=items, ns=NS, slope=1.0)
    assert found is not None
    return found


def large_pilot(world: World) -> tuple[Components, float]:
    """Components and slope from one study of the same world, large enough to be sure of them."""
    found = contest(replace(world, programs=300, seeds=20), 5)
    parts, rate = components(found), estimate(found, None, None)
    assert parts is not None
    return parts, slope_at(found, rate)


def median_width(world: World, studies: int = 150) -> float:
    """Of the primary interval in simulated studies, open ones counting as widest."""
    widths = []
    for seed in range(studies):
        found = contest(world, (11, seed))
        rate = estimate(found, uncertainty(found.levels), np.zeros(2))
        closed = rate.ci_low is not None and rate.ci_high is not None
        widths.append(math.log10(rate.ci_high / rate.ci_low) if closed else math.inf)  # type: ignore[operator]
    return float(np.quantile(widths, 0.5, method="inverted_cdf"))


@pytest.mark.parametrize(
    ("world", "design"),
    [
        (WIDE, {"programs": 100, "seeds": 5, "items": 10}),
        (WIDE, {"programs": 24, "seeds": 8, "items": 8}),
        (QUICKSTART, {"programs": 24, "seeds": 3, "items": 8}),
    ],
    ids=["100 x 5", "24 x 8", "quickstart"],
)
def test_the_forecast_is_near_the_median_of_simulated_studies(
    world: World, design: dict[str, int]
) -> None:
    parts, slope = large_pilot(world)
    forecast = expected_width(parts, **design, ns=world.ns, slope=slope)
    assert forecast == pytest.approx(median_width(replace(world, **design)), rel=0.25)


@given(st.integers(8, 300), st.integers(2, 20), st.integers(5, 64))
def test_more_of_anything_never_widens(programs: int, seeds: int, items: int) -> None:
    """But for a hundredth: degrees of freedom fall as run noise becomes all that is left.

    With two seeds and fewer than the five items that a study needs, noise that could not be told
    from the items' comes to light with more of them, and the forecast then widens.
    """
    before = 1.01 * width(programs=programs, seeds=seeds, items=items)
    assert width(programs=programs + 1, seeds=seeds, items=items) <= before
    assert width(programs=programs, seeds=seeds + 1, items=items) <= before
    assert width(programs=programs, seeds=seeds, items=items + 1) <= before


@given(st.sampled_from(["interaction", "run", "cell", "item"]), st.floats(1.1, 3))
def test_more_noise_never_narrows(name: str, factor: float) -> None:
    louder = replace(PARTS, **{name: getattr(PARTS, name) * factor})
    assert width(louder, seeds=6) >= width(seeds=6)


def test_what_cancels_between_arms_widens_nothing() -> None:
    assert width(replace(PARTS, program=9.0, stage1=9.0)) == width()


def test_a_curve_twice_as_steep_halves_the_width() -> None:
    once, twice = (
        expected_width(PARTS, programs=24, seeds=3, items=8, ns=NS, slope=slope)
        for slope in (1.0, 2.0)
    )
    assert once is not None and twice is not None
    assert twice == pytest.approx(once / 2)


def test_no_interval_and_open_intervals_are_told_apart() -> None:
    design = {"programs": 24, "items": 8, "slope": 1.0}
    assert expected_width(PARTS, **design, seeds=1, ns=NS) is None  # type: ignore[arg-type]
    assert expected_width(PARTS, **design, seeds=3, ns=(4,)) is None  # type: ignore[arg-type]
    flat = design | {"slope": 0.05}
    assert expected_width(PARTS, **flat, seeds=3, ns=NS) == math.inf  # type: ignore[arg-type]


# --- pilots


def test_the_shipped_pilot_is_whole() -> None:
    pilot = shipped_pilot()
    assert pilot.study == "quickstart"
    assert min(pilot.slope, pilot.rate, pilot.components.item) > 0
    assert pilot.evaluation_share == pytest.approx(EVALUATION_SHARE, abs=0.01)
    stored = json.loads(PILOT_FILE.read_text())["components"]
    assert stored.keys() | {"advice"} == set(Components.__dataclass_fields__)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_study(item_rows(World(programs=20, items=6), seed=2), tmp_path_factory.mktemp("s"))


def test_a_pilot_is_measured_on_a_study_folder(folder: Path) -> None:
    pilot = measured_pilot(folder)
    assert (pilot.study, pilot.model) == ("synthetic", "nano-s")
    assert pilot.components.programs == 20
    assert pilot.components.seeds == 3
    assert isinstance(pilot, Pilot)


def test_the_evaluations_share_is_the_trials_own(tmp_path: Path) -> None:
    assert evaluation_share(tmp_path) == EVALUATION_SHARE
    costs = {"train_device_s": [6.0, None], "evaluate_device_s": [1.0, 1.0]}
    pl.DataFrame(costs).write_parquet(tmp_path / "trials.parquet")
    assert evaluation_share(tmp_path) == pytest.approx(0.25)


def test_a_study_without_an_estimated_rate_is_no_pilot(tmp_path: Path) -> None:
    rows = item_rows(World(programs=6, seeds=1), seed=0)
    with pytest.raises(BadInput, match="two stage-1 seeds"):
        measured_pilot(write_items(rows, tmp_path / "one.parquet"))

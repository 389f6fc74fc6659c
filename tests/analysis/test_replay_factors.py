"""Replay and executions of acquisition programs: which comparison they join, what is paired."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from polars.testing import assert_frame_equal

from analysis.claims import Verdict
from analysis.results import analyse, exchange_rates
from analysis.sentences import comparison_labels
from tests.analysis.synthetic import World, item_rows, write_items, write_study

WORLD = World(programs=10, items=6, potency=1.0, none=-2.5)
WEAK = replace(WORLD, intercept=-2.5)
COT = {"response_format": "cot"}
REVEALING = pl.col("arm").is_in(["instruction", "demonstrations", "both", "placebo"])


def at(world: World, seed: int, **factors: Any) -> pl.DataFrame:
    told = json.dumps(factors, separators=(",", ":"))
    tag = "-".join(map(str, factors.values()))
    return item_rows(world, seed, factors=told).with_columns(run=pl.col("run") + tag)


@pytest.fixture(scope="module")
def low() -> pl.DataFrame:
    return at(WORLD, 1, replay=0.1)


@pytest.fixture(scope="module")
def rows(low: pl.DataFrame) -> pl.DataFrame:
    """Two shares of replay. Arms that reveal nothing were run once, under the recipe's share."""
    return pl.concat([low, at(WEAK, 2, replay=0.4).filter(REVEALING)])


def rates(rows: pl.DataFrame, folder: Path, name: str) -> pl.DataFrame:
    return exchange_rates(write_items(rows, folder / f"{name}.parquet")).drop("study")


def claimed(rows: pl.DataFrame, folder: Path, *claims: dict[str, Any]) -> list[Verdict]:
    whole = [{"finding": "x", "margin": 5, "kind": "difference", **claim} for claim in claims]
    study = write_study(rows, folder)
    (study / "study.yaml").write_text(json.dumps({"claims": whole}))
    return list(analyse(study).verdicts)


def percent(rows: pl.DataFrame, *where: pl.Expr) -> float:
    found = rows.filter(pl.col("response_format") == "cot", *where)
    return 100 * float(found["correct"].mean())  # type: ignore[arg-type]


def of(arm: str, **named: Any) -> pl.Expr:
    kept = pl.col("arm") == arm
    for key, value in named.items():
        kept &= pl.col("factors").str.json_path_match(f"$.{key}") == str(value)
    return kept


def test_each_share_of_replay_has_the_rate_that_it_has_alone(
    rows: pl.DataFrame, tmp_path: Path
) -> None:
    found = rates(rows, tmp_path, "both")
    assert found["factors"].unique().sort().to_list() == ['{"replay":0.1}', '{"replay":0.4}']
    for share in (0.1, 0.4):
        own = ~REVEALING | of_share(share)
        alone = rates(rows.filter(own).with_columns(factors=pl.lit("{}")), tmp_path, str(share))
        told = found.filter(factors=f'{{"replay":{share}}}')
        assert_frame_equal(told.drop("factors"), alone.drop("factors"))


def of_share(share: float) -> pl.Expr:
    return pl.col("factors") == f'{{"replay":{share}}}'


def test_shares_are_contrasted_and_what_has_none_goes_with_each(
    rows: pl.DataFrame, tmp_path: Path
) -> None:
    instruction = {"arm": "instruction"} | COT
    shares, control, rate = claimed(
        rows,
        tmp_path,
        {"of": instruction | {"replay": 0.1}, "against": instruction | {"replay": 0.4}},
        {"of": instruction, "against": {"arm": "none"} | COT, "where": {"replay": 0.4}},
        {"kind": "rate", "where": {"replay": 0.4}},
    )
    weak, strong = (percent(rows, of("instruction", replay=share)) for share in (0.4, 0.1))
    assert shares.estimate == pytest.approx(strong - weak)
    assert control.estimate == pytest.approx(weak - percent(rows, of("none")))
    assert control.ci_low is not None and rate.comparisons == 1


def test_a_source_of_replay_is_a_comparison_that_arm_none_belongs_to(
    low: pl.DataFrame, tmp_path: Path
) -> None:
    """Arm `none` reads nothing else, so it is another run; the instruction in context is not."""
    other = at(WEAK, 2, replay=0.1, replay_source="declarations")
    frame = pl.concat([low, other.filter(pl.col("arm") != "in_context")])
    found = rates(frame, tmp_path, "both")
    told = '{"replay":0.1,"replay_source":"declarations"}'
    assert set(found["factors"]) == {told, '{"replay":0.1,"replay_source":"stage1"}'}
    (default, named) = claimed(
        frame,
        tmp_path,
        *(
            {
                "of": {"arm": "in_context"} | COT,
                "against": {"arm": "none", "replay_source": source} | COT,
            }
            for source in ("stage1", "declarations")
        ),
    )
    asked = percent(frame, of("in_context"))
    assert default.estimate == pytest.approx(asked - percent(low, of("none")))
    assert named.estimate == pytest.approx(asked - percent(other, of("none")))


def test_the_untuned_base_stands_beside_every_number_of_executions(
    low: pl.DataFrame, tmp_path: Path
) -> None:
    few = at(WEAK, 2, replay=0.1, acquisition_demonstrations=2)
    bare = item_rows(WORLD, 3, factors='{"replay":0.3}', curriculum="none").filter(
        pl.col("arm") == "none", pl.col("seed") == 0
    )
    untuned = bare.with_columns(run=pl.lit("bare"))
    frame = pl.concat([low, few, untuned])
    contests = [
        result.contest for result in analyse(write_items(frame, tmp_path / "a.parquet")).results
    ]
    assert len({contest.factors["factors"] for contest in contests}) == 2
    assert all(contest.at("untuned") is not None for contest in contests)
    labels = comparison_labels([contest.factors for contest in contests])
    assert any("acquisition demonstrations 2" in label for label in labels)


def test_executions_of_acquisition_programs_are_contrasted_and_are_a_trend(
    low: pl.DataFrame, tmp_path: Path
) -> None:
    few, more = (
        at(world, seed, replay=0.1, acquisition_demonstrations=n)
        for n, world, seed in ((2, WEAK, 2), (20, WORLD, 3))
    )
    frame = pl.concat([low, few, more])
    arm = {"arm": "instruction"} | COT
    alone, trend = claimed(
        frame,
        tmp_path,
        {
            "of": arm | {"acquisition_demonstrations": "all"},
            "against": arm | {"acquisition_demonstrations": 2},
        },
        {"kind": "trend", "along": "acquisition_demonstrations", "where": arm},
    )
    shown = [percent(each, of("instruction")) for each in (low, few, more)]
    assert alone.estimate == pytest.approx(shown[0] - shown[1])
    assert trend.estimate == pytest.approx(shown[2] - shown[1])


def test_a_written_curriculum_says_its_own_shares(low: pl.DataFrame, tmp_path: Path) -> None:
    found = rates(low.with_columns(curriculum=pl.lit("mine")), tmp_path, "mine")
    assert set(found["factors"]) == {"{}"}

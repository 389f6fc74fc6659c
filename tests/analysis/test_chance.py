"""The random baseline: what it is, what it may change, and how often a guess passes for more."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from scipy.special import logit

from analysis.chance import above
from analysis.comparison import DEFAULT_HEADLINE, Contest
from analysis.curves import Level
from analysis.figures.arms import draw_accuracy_by_arm
from analysis.figures.response import draw_dose_response
from analysis.mixed import mixed_rates
from analysis.results import analyse, exchange_rates, result_of
from analysis.sentences import headline_sentences
from tests.analysis.synthetic import World, chance_rows, contest, item_rows, write_items

WORLD = World(programs=12, items=4)
BY_PROGRAM = pl.col("program").str.slice(1).cast(pl.Float64) / 100
"""0% for p0, 1% for p1, ..."""


def guessed(found: Contest, share: float) -> Contest:
    """The comparison, where a guess gets this share of every program."""
    programs = found.levels[0].programs
    ones = np.ones((1, len(programs)))
    guess = Level("chance", 0, "", (0,), frozenset({0}), programs, share * ones, ones, 1)
    return replace(found, guess=guess)


def at_chance(share: float, **other: float) -> World:
    """Every arm guesses, but those named."""
    height = float(logit(share))
    quiet = {"program": 0.4, "intercept": height, "slope": 0.0, "placebo": height}
    heights = {"none": height, "in_context": height, **other}
    return replace(World(programs=24, items=8), **quiet, **heights)


def rates(rows: pl.DataFrame, folder: Path, name: str) -> pl.DataFrame:
    return exchange_rates(write_items(rows, folder / f"{name}.parquet")).drop("study")


def test_it_is_the_mean_over_the_programs_compared(tmp_path: Path) -> None:
    rows = item_rows(WORLD, 1)
    lost = (pl.col("arm") == "instruction") & (pl.col("program") == "p11")
    known = pl.concat([rows.filter(~lost), chance_rows(rows, BY_PROGRAM)])
    assert rates(known, tmp_path, "a")["chance"].to_list() == pytest.approx(
        [np.mean(range(11)) / 100] * 2
    )


def test_far_below_every_arm_it_changes_no_estimate(tmp_path: Path) -> None:
    rows = item_rows(replace(WORLD, potency=1.0), 1)
    before = rates(rows, tmp_path, "a")
    after = rates(pl.concat([rows, chance_rows(rows, 0.01)]), tmp_path, "b")
    assert before["chance"].null_count() == before.height
    assert after.drop("chance").equals(before.drop("chance"))


def test_one_program_without_it_leaves_it_unknown(tmp_path: Path) -> None:
    rows = item_rows(WORLD, 1)
    some = chance_rows(rows.filter(pl.col("program") != "p3"), 0.9)
    assert rates(pl.concat([rows, some]), tmp_path, "a").equals(rates(rows, tmp_path, "b"))


def test_other_splits_and_settings_have_their_own(tmp_path: Path) -> None:
    rows = item_rows(WORLD, 1)
    composed = chance_rows(rows, 0.9).with_columns(split=pl.lit("composed"))
    hard = rows.with_columns(
        factors=pl.lit('{"domain_stages":2}'), run=pl.col("run") + "hard", lora_rank=pl.lit(4)
    ).select(pl.col(name).cast(dtype) for name, dtype in rows.schema.items())
    whole = [rows, chance_rows(rows, 0.02), composed, hard, chance_rows(hard, 0.04)]
    found = rates(pl.concat(whole), tmp_path, "a")
    told = dict(found.select("factors", "chance").iter_rows())
    assert told == pytest.approx({"{}": 0.02, '{"domain_stages":2}': 0.04})


def test_an_instruction_below_it_has_no_rate_whatever_none_says(tmp_path: Path) -> None:
    rows = item_rows(WORLD, 1)
    share = rows.filter(pl.col("arm") == "instruction")["correct"].mean()
    assert isinstance(share, float)
    for chance, state in ((share + 0.2, "not_comparable"), (share - 0.3, "estimated")):
        found = rates(pl.concat([rows, chance_rows(rows, chance)]), tmp_path, f"{state}")
        assert set(found["state"]) == {state}
    assert set(rates(rows, tmp_path, "without")["state"]) == {"estimated"}


@pytest.mark.parametrize("seed", range(6))
def test_a_model_that_only_guesses_is_told_to(seed: int) -> None:
    """All arms at chance: hardly ever a rate, and the sentence that says why."""
    found = guessed(contest(at_chance(0.15), seed), 0.15)
    result = result_of(found, DEFAULT_HEADLINE, draws=200)
    assert result.rate.state == "not_comparable"
    assert result.bootstrap == result.rate
    (sentence,) = headline_sentences([result])
    assert "cannot do this domain" in sentence


@pytest.mark.parametrize("arm", ["in_context", "rate"])
def test_one_arm_surely_above_it_takes_the_sentence_away(arm: str) -> None:
    """In context, or the instruction itself."""
    world = at_chance(0.15, in_context=2.0)
    if arm == "rate":
        world = replace(World(programs=24, items=8), in_context=float(logit(0.15)))
    result = result_of(guessed(contest(world, 3), 0.15), DEFAULT_HEADLINE, draws=200)
    assert "cannot do this domain" not in result.rate.reason
    assert ("random baseline" in result.rate.reason) == (arm == "in_context")
    if arm == "rate":
        assert result.rate.state == "estimated"


def test_a_guess_passes_for_knowledge_as_often_as_it_may() -> None:
    """400 studies in which every arm guesses: one arm alone, and any of eight."""
    world = without_luck(at_chance(0.2))
    alone = several = 0
    for seed in range(400):
        found = guessed(contest(world, seed), 0.2)
        alone += above(found, [found.levels[3]])
        several += above(found, found.levels)
    assert alone <= 0.08 * 400
    assert 0 < several <= 0.08 * 400


def without_luck(world: World) -> World:
    """Programs and items alone differ, and every program's chance is the same."""
    return replace(world, program=0.0, stage1=0.0, run=0.0)


def test_both_below_it_adds_nothing() -> None:
    world = replace(WORLD, potency=1.0, slope=2.0)
    found = contest(world, 1)
    middle = float(np.median([level.mean for level in found.both]))
    mixed = mixed_rates(guessed(found, middle), None)
    for level, rate in zip(found.both, mixed, strict=True):
        assert (rate.state == "not_comparable") >= (level.mean <= middle)
    assert {rate.state for rate in mixed} > {"not_comparable"}


def test_figures_draw_a_line_where_it_is_and_none_where_it_is_unknown() -> None:
    found = contest(WORLD, 1)
    known, unknown = (
        result_of(each, DEFAULT_HEADLINE, draws=200) for each in (guessed(found, 0.07), found)
    )
    for axis, draw in (("y", draw_dose_response), ("x", _arms)):
        more, less = draw(known), draw(unknown)
        (line,) = [trace for trace in more.traces if trace.get("name") == "random baseline"]
        assert line[axis] == [0.07, 0.07]
        assert len(less.traces) == len(more.traces) - 1
        assert "7.0%" in more.words and "baseline" not in less.words
        (row,) = more.table.filter(series="chance")["accuracy"]
        assert row == pytest.approx(0.07)
        more.figure()


def _arms(result):  # type: ignore[no-untyped-def]
    return draw_accuracy_by_arm(result.levels, result.chance)


def test_the_sentence_of_a_study_names_it(tmp_path: Path) -> None:
    rows = item_rows(at_chance(0.15), 2)
    file = write_items(pl.concat([rows, chance_rows(rows, 0.15)]), tmp_path / "a.parquet")
    (sentence,) = headline_sentences(analyse(file).results)
    assert "random baseline (15%)" in sentence

"""Claims against simulated studies: each estimate by hand, the verdict by its rule."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest

from analysis.claims import Verdict, read_claims, verdicts
from analysis.comparison import DEFAULT_HEADLINE, contests
from analysis.contrasts import contrasts
from analysis.covariance import uncertainty
from analysis.curves import target_cells
from analysis.errors import BadInput
from analysis.exchange import estimate, log_rates
from analysis.intervals import bootstrap_means
from analysis.scaling import trends
from analysis.simulate import World, without_noise
from search_spaces.claims import CLAIMS
from tests.analysis.counts import counts_of, family

WORLD = World(programs=16, items=8, seeds=3, none=-2.5)
SIZES = (140_000, 410_000, 870_000)
MODELS = ("nano-xs", "nano-s", "nano-m")


def study(worlds: Sequence[World], seed: int = 0, **varied: Any) -> pl.DataFrame:
    """Counts of one comparison a world, on the same programs."""
    names = {"model": MODELS[: len(worlds)], "n_params": SIZES[: len(worlds)]}
    chosen = varied or names
    found = family(worlds, seed, **chosen)
    return pl.concat(counts_of(each, **each.factors) for each in found)


def judged(counts: pl.DataFrame, **claim: Any) -> Verdict:
    (parsed,) = CLAIMS.validate_python(({"finding": "F1", "margin": 5, **claim},))
    rated = []
    for contest in contests(target_cells(counts), DEFAULT_HEADLINE):
        known = uncertainty(contest.levels)
        draws = log_rates(contest, bootstrap_means(contest.levels, draws=500))
        rated.append((contest, estimate(contest, known, draws)))
    (found,) = verdicts(target_cells(counts), [parsed], rated, DEFAULT_HEADLINE)
    return found


def difference(
    counts: pl.DataFrame, of: dict[str, Any], against: dict[str, Any], **more: Any
) -> Verdict:
    return judged(counts, kind="difference", of=of, against=against, **more)


def accuracy(counts: pl.DataFrame, **named: Any) -> float:
    """Percent right, every program weighing the same."""
    chosen = counts.filter(*(pl.col(name) == value for name, value in named.items()))
    return 100 * float((chosen["n_correct"] / chosen["n_items"]).mean())  # type: ignore[arg-type]


def limits(found: Verdict) -> tuple[float, float]:
    assert found.ci_low is not None and found.ci_high is not None
    return found.ci_low, found.ci_high


INSTRUCTED, NONE = {"arm": "instruction"}, {"arm": "none"}
BOTH_FORMATS = (INSTRUCTED | {"response_format": "recite"}, NONE | {"response_format": "cot"})


# --- estimates


def test_a_difference_is_what_the_comparison_itself_reports() -> None:
    counts = study([WORLD])
    found = difference(counts, *BOTH_FORMATS)
    assert found.estimate == pytest.approx(
        accuracy(counts, arm="instruction") - accuracy(counts, arm="none")
    )
    (contest,) = contests(target_cells(counts), DEFAULT_HEADLINE)
    (reported,) = [
        each
        for each in contrasts(contest, uncertainty(contest.levels))
        if (each.arm, each.against) == ("instruction", "none")
    ]
    assert (found.ci_low, found.ci_high) == pytest.approx(
        (100 * reported.ci_low, 100 * reported.ci_high)  # type: ignore[operator]
    )
    assert (found.unit, found.comparisons) == ("points", 1)


def test_swapping_the_sides_turns_the_sign() -> None:
    counts = study([WORLD])
    one, other = difference(counts, *BOTH_FORMATS), difference(counts, *BOTH_FORMATS[::-1])
    assert other.estimate == pytest.approx(-(one.estimate or 0))
    assert limits(other) == pytest.approx((-limits(one)[1], -limits(one)[0]))


def test_what_is_not_named_varies_and_is_averaged() -> None:
    counts = study([replace(WORLD, rate=rate) for rate in (2, 4, 8)])
    found = difference(counts, *BOTH_FORMATS)
    each = [
        difference(counts, *BOTH_FORMATS, where={"model": model}).estimate or 0 for model in MODELS
    ]
    assert found.comparisons == 3
    assert found.estimate == pytest.approx(np.mean(each))


def test_named_models_are_set_against_each_other() -> None:
    counts = study([replace(WORLD, rate=rate) for rate in (2, 8)])
    found = difference(counts, {"model": "nano-s"}, {"model": "nano-xs"}, where=INSTRUCTED)
    expected = [accuracy(counts, arm="instruction", model=model) for model in ("nano-s", "nano-xs")]
    assert found.estimate == pytest.approx(expected[0] - expected[1])


def test_a_trend_is_the_regression_on_log10() -> None:
    counts = study([replace(WORLD, rate=rate) for rate in (2, 4, 8)])
    found = judged(counts, kind="trend", along="model", where=INSTRUCTED)
    heights = [accuracy(counts, arm="instruction", model=model) for model in MODELS]
    assert found.estimate == pytest.approx(np.polyfit(np.log10(SIZES), heights, 1)[0])
    assert found.unit == "points per tenfold"


def test_an_interaction_is_a_difference_of_differences() -> None:
    counts = study([replace(WORLD, rate=rate) for rate in (2, 8)])
    of, against = BOTH_FORMATS
    found = judged(
        counts,
        kind="interaction",
        of=of,
        against=against,
        at={"model": "nano-s"},
        versus={"model": "nano-xs"},
    )
    at, versus = (
        difference(counts, of, against, where={"model": model}).estimate or 0
        for model in ("nano-s", "nano-xs")
    )
    assert found.estimate == pytest.approx(at - versus)


def test_the_untuned_base_knows_no_rank() -> None:
    """Its cell is named by another rank, which changes nothing in it."""
    (tuned,) = family([WORLD], 0)
    counts = counts_of(tuned)
    base = counts.filter((pl.col("arm") == "none") & (pl.col("seed") == 0)).with_columns(
        curriculum=pl.lit("none"), lora_rank=pl.lit(2, counts.schema["lora_rank"]), run=pl.lit("b")
    )
    of = INSTRUCTED | {"curriculum": "proactive", "response_format": "recite"}
    against = NONE | {"curriculum": "none", "response_format": "cot"}
    found = difference(pl.concat([counts, base]), of, against, where={"lora_rank": 16})
    assert found.comparisons == 1
    assert found.estimate == pytest.approx(
        accuracy(counts, arm="instruction") - accuracy(base, arm="none")
    )
    assert found.ci_low is not None


# --- pairing


def test_stage_1s_of_two_models_are_two_though_they_name_one_seed() -> None:
    """Other names for the seeds of one model change nothing; within a model they are shared."""
    counts = study([replace(WORLD, rate=rate, stage1=0.8) for rate in (2, 8)])
    renamed = counts.with_columns(
        pl.when(pl.col("model") == "nano-s")
        .then(pl.col(name) + 50)
        .otherwise(pl.col(name))
        .alias(name)
        for name in ("seed", "stage1_seed")
    )
    sides = ({"model": "nano-s"}, {"model": "nano-xs"})
    before = difference(counts, *sides, where=INSTRUCTED)
    after = difference(renamed, *sides, where=INSTRUCTED)
    assert limits(after) == pytest.approx(limits(before))


def test_programs_of_other_paths_are_others_though_they_share_names() -> None:
    quiet = replace(WORLD, program=2.0, stage1=0.0, run=0.0, items=50, interaction=0.0)
    one, two = family([quiet, quiet], 0, acquisition=(100, 200))
    paths = ('{"domain_paths": 1}', '{"domain_paths": 4}')
    paired = pl.concat([counts_of(one, **one.factors), counts_of(two, **two.factors)])
    apart = pl.concat(
        counts_of(each, **(each.factors | {"factors": text, "acquisition": 100}))
        for each, text in zip((one, two), paths, strict=True)
    )
    near = limits(difference(paired, {"acquisition": 100}, {"acquisition": 200}, where=INSTRUCTED))
    far = limits(difference(apart, {"paths": 1}, {"paths": 4}, where=INSTRUCTED))
    assert far[1] - far[0] > 3 * (near[1] - near[0])
    renamed = apart.with_columns(
        program=pl.col("program")
        + pl.when(pl.col("factors") == paths[1]).then(pl.lit("'")).otherwise(pl.lit(""))
    )
    assert limits(
        difference(renamed, {"paths": 1}, {"paths": 4}, where=INSTRUCTED)
    ) == pytest.approx(far)


def test_only_programs_that_all_cells_answered_count() -> None:
    counts = study([WORLD])
    lost = (pl.col("arm") == "none") & (pl.col("program") == "p3") & (pl.col("seed") == 1)
    kept = counts.filter(pl.col("program") != "p3")
    holed, clean = counts.filter(~lost), kept
    assert difference(holed, *BOTH_FORMATS).estimate == pytest.approx(
        difference(clean, *BOTH_FORMATS).estimate
    )


# --- rates


def test_a_claim_about_one_rate_has_the_reported_interval() -> None:
    counts = study([WORLD])
    found = judged(counts, kind="rate", threshold=2, margin=0.1)
    (contest,) = contests(target_cells(counts), DEFAULT_HEADLINE)
    rate = estimate(
        contest,
        uncertainty(contest.levels),
        log_rates(contest, bootstrap_means(contest.levels, draws=500)),
    )
    assert rate.rate is not None and rate.ci_low is not None and rate.ci_high is not None
    assert found.estimate == pytest.approx(np.log10(rate.rate / 2))
    assert limits(found) == pytest.approx((np.log10(rate.ci_low / 2), np.log10(rate.ci_high / 2)))


def test_a_rate_beyond_the_grid_still_decides_what_its_bound_decides() -> None:
    counts = study([without_noise(replace(WORLD, rate=60, items=400))])
    inside = judged(counts, kind="rate", threshold=8, margin=0.1)
    assert (inside.verdict, inside.estimate, inside.ci_high) == ("reproduced", None, None)
    assert "right censored" in inside.reason
    assert judged(counts, kind="rate", threshold=16, margin=0.1).verdict == "undecided"
    below = judged(counts, kind="rate", threshold=8, margin=0.1, sign="below")
    assert below.verdict == "not_reproduced"


def test_several_rates_are_averaged_and_trends_are_scalings() -> None:
    counts = study([replace(WORLD, rate=rate, none=-5.0) for rate in (3, 6)])
    found = judged(counts, kind="rate", margin=0.1)
    each = [judged(counts, kind="rate", where={"model": model}) for model in MODELS[:2]]
    assert found.comparisons == 2
    assert found.estimate == pytest.approx(np.mean([one.estimate or 0 for one in each]))
    rise = judged(counts, kind="rate_trend", along="model", margin=0.1)
    (trend,) = trends(contests(target_cells(counts), DEFAULT_HEADLINE))
    assert (rise.estimate, rise.ci_low, rise.ci_high) == pytest.approx(
        (trend.slope, trend.ci_low, trend.ci_high)
    )


def test_an_instruction_that_taught_nothing_decides_nothing_about_rates() -> None:
    counts = study([replace(WORLD, rate=0.01, none=0.0)])
    found = judged(counts, kind="rate", margin=0.1)
    assert (found.verdict, found.estimate) == ("undecided", None)
    assert "not above" in found.reason


# --- verdicts


@pytest.mark.parametrize("sign", ["above", "below"])
def test_the_rule(sign: str) -> None:
    """Beyond zero: reproduced. Else excluding the margin: not reproduced. Else undecided."""
    sides = BOTH_FORMATS if sign == "above" else BOTH_FORMATS[::-1]
    taught = study([replace(WORLD, rate=8)], seed=2)
    assert difference(taught, *sides, sign=sign, margin=1).verdict == "reproduced"
    small = difference(taught, *sides, sign=sign, margin=99)
    assert small.verdict == "reproduced" and "smaller than the margin" in small.reason
    nothing = study([replace(WORLD, rate=1, intercept=-2.5)], seed=3)
    found = difference(nothing, *sides, sign=sign, margin=0.1)
    low, high = limits(found)
    assert low < 0 < high
    assert found.verdict == "undecided"
    assert difference(nothing, *sides, sign=sign, margin=60).verdict == "not_reproduced"
    assert difference(taught, *sides[::-1], sign=sign, margin=1).verdict == "not_reproduced"


def test_what_was_not_run_says_so() -> None:
    counts = study([WORLD])
    found = difference(counts, {"curriculum": "proactive"}, {"curriculum": "homogeneous"})
    assert (found.verdict, found.estimate, found.comparisons) == ("not_run", None, 0)
    assert judged(counts, kind="trend", along="model").verdict == "not_run"
    assert judged(counts, kind="rate_trend", along="paths").verdict == "not_run"
    assert judged(counts, kind="rate", where={"model": "other"}).verdict == "not_run"


def test_one_stage_1_seed_gives_an_estimate_and_no_verdict() -> None:
    counts = study([WORLD]).filter(pl.col("seed") == 0)
    found = difference(counts, *BOTH_FORMATS)
    assert found.estimate is not None
    assert (found.verdict, found.ci_low, found.ci_high) == ("undecided", None, None)
    assert "two stage-1 seeds" in found.reason


def test_no_claims_no_verdicts() -> None:
    assert verdicts(target_cells(study([WORLD])), (), [], DEFAULT_HEADLINE) == ()


# --- files


def test_claims_are_read_from_the_study_folder(tmp_path: Path) -> None:
    assert read_claims(tmp_path) == ()
    file = tmp_path / "study.yaml"
    file.write_text("name: x\n")
    assert read_claims(tmp_path) == ()
    file.write_text("claims:\n- {finding: F3, kind: rate, margin: 0.3}\n")
    (claim,) = read_claims(tmp_path)
    assert (claim.finding, claim.kind) == ("F3", "rate")


@pytest.mark.parametrize(
    "text",
    ["claims: [{finding: F3}]", "claims: 7", "claims: [", "claims: {a: 1}", "claims: [{kind: no}]"],
)
def test_a_damaged_list_of_claims_is_told(tmp_path: Path, text: str) -> None:
    (tmp_path / "study.yaml").write_text(text)
    with pytest.raises(BadInput, match=r"study\.yaml"):
        read_claims(tmp_path)


@pytest.mark.slow
def test_intervals_across_models_cover() -> None:
    """300 studies in which two models are alike: nine in ten intervals and more hold zero."""
    world = replace(WORLD, stage1=0.3, run=0.3, programs=24)
    held = 0
    for seed in range(300):
        found = difference(
            study([world, world], seed), {"model": "nano-s"}, {"model": "nano-xs"}, where=INSTRUCTED
        )
        low, high = limits(found)
        held += low <= 0 <= high
    assert held >= 0.92 * 300

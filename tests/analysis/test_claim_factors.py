"""Factors that are no columns: the skew of demonstrations, settings of the domain, splits."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from polars.testing import assert_frame_equal

from analysis.claims import Verdict
from analysis.factors import split_arms
from analysis.results import Analysis, analyse, exchange_rates
from analysis.sentences import comparison_labels
from search_spaces.errors import StudyError
from search_spaces.study_file import Study, dump_study, parse_study
from tests.analysis.synthetic import World, item_rows, skewed, write_items, write_study
from tests.search_spaces.studies import TEXT

WORLD = World(programs=10, items=6, potency=1.0, none=-2.5)
BIASED = replace(WORLD, intercept=-2.5)


@pytest.fixture(scope="module")
def rows() -> pl.DataFrame:
    """Demonstrations without skew, and with 0.8."""
    plain = item_rows(WORLD, 1, factors='{"replay":0.3}')
    return pl.concat([plain, skewed(plain, 0.8, BIASED, 2)])


def rates(rows: pl.DataFrame, folder: Path, name: str) -> pl.DataFrame:
    return exchange_rates(write_items(rows, folder / f"{name}.parquet")).drop("study")


def claimed(rows: pl.DataFrame, folder: Path, *claims: dict[str, Any]) -> list[Verdict]:
    return list(analysed(rows, folder, *claims).verdicts)


def analysed(rows: pl.DataFrame, folder: Path, *claims: dict[str, Any]) -> Analysis:
    whole = [{"finding": "F9", "margin": 5, "kind": "difference", **claim} for claim in claims]
    study = write_study(rows, folder)
    (study / "study.yaml").write_text(json.dumps({"claims": whole}))
    return analyse(study)


def percent(rows: pl.DataFrame, *where: pl.Expr) -> float:
    """Programs weigh the same, and then n."""
    found = rows.filter(pl.col("response_format") == "cot", *where)
    means = found.group_by("demonstrations", "program").agg(pl.col("correct").mean())
    return 100 * float(
        means.group_by("demonstrations").agg(pl.col("correct").mean())["correct"].mean()
    )  # type: ignore[arg-type]


SKEWED = pl.col("factors").str.contains("skew")
SHOWN, BOTH, INSTRUCTED = (
    pl.col("arm") == arm for arm in ("demonstrations", "both", "instruction")
)
COT = {"response_format": "cot"}


# --- skew


def test_each_skew_has_the_rate_that_it_has_alone(rows: pl.DataFrame, tmp_path: Path) -> None:
    """With the same runs of the arms that show no demonstrations."""
    found = rates(rows, tmp_path, "a")
    assert found["factors"].unique().sort().to_list() == [
        '{"replay":0.3,"skew":0.8}',
        '{"replay":0.3,"skew":0}',
    ]
    shown = pl.col("demonstrations") > 0
    for skew, kept in ((0, ~SKEWED), (0.8, ~shown | SKEWED)):
        alone = rates(rows.filter(kept).with_columns(factors=pl.lit("{}")), tmp_path, str(skew))
        told = found.filter(pl.col("factors").str.ends_with(f'"skew":{skew}}}'))
        assert_frame_equal(told.drop("factors"), alone.drop("factors"))


def test_no_skew_is_a_skew_of_0_in_every_arm(rows: pl.DataFrame, tmp_path: Path) -> None:
    plain = rows.filter(~SKEWED)
    said = plain.with_columns(factors=pl.lit('{"replay":0.3,"skew":0.0}'))
    half = pl.when(SHOWN | BOTH).then(pl.lit('{"replay":0.3,"skew":0}')).otherwise("factors")
    for name, told in (("all", said), ("shown", plain.with_columns(factors=half))):
        assert_frame_equal(rates(told, tmp_path, name), rates(plain, tmp_path, "plain"))


def test_skews_are_told_apart_at_equal_n(rows: pl.DataFrame, tmp_path: Path) -> None:
    arm = {"arm": "demonstrations"} | COT
    (found,) = claimed(rows, tmp_path, {"of": arm | {"skew": 0.8}, "against": arm | {"skew": 0}})
    assert found.comparisons == len(WORLD.ns)
    expected = percent(rows, SHOWN, SKEWED) - percent(rows, SHOWN, ~SKEWED)
    assert found.estimate == pytest.approx(expected)
    assert found.ci_low is not None


def test_what_is_not_skewed_goes_with_every_skew(rows: pl.DataFrame, tmp_path: Path) -> None:
    skew = {"where": {"skew": 0.8} | COT}
    both, instructed, rate = claimed(
        rows,
        tmp_path,
        {"of": {"arm": "both"}, "against": {"arm": "demonstrations"}, **skew},
        {
            "of": {"arm": "instruction"} | COT,
            "against": {"arm": "demonstrations", "skew": 0.8} | COT,
        },
        {"kind": "rate", "threshold": 2, "where": {"skew": 0.8}},
    )
    shown = percent(rows, SHOWN, SKEWED)
    assert both.estimate == pytest.approx(percent(rows, BOTH, SKEWED) - shown)
    assert instructed.estimate == pytest.approx(percent(rows, INSTRUCTED) - shown)
    assert (instructed.comparisons, rate.comparisons) == (len(WORLD.ns), 1)


def test_arms_of_a_skew_share_the_stage_1s_of_the_others(
    rows: pl.DataFrame, tmp_path: Path
) -> None:
    """The luck of a stage 1 cancels, whatever is skewed."""
    lucky = replace(WORLD, stage1=1.5, run=0.0, program=0.0, items=40, seeds=4)
    plain = item_rows(lucky, 5)
    # The same stage 1s: the other demonstrations are drawn from one seed.
    frame = pl.concat([plain, skewed(plain, 0.5, lucky, 5)])
    arm = {"arm": "demonstrations"} | COT
    sides = {"of": arm | {"skew": 0.5}, "against": arm | {"skew": 0}}
    shared, apart = (
        claimed(each, tmp_path / name, sides)[0]
        for name, each in (
            ("shared", frame),
            (
                "apart",
                frame.with_columns(stage1_seed=pl.col("stage1_seed") + 50 * SKEWED.cast(pl.Int64)),
            ),
        )
    )
    width = [each.ci_high - each.ci_low for each in (shared, apart)]  # type: ignore[operator]
    assert width[0] < width[1] / 3


def test_keys_of_some_arms_alone_are_taken_out_of_the_factors() -> None:
    assert split_arms('{"a":1,"skew":0.8}') == ('{"a":1}', {"skew": 0.8})
    for untouched in ("{}", '{"b": 1}', "no JSON", "[1]"):
        assert split_arms(untouched) == (untouched, {})


# --- settings of the domain


def test_a_setting_splits_comparisons_and_is_named(rows: pl.DataFrame, tmp_path: Path) -> None:
    """Programs under other names and settings are others, so nothing pairs between them."""
    kept = item_rows(WORLD, 1, factors='{"domain_names":"kept","domain_stages":2}')
    own = item_rows(BIASED, 2, factors='{"domain_names":"own","domain_stages":2}').with_columns(
        program=pl.lit("other ") + pl.col("program"), run=pl.col("run") + "o"
    )
    named, strange, two = claimed(
        pl.concat([kept, own]),
        tmp_path,
        {"of": {"domain_names": "kept"}, "against": {"domain_names": "own"}, "where": _shown()},
        {"of": {"domain_keys": 1}, "against": {"domain_keys": 2}},
        {"kind": "rate", "where": {"domain_stages": 2}},
    )
    assert named.estimate == pytest.approx(percent(kept, SHOWN) - percent(own, SHOWN))
    assert named.ci_low is not None
    assert strange.verdict == "not_run"
    assert two.comparisons == 2 and "left out" not in two.reason
    found = rates(pl.concat([kept, own]), tmp_path, "a")
    labels = comparison_labels(found.select("model", "factors").unique().to_dicts())
    assert sorted(labels) == ["nano-s, names kept", "nano-s, names own"]


def _shown() -> dict[str, str]:
    return {"arm": "demonstrations"} | COT


# --- splits


def test_a_claim_may_be_about_composed_targets(tmp_path: Path) -> None:
    targets = item_rows(WORLD, 1)
    composed = item_rows(replace(BIASED, programs=5, items=3), 3).with_columns(
        split=pl.lit("composed"), program=pl.col("program") + ".p9"
    )
    of, against = {"arm": "instruction"} | COT, {"arm": "none"} | COT
    sides = {"of": of, "against": against}
    pair, plain, gap = claimed(
        pl.concat([targets, composed]),
        tmp_path,
        sides | {"where": {"split": "composed"}},
        sides,
        {"of": of | {"split": "composed"}, "against": of | {"split": "target"}},
    )
    none = pl.col("arm") == "none"
    for found, frame in ((pair, composed), (plain, targets)):
        expected = percent(frame, INSTRUCTED) - percent(frame, none)
        assert found.estimate == pytest.approx(expected)
    (alone,) = claimed(targets, tmp_path / "alone", sides)
    assert alone == plain
    expected = percent(composed, INSTRUCTED) - percent(targets, INSTRUCTED)
    assert gap.estimate == pytest.approx(expected)


# --- study files


FACTORS = TEXT.replace(
    "  demonstrations: [1, 4]\n",
    "  demonstrations: [1, 4]\n  skew: [0, 0.8]\n  domain: {steps: [1, 2], constant_max: 5}\n",
)
SKEW = (
    "{finding: F9, kind: difference, of: {arm: demonstrations, skew: 0.8}, "
    "against: {arm: demonstrations, skew: 0}, margin: 5}"
)
GOOD = (
    SKEW,
    "{finding: x, kind: difference, of: {domain_steps: 1}, against: {domain_steps: 2}, margin: 5}",
    "{finding: F8, kind: difference, of: {arm: instruction}, against: {arm: none}, "
    "where: {split: composed}, margin: 5}",
    "{finding: F3, kind: rate, where: {skew: 0.8, domain_steps: 2}, margin: 0.3}",
)
BAD = {
    "skew not run": (SKEW.replace("0.8", "0.5"), ["of.skew", "0.5"]),
    "skew of no demonstrations": (
        SKEW.replace("of: {arm: demonstrations", "of: {arm: instruction"),
        ["'skew'", "'instruction'"],
    ),
    "setting not varied": (GOOD[1].replace("domain_steps: 1", "domain_paths: 1"), ["domain_paths"]),
    "value not varied": (
        GOOD[1].replace("domain_steps: 1", "domain_steps: 7"),
        ["domain_steps", "7"],
    ),
    "unknown split": (GOOD[2].replace("composed", "compost"), ["where.split", "compost"]),
    "text for a number": (SKEW.replace("0.8", "much"), ["of.skew", "much"]),
    "split of a rate": (GOOD[3].replace("skew: 0.8", "split: composed"), ["where.split"]),
}


def claiming(*claims: str) -> Study:
    return parse_study(FACTORS + "claims:\n" + "".join(f"  - {c}\n" for c in claims), "my.yaml")


def test_study_files_may_claim_them() -> None:
    study = claiming(*GOOD)
    assert len(study.claims) == len(GOOD)
    assert parse_study(dump_study(study), "dumped") == study


@pytest.mark.parametrize(("claim", "words"), BAD.values(), ids=BAD.keys())
def test_a_claim_about_what_is_not_run_is_refused(claim: str, words: list[str]) -> None:
    with pytest.raises(StudyError) as caught:
        claiming(claim)
    for word in words:
        assert word in str(caught.value)

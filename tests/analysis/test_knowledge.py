"""What is known and what is done: counted item by item, and estimated with honest intervals."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import polars as pl
import pytest
from polars.testing import assert_frame_equal

from analysis.counts import KEYS
from analysis.curves import TREATMENT
from analysis.joint import JOINT
from analysis.knowledge import Knowledge, knowledge, knowledge_frame
from analysis.load import Evidence, load
from tests.analysis.synthetic import World, item_rows, of_measure, write_items

WORLD = World(programs=6, items=9, seeds=3, ns=(1, 4))
SUMS = ("n_items", "n_told", "n_right", "n_both")


@pytest.fixture(scope="module")
def rows() -> pl.DataFrame:
    return item_rows(WORLD)


def flipped(rows: pl.DataFrame, seed: int, share: float) -> pl.DataFrame:
    """The same rows with `correct` drawn anew."""
    drawn = np.random.default_rng(seed).random(len(rows)) < share
    return rows.with_columns(correct=pl.Series(drawn), score=pl.Series(drawn.astype(np.float32)))


def recitations(rows: pl.DataFrame, seed: int = 7, share: float = 0.6) -> pl.DataFrame:
    asked = flipped(rows.filter(response_format="recite"), seed, share)
    return asked.with_columns(measure=pl.lit("recitation"))


def recalls(rows: pl.DataFrame, seed: int = 8, templates: int = 3) -> pl.DataFrame:
    asked = rows.filter(pl.col("response_format") == "cot", pl.col("item") < templates)
    return flipped(asked, seed, 0.5).with_columns(
        measure=pl.lit("recall"), response_format=pl.lit(None, pl.String)
    )


def loaded(frames: list[pl.DataFrame], folder: Path) -> Evidence:
    return load(write_items(pl.concat(frames), folder / "a.parquet"))


def found_in(evidence: Evidence) -> list[Knowledge]:
    return knowledge(evidence.counts, evidence.scores, evidence.joint)


def paired(rows: pl.DataFrame, recited: pl.DataFrame) -> pl.DataFrame:
    """The oracle: a join of item rows."""
    on = [*JOINT, "item"]
    told = recited.select(*on, told="correct")
    return rows.join(told, on=on, nulls_equal=True)


@pytest.mark.parametrize("stretch", [1, 7, 1000])
def test_joint_counts_are_those_of_a_look_at_every_pair(
    rows: pl.DataFrame, tmp_path: Path, stretch: int
) -> None:
    """At each run's last step, whatever the numbers of the items."""
    spread = rows.with_columns(item=pl.col("item") * stretch - stretch)
    recited = recitations(spread)
    half = recited.filter(pl.col("item") % 2 == 0)  # an item may lack its recitation
    earlier = [
        frame.with_columns(step=pl.lit(1, pl.Int32), correct=~pl.col("correct"))
        for frame in (spread, half)
    ]
    found = loaded([spread, half, *earlier], tmp_path).joint
    expected = (
        paired(spread, half)
        .group_by(JOINT)
        .agg(
            n_items=pl.len(),
            n_told=pl.col("told").sum(),
            n_right=pl.col("correct").sum(),
            n_both=(pl.col("told") & pl.col("correct")).sum(),
        )
    )
    assert_frame_equal(
        found, expected.select(found.columns), check_row_order=False, check_dtypes=False
    )
    assert found["n_items"].sum() == len(half)


def test_known_and_unknown_make_the_whole(rows: pl.DataFrame, tmp_path: Path) -> None:
    frames = [rows, recitations(rows), recalls(rows)]
    evidence = loaded(frames, tmp_path)
    found = found_in(evidence)
    whole = (
        evidence.counts.filter(measure="execution")
        .group_by(TREATMENT)
        .agg(pl.col("n_items").sum(), share=pl.col("n_correct").sum() / pl.col("n_items").sum())
    )
    of = {tuple(row[name] for name in TREATMENT): row for row in whole.to_dicts()}
    assert len(found) == len(of)
    assert {each.by for each in found} == {"recitation", "recall"}
    for each in found:
        row = of[tuple(each.factors[name] for name in TREATMENT)]
        assert each.by == ("recitation" if row["response_format"] == "recite" else "recall")
        assert each.n_known + each.n_unknown == row["n_items"]
        known, unknown = each.known.value, 1 - each.known.value
        right = [0.0 if e is None else e.value for e in (each.if_known, each.if_unknown)]
        assert known * right[0] + unknown * right[1] == pytest.approx(row["share"])
        if each.wrong_though_known is not None:
            wrong = known * (1 - right[0]) / (1 - row["share"])
            assert each.wrong_though_known == pytest.approx(wrong)
    assert knowledge_frame(found).height == len(found)


def test_recall_is_of_programs_and_by_majority(rows: pl.DataFrame, tmp_path: Path) -> None:
    recalled = recalls(rows)
    found = {
        tuple(each.factors[name] for name in TREATMENT): each
        for each in found_in(loaded([rows, recalled], tmp_path))
        if each.factors["response_format"] == "cot"
    }
    on = [name for name in KEYS if name not in ("response_format", "measure", "step", "stage")]
    known = recalled.group_by(on).agg(known=pl.col("correct").mean() > 0.5)
    joined = rows.filter(response_format="cot").join(known, on=on, nulls_equal=True)
    expected = joined.group_by(TREATMENT).agg(
        share=pl.col("known").mean(), right=pl.col("correct").filter("known").mean()
    )
    assert len(found) == expected.height
    for row in expected.iter_rows(named=True):
        each = found[tuple(row[name] for name in TREATMENT)]
        assert each.known.value == pytest.approx(row["share"])
        assert each.if_known is not None
        assert each.if_known.value == pytest.approx(row["right"])


@pytest.mark.parametrize("known", [True, False])
def test_what_is_all_known_or_not_at_all_is_plain_accuracy(
    rows: pl.DataFrame, tmp_path: Path, known: bool
) -> None:
    told = of_measure(rows.filter(response_format="recite"), "recitation", float(known))
    evidence = loaded([rows, told.with_columns(correct=pl.lit(known))], tmp_path)
    for each in found_in(evidence):
        mine = evidence.counts.filter(
            **{name: each.factors[name] for name in ("arm", "demonstrations", "response_format")},
            measure="execution",
        )
        matrix = mine.with_columns(share=pl.col("n_correct") / pl.col("n_items")).pivot(
            "program", index="stage1_seed", values="share"
        )
        plain = float(matrix.drop("stage1_seed").to_numpy().mean())
        same, other = (each.if_known, each.if_unknown)[:: 1 if known else -1]
        assert other is None and same is not None
        assert same.value == pytest.approx(plain)
        assert each.known.value == float(known)
        assert same.ci_low is not None and same.ci_high is not None


def test_without_recitation_or_recall_nothing_is_said(rows: pl.DataFrame, tmp_path: Path) -> None:
    assert found_in(loaded([rows], tmp_path)) == []


def test_intervals_of_accuracy_if_known_cover_the_truth() -> None:
    """Programs differ in how well they are known and, where they are known, done."""
    rng, covered, times = np.random.default_rng(3), 0, 150
    truth = 0.6
    for _ in range(times):
        joint = _drawn(rng, truth)
        (found,) = knowledge(_none(joint), _none(joint), joint)
        assert found.if_known is not None and found.if_known.ci_low is not None
        assert found.if_known.ci_high is not None
        covered += found.if_known.ci_low <= truth <= found.if_known.ci_high
    assert 0.9 <= covered / times <= 1.0


def _drawn(rng: np.random.Generator, truth: float) -> pl.DataFrame:
    """Joint counts of one arm; what is known is done with chance `truth`, by program around it."""
    programs, seeds, items = 24, 4, 8
    known = rng.beta(2, 2, programs)
    done = rng.beta(6 * truth, 6 * (1 - truth), programs)  # independent of how well it is known
    told = rng.binomial(items, np.tile(known, seeds))
    both = rng.binomial(told, np.tile(done, seeds))
    seed = np.repeat(np.arange(seeds), programs)
    frame = item_rows(WORLD).head(1).select(JOINT)
    varied = {
        "seed": seed,
        "stage1_seed": seed,
        "run": [str(each) for each in seed],
        "program": [f"p{p}" for p in range(programs)] * seeds,
    }
    return (
        pl.DataFrame({"n_told": told, "n_right": both, "n_both": both})
        .with_columns(n_items=pl.lit(items))
        .with_columns(**{name: pl.Series(values) for name, values in varied.items()})
        .join(frame.drop(list(varied)), how="cross")
        .cast(dict.fromkeys(SUMS, pl.UInt32))
    )


def _none(joint: pl.DataFrame) -> pl.DataFrame:
    """Counts, or scores, of nothing."""
    lacking = {"measure": pl.lit(""), "score": pl.lit(0.0), "n_correct": pl.lit(0, pl.UInt32)}
    return joint.clear().with_columns(**lacking)

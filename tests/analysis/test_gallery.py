"""The gallery: a stated rule, kept."""

import polars as pl
import pytest

from analysis.comparison import DEFAULT_HEADLINE
from analysis.gallery import KINDS, MOST_MODELS, gallery, kind
from tests.analysis.synthetic import World, item_rows

WORLD = World(programs=5, items=3, seeds=2, ns=(1, 4))


@pytest.mark.parametrize(
    ("response_format", "expected", "correct", "output", "found"),
    [
        ("cot", "6", True, "5 + 1 = 6\nanswer: 6", "right"),
        ("cot", "6", False, "5 + 2 = 7\n answer : 7", "wrong"),
        ("cot", "6", False, "answer : -7", "wrong"),
        ("cot", "6", False, "5 + 1 = 6", "malformed"),
        ("cot", "6", False, "answer: six", "malformed"),
        ("cot", "abba", False, "answer: baab", "wrong"),
        ("cot", "abba", False, "answer:", "malformed"),
        ("cot", "6", False, "", "malformed"),
        ("cot", "6", False, None, "malformed"),
        ("direct", "6", False, " 7", "wrong"),
        ("direct", "6", False, "the", "malformed"),
        ("direct", "6", False, "", "malformed"),
    ],
)
def test_kinds(
    response_format: str, expected: str, correct: bool, output: str | None, found: str
) -> None:
    said = {"cot": "answer: 1", "direct": "1"}[response_format]
    rows = pl.DataFrame(
        {
            "response_format": [response_format] * 2,
            "expected": [expected, "1"],
            "correct": [correct, True],
            "output": [output, said],
        }
    )
    assert rows.select(kind().alias("kind"))["kind"][0] == found


def test_where_nothing_says_answer_only_silence_is_malformed() -> None:
    rows = pl.DataFrame(
        {"response_format": ["cot"] * 2, "expected": ["6"] * 2, "correct": [False] * 2}
        | {"output": ["7", " "]}
    )
    assert rows.select(kind().alias("kind"))["kind"].to_list() == ["wrong", "malformed"]


def test_the_rule_takes_the_first_of_each_kind() -> None:
    rows = item_rows(WORLD, seed=3).with_columns(output=pl.lit("answer: 7"))
    found = gallery(rows.sample(fraction=1.0, shuffle=True, seed=1).lazy(), DEFAULT_HEADLINE)
    assert found.equals(gallery(rows.lazy(), DEFAULT_HEADLINE))
    assert not found.select("model", "arm", "kind").is_duplicated().any()
    for row in found.iter_rows(named=True):
        instructed = row["arm"] in ("instruction", "placebo", "in_context")
        assert row["response_format"] == ("recite" if instructed else "cot")
        assert row["demonstrations"] == (4 if row["arm"] == "demonstrations" else 0)
        asked = rows.filter(
            (pl.col("arm") == row["arm"])
            & (pl.col("demonstrations") == row["demonstrations"])
            & (pl.col("response_format") == row["response_format"])
        )
        alike = asked.filter(pl.col("correct") == (row["kind"] == "right"))
        first = alike.sort("seed", "program", "item").row(0, named=True)
        assert [row[k] for k in ("seed", "program", "item")] == [
            first[k] for k in ("seed", "program", "item")
        ]
        assert row["count"] == len(alike)
        assert row["share"] == pytest.approx(len(alike) / len(asked))


def test_shares_of_an_arm_add_up() -> None:
    found = gallery(item_rows(WORLD).lazy(), DEFAULT_HEADLINE)
    totals = found.group_by("model", "arm").agg(pl.col("share").sum())["share"].to_list()
    assert totals == pytest.approx([1.0] * len(totals))
    assert set(found["kind"]) <= set(KINDS)


def test_rows_without_text_give_no_gallery() -> None:
    rows = item_rows(WORLD).with_columns(prompt=pl.lit(None, pl.String))
    assert gallery(rows.lazy(), DEFAULT_HEADLINE).is_empty()


def test_many_models_are_cut_to_the_first_by_name() -> None:
    one = item_rows(WORLD, seed=3).with_columns(output=pl.lit("answer: 7"))
    names = [f"m{number:02}" for number in range(MOST_MODELS + 2)]
    rows = pl.concat([one.with_columns(model=pl.lit(name)) for name in reversed(names)])
    found = gallery(rows.lazy(), DEFAULT_HEADLINE)
    assert found["model"].unique().sort().to_list() == names[:MOST_MODELS]

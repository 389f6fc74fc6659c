"""The rate in tokens, and the lengths that it is made of."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from analysis.comparison import Pair
from analysis.errors import BadInput
from analysis.exchange import ExchangeRate
from analysis.simulate import World, contest
from analysis.tokens import DocumentLengths, lengths_of, read_lengths, token_rate

RATE = ExchangeRate("estimated", 6.0, None, 3.0, 12.0, 0.0, 0.0, "")
lengths = st.floats(1, 1000)


def test_units_worked_by_hand() -> None:
    """An instruction of 30 tokens is worth 6 demonstrations of 20, 120 tokens: 4 for each of 30."""
    found = token_rate(RATE, DocumentLengths(30.0, 20.0))
    assert found is not None
    assert (found.rate, found.ci_low, found.ci_high, found.bound) == (4.0, 2.0, 8.0, None)
    assert found.demonstration_tokens == pytest.approx(120)


@given(lengths, lengths)
def test_the_unit_of_a_token_drops_out(instruction: float, demonstration: float) -> None:
    one = token_rate(RATE, DocumentLengths(instruction, demonstration))
    other = token_rate(RATE, DocumentLengths(3 * instruction, 3 * demonstration))
    assert one is not None and other is not None
    assert other.rate == pytest.approx(one.rate)
    assert other.demonstration_tokens == pytest.approx(3 * one.demonstration_tokens)  # type: ignore[operator]


def test_open_limits_and_bounds_stay_what_they_are() -> None:
    censored = ExchangeRate("right_censored", None, 24.0, 10.0, None, 0.0, 1.0, "")
    found = token_rate(censored, DocumentLengths(30.0, 15.0))
    assert found is not None
    assert (found.rate, found.bound, found.ci_low, found.ci_high) == (None, 12.0, 5.0, None)
    assert found.demonstration_tokens is None
    assert token_rate(RATE, None) is None


def written(folder: Path, **changed: object) -> Path:
    """A study folder that says how long its documents are."""
    about = {
        "model": "nano-s",
        "representation": "code",
        "paths": 2,
        "templates": 20,
        "acquisition": 200,
    }
    tokens = {"instruction": 31.5, "trace": 19.5, "answer": 13.5}
    rows = [{**about, "document": name, "tokens": value} for name, value in tokens.items()]
    rows += [{**row, "model": "other", "tokens": 999.0} for row in rows]
    rows += [{**row, "paths": 4, "tokens": 888.0} for row in rows]
    pl.DataFrame([row | changed for row in rows]).write_parquet(folder / "documents.parquet")
    return folder


COMPARISON = {
    "model": "nano-s",
    "representation": "code",
    "templates": 20,
    "acquisition": 200,
    "factors": '{"domain_paths":2,"replay":0.3}',
}


def test_a_comparison_finds_the_documents_of_its_own_kind(tmp_path: Path) -> None:
    known = read_lengths(written(tmp_path))
    made = replace(contest(World(), 0), factors=COMPARISON)
    assert lengths_of(made, known) == DocumentLengths(31.5, 19.5)
    answers = replace(made, pair=Pair("direct", "direct", "answer"))
    assert lengths_of(answers, known) == DocumentLengths(31.5, 13.5)
    for name, value in (("model", "another"), ("templates", 1), ("factors", "{}")):
        assert lengths_of(replace(made, factors=COMPARISON | {name: value}), known) is None


def test_rows_from_elsewhere_have_no_lengths(tmp_path: Path) -> None:
    file = tmp_path / "rows.parquet"
    pl.DataFrame({"run": ["a"]}).write_parquet(file)
    assert read_lengths(file) is read_lengths(tmp_path) is None
    assert lengths_of(contest(World(), 0), None) is None


@pytest.mark.parametrize("tokens", [0.0, -3.0, float("nan"), None])
def test_a_length_that_is_none_is_refused(tmp_path: Path, tokens: float | None) -> None:
    with pytest.raises(BadInput, match=r"documents\.parquet: tokens="):
        read_lengths(written(tmp_path, tokens=tokens))


def test_a_damaged_file_is_refused(tmp_path: Path) -> None:
    (tmp_path / "documents.parquet").write_bytes(b"no parquet")
    with pytest.raises(BadInput, match="cannot be read"):
        read_lengths(tmp_path)

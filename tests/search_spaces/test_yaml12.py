"""YAML 1.2 numbers, and nothing that could surprise or harm."""

from __future__ import annotations

import math
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from search_spaces.errors import StudyError
from search_spaces.yaml12 import MAX_INT, read_yaml


def value(text: str) -> object:
    return read_yaml(f"key: {text}\n", "file").data["key"]


@given(st.floats(allow_nan=False, allow_infinity=False))
def test_every_way_of_writing_a_float_reads_back(number: float) -> None:
    for written in (repr(number), f"{number:e}", f"{number:.17g}"):
        assert float(value(written)) == pytest.approx(number, rel=1e-6)  # type: ignore[arg-type]
    assert value(f"{number:.17e}") == number


@given(st.integers(-MAX_INT, MAX_INT))
def test_integers_read_back(number: int) -> None:
    assert value(str(number)) == number


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("1e-4", 1e-4),
        ("1E5", 1e5),
        (".5", 0.5),
        ("010", 10),
        ("0o10", 8),
        ("0xff", 255),
        ("-.inf", -math.inf),
        ("no", "no"),
        ("on", "on"),
        ("1_000", "1_000"),
        ("1:30", "1:30"),
        ("2024-01-01", "2024-01-01"),
        ("true", True),
        ("~", None),
        ("", None),
        ("'1'", "1"),
    ],
)
def test_core_schema(text: str, expected: object) -> None:
    found = value(text)
    assert found == expected
    assert type(found) is type(expected)


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ("a: 1\nb: 2\na: 3\n", 3),
        ("a: &x 1\nb: *x\n", 1),
        ("a: 1\nb: *x\n", 2),
        ("a: !!python/object/apply:os.system ['true']\n", 1),
        ("a: 1\nb: !!python/name:os.system\n", 2),
        ("a: 1\n1: 2\n", 2),
        ("a: 1\n? [b]\n: 2\n", 2),
        ("a: 1\nb: [\n", 3),
        ("a: 1\n---\nb: 2\n", 2),
        (f"a: {'[' * 100}\n", 1),
        ("a: 1\nb: " + "9" * 5000 + "\n", 2),
        ("a: 1\nb: 0x" + "f" * 5000 + "\n", 2),
        (f"a: 1\nb: {2**63}\n", 2),
        ("- 1\n- 2\n", 1),
        ("", 1),
        ("text", 1),
    ],
)
def test_refused_with_the_line(text: str, line: int) -> None:
    with pytest.raises(StudyError, match=rf"^file:{line}: "):
        read_yaml(text, "file")


def test_an_alias_bomb_is_refused_before_it_grows() -> None:
    bomb = "a: &a [x, x]\n" + "".join(
        f"{b}: &{b} [*{a}, *{a}, *{a}]\n" for a, b in zip("abcdefgh", "bcdefghi", strict=True)
    )
    with pytest.raises(StudyError, match="anchors"):
        read_yaml(bomb, "file")


def test_a_tag_that_would_run_code_leaves_no_trace(tmp_path: Path) -> None:
    marker = tmp_path / "ran"
    with pytest.raises(StudyError):
        read_yaml(f"a: !!python/object/apply:os.mkdir ['{marker}']\n", "file")
    assert not marker.exists()


@given(st.text())
def test_any_text_is_read_or_refused(text: str) -> None:
    try:
        assert isinstance(read_yaml(text, "file").data, dict)
    except StudyError as error:
        assert str(error).startswith("file")

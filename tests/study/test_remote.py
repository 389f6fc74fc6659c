"""What may be named as a place for results."""

from __future__ import annotations

import sys

import pytest

from search_spaces.errors import StudyError
from study.places import at_hand, open_store
from study.remote import RemoteError, is_name


def test_no_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "s3fs", None)
    with pytest.raises(RemoteError, match=r"\.\[s3\]"):
        open_store("s3://bucket/runs")


@pytest.mark.parametrize(
    "url",
    [
        "s3://",
        "s3://Bucket/x",
        "s3://bucket/../x",
        "s3://bucket/.hidden",
        "s3://bucket//x",
        "s3://bucket/x?versionId=1",
        "s3://bucket/*",
        "file:///tmp/x",
        "simplecache::s3://bucket/x",
        "http://bucket/x",
        "s3://key:hunter2@bucket/x",
    ],
)
def test_no_place_for_results(url: str) -> None:
    with pytest.raises(RemoteError) as caught:
        open_store(url)
    assert "hunter2" not in str(caught.value)


@pytest.mark.parametrize("name", ["stages", "..", "*", ".lock", "A", "a?b"])
def test_no_study_is_called_so(name: str) -> None:
    with pytest.raises(ValueError, match="no study's name"):
        at_hand(f"s3://bucket/runs/{name}")


@pytest.mark.parametrize(
    "name",
    [
        "",
        "/a",
        "a/",
        "a//b",
        "..",
        "a/../b",
        "a/..",
        ".a",
        "a/.b",
        "a\\b",
        "a\0",
        "a\n",
        "~",
        "a:b",
        "a*",
    ],
)
def test_a_name_leads_nowhere_else(name: str) -> None:
    assert not is_name(name)
    assert is_name("items/0123abcd.parquet") and is_name("checkpoint-10/adapter_model.safetensors")


@pytest.mark.parametrize("root", ["s3:/bucket/runs", "gs:/x"])
def test_a_url_that_lost_a_slash_is_no_folder(root: str) -> None:
    with pytest.raises(StudyError, match="did you mean"):
        open_store(root)

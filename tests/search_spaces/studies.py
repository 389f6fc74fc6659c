"""Study files for tests: one small text, and edits of it."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

import pytest

from search_spaces.errors import StudyError
from search_spaces.study_file import Study, parse_study

TEXT = """\
name: small
question: Is it worth it?
domain: {kind: arithmetic, steps: 2, paths: 2, inputs: 32}
data_seed: 7
factors:
  model: base
  arm: [instruction, none, demonstrations]
  demonstrations: [1, 4]
  demonstration_format: trace
  response_format: [cot, recite]
  seed: [1, 2]
train:
  stage1: {steps: 30, tokens_per_step: 64, peak_lr: 1e-3}
  stage2: {steps: 30, tokens_per_step: 64, peak_lr: 1e-3}
resources: {workers: 1}
headline: {instruction: cot, demonstrations: cot, demonstration_format: trace}
"""


def edited(old: str, new: str) -> str:
    """TEXT with one passage changed, which must be there."""
    assert old in TEXT
    return TEXT.replace(old, new)


def study_with(**sections: Any) -> Study:
    """The small study with whole sections replaced or added."""
    kept = [line for line in _blocks() if line.partition(":")[0] not in sections]
    added = [f"{key}: {json.dumps(value)}\n" for key, value in sections.items()]
    return parse_study("".join(kept + added), "small.yaml")


def _blocks() -> list[str]:
    blocks: list[str] = []
    for line in TEXT.splitlines(keepends=True):
        if line.startswith(" "):
            blocks[-1] += line
        else:
            blocks.append(line)
    return blocks


def assert_refused(text: str, line: int, named: Sequence[str]) -> None:
    """The text is no study: told with its place, and every word of `named`."""
    with pytest.raises(StudyError) as caught:
        parse_study(text, "my.yaml")
    told = str(caught.value)
    assert any(one.startswith(f"my.yaml:{line}: ") for one in told.splitlines()), told
    for word in named:
        assert word in told

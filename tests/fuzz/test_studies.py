"""Study files of any content: planned, refused with a message, and nothing else written."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from search_spaces.yaml12 import read_yaml
from tests.fuzz.commands import lawful
from tests.fuzz.malformed import names, sources, study_bytes
from tests.fuzz.naming import named

CALM = [HealthCheck.too_slow, HealthCheck.data_too_large]
QUICK_AND_WHOLE = pytest.mark.parametrize(
    "examples", [50, pytest.param(900, marks=[pytest.mark.slow, pytest.mark.timeout(3600)])]
)
FEW_AND_WHOLE = pytest.mark.parametrize(
    "examples", [15, pytest.param(200, marks=[pytest.mark.slow, pytest.mark.timeout(3600)])]
)


@QUICK_AND_WHOLE
def test_any_study_file_is_planned_or_refused(examples: int, tmp_path: Path) -> None:
    file, root = tmp_path / "study.yaml", tmp_path / "runs"

    @settings(max_examples=examples, derandomize=examples <= 50, suppress_health_check=CALM)
    @given(study_bytes, st.sampled_from(((), ("--smoke",), ("--json",))))
    def law(content: bytes, options: tuple[str, ...]) -> None:
        file.write_bytes(content)
        lawful(tmp_path, "plan", file, "--root", root, *options)

    law()


@FEW_AND_WHOLE
def test_any_study_file_is_launched_in_its_folder_or_refused(
    examples: int, tmp_path: Path, nothing_runs: None
) -> None:
    file, root = tmp_path / "study.yaml", tmp_path / "runs"

    @settings(max_examples=examples, derandomize=examples <= 50, suppress_health_check=CALM)
    @given(study_bytes)
    def law(content: bytes) -> None:
        file.write_bytes(content)
        lawful(tmp_path, "launch", file, "--root", root, "--backend", "local", writes=(root,))

    law()


@FEW_AND_WHOLE
def test_any_study_file_shows_its_documents_or_is_refused(examples: int, tmp_path: Path) -> None:
    file = tmp_path / "study.yaml"

    @settings(max_examples=examples, derandomize=examples <= 50, suppress_health_check=CALM)
    @given(study_bytes)
    def law(content: bytes) -> None:
        file.write_bytes(content)
        lawful(tmp_path, "data", file, "--steps", 1, "--count", 0)

    law()


@FEW_AND_WHOLE
@pytest.mark.parametrize("key", ["name", "model", "folder", "curriculum"])
def test_names_in_a_study_lead_nowhere(
    examples: int, key: str, tmp_path: Path, nothing_runs: None
) -> None:
    """A name may hold anything: whatever is taken is written within the root."""
    file, root = tmp_path / "study.yaml", tmp_path / "runs"
    small = sources()[0]

    @settings(max_examples=examples // 4, derandomize=examples <= 50)
    @given(names)
    def law(name: str) -> None:
        file.write_text(named(small, key, name), encoding="utf-8", errors="replace")
        lawful(tmp_path, "launch", file, "--root", root, "--backend", "local", writes=(root,))

    law()


@FEW_AND_WHOLE
def test_arguments_of_any_text_are_refused(examples: int, tmp_path: Path) -> None:
    commands = ("plan", "launch", "data", "status", "report", "export", "nonesuch")

    @settings(max_examples=examples, derandomize=examples <= 50)
    @given(st.sampled_from(commands), st.lists(names, max_size=3))
    def law(command: str, words: list[str]) -> None:
        if {"quickstart", "-r"}.intersection(words) and command == "launch":
            return  # a study that ships, which would be run
        lawful(tmp_path, command, *words)

    law()


HUGE = (10**9, 2**63 - 1)
COUNTS = (
    ("factors", "acquisition"),
    ("factors", "demonstrations"),
    ("factors", "lora_rank"),
    ("factors", "seed"),
    ("programs", "targets"),
    ("programs", "validation"),
    ("programs", "items_per_program"),
    ("domain", "inputs"),
    ("train", "stage1", "steps"),
    ("train", "stage1", "tokens_per_step"),
    ("evaluate", "acquisition_programs"),
    ("evaluate", "composed"),
    ("evaluate", "curve"),
    ("resources", "workers"),
)


@pytest.mark.parametrize("huge", HUGE)
@pytest.mark.parametrize("place", COUNTS, ids=".".join)
def test_a_huge_count_is_no_reason_to_hang(
    place: tuple[str, ...], huge: int, tmp_path: Path
) -> None:
    file = tmp_path / "study.yaml"
    file.write_text(changed(place, [huge] if place[-1] == "curve" else huge))
    lawful(tmp_path, "plan", file)


@pytest.mark.parametrize("command", ["plan", "launch"])
@pytest.mark.parametrize(
    "search",
    [
        {"search": {"design": "tpe", "budget": 10**9}},
        {"search": {"design": "qmc", "budget": 10**9}},
        {"tune": {"nuisances": {"stage2.peak_lr": {"low": 1e-3, "high": 1}}, "trials": 10**9}},
    ],
    ids=["tpe", "qmc", "tune"],
)
def test_nor_is_a_huge_budget(
    command: str, search: dict[str, Any], tmp_path: Path, nothing_runs: None
) -> None:
    file, root = tmp_path / "study.yaml", tmp_path / "runs"
    data = read_yaml(sources()[0], "small").data | search
    if "tune" in search:
        data["tune"]["seeds"] = [101]
    elif search["search"]["design"] == "tpe":
        data["nuisances"] = {"stage2.peak_lr": {"low": 1e-3, "high": 1}}
        data["factors"] |= {"arm": "instruction"}
        data["factors"].pop("demonstrations")
    file.write_text(json.dumps(data))
    local = ["--backend", "local"] if command == "launch" else []
    lawful(tmp_path, command, file, "--root", root, *local, writes=(root,))


def test_lists_that_multiply_to_millions_are_refused(tmp_path: Path) -> None:
    file = tmp_path / "study.yaml"
    for place in (("seed",), ("lora_rank",), ("acquisition",)):
        data = read_yaml(sources()[0], "small").data
        data["factors"] |= {"seed": list(range(400)), "demonstrations": list(range(1, 24))}
        data["factors"][place[0]] = list(range(1, 3000))
        file.write_text(json.dumps(data))
        ended = lawful(tmp_path, "plan", file)
        assert ended.code == 2 and "points" in ended.err


def changed(place: tuple[str, ...], value: object) -> str:
    """The small study with a value put in a place."""
    data = read_yaml(sources()[0], "small").data
    holder = data
    for key in place[:-1]:
        holder = holder.setdefault(key, {})
    holder[place[-1]] = value
    return json.dumps(data)

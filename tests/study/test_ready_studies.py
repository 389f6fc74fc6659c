"""A shipped study of every domain, made small, runs to its report with the real engine."""

from __future__ import annotations

import html
from pathlib import Path

import polars as pl
import pytest

from analysis.load import load_items
from analysis.report import write_report
from analysis.results import rates_json
from pbb.corpus import build_corpus
from pbb.documents import said
from search_spaces.runs import run_config
from search_spaces.samplers import enumerate_space
from search_spaces.study_file import load_study, smoke_study
from study.launch import launch
from study.plan import make_plan


@pytest.mark.parametrize("name", ["ciphers", "grammars", "algorithms"])
def test_a_ready_study_of_every_domain_ends_in_a_report(name: str, tmp_path: Path) -> None:
    study = smoke_study(load_study(name))
    result = launch(study, tmp_path, "local", quiet=True)
    assert (result.ok, result.failed) == (len(make_plan(study).trials), 0)
    answers = load_items(result.folder).filter(
        pl.col("measure") == "execution", pl.col("split") == "target"
    )
    rows = answers.collect()
    assert not rows.is_empty() and set(rows["domain"]) == {name}
    corpus = build_corpus(run_config(study, next(iter(enumerate_space(study)))).corpus)
    programs = {program.name: program for program in corpus.target}
    asked = {(p.name, i) for p in corpus.target for i in range(len(p.items))}
    for (arm, response_format), found in rows.group_by("arm", "response_format"):
        assert {*found.select("program", "item").iter_rows()} == asked, (arm, response_format)
    for row in rows.iter_rows(named=True):
        program, answer = programs[row["program"]], said(row["output"], row["response_format"])
        assert row["correct"] == corpus.domain.correct(program, program.items[row["item"]], answer)
    paths = write_report(result.folder)
    page = html.unescape(paths.html.read_text())
    assert paths.sentences and all(sentence in page for sentence in paths.sentences)
    assert {rate["domain"] for rate in rates_json(result.folder)} == {name}

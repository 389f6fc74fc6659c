"""`pbb-study data`: what it shows is what training gets, and what must not be there is found."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from pathlib import Path

import polars as pl
import pytest
import yaml

from pbb.config import RunConfig
from pbb.corpus import Corpus, build_corpus, compositions
from pbb.documents import Document, Told, declaration, execution_completion, execution_prompt
from pbb.domains.domain import Domain, Program
from pbb.models.encoding import Encoded, Encoder
from pbb.models.registry import resolve
from search_spaces.study_file import Study
from study.data_checks import Leaks, overlaps
from study.data_counts import Counts
from study.data_export import TakenError, documents_frame, export_documents
from study.data_report import examine
from study.encoders import load_encoder
from study.plan import Trial, make_plan
from study.samples import kind_of, planned_trial, stage_documents, training_stages
from tests.study.studies import small_study

GRID = {
    "model": "nano-xs",
    "acquisition": 8,
    "demonstrations": 2,
    "demonstration_format": "trace",
    "response_format": "cot",
    "seed": 1,
}
STAGES = ("stage1", "stage2")
ARMS = ["instruction", "none", "in_context", "demonstrations", "both", "placebo"]


@pytest.fixture(scope="module")
def encoder() -> Encoder:
    return load_encoder("nano-xs")


def study() -> Study:
    grid = {**GRID, "arm": ARMS, "curriculum": ["proactive", "homogeneous"]}
    bare = {**GRID, "arm": "none", "curriculum": "none"}
    return small_study(factors=[grid, bare])


def trial(arm: str, stage: str | None = None) -> Trial:
    return planned_trial(make_plan(study(), resolve), arm, stage)


def encoded(trial: Trial, encoder: Encoder) -> list[Encoded]:
    return [d for s in training_stages(trial) for _, d in stage_documents(s, encoder)]


@pytest.mark.parametrize("arm", ARMS)
def test_a_study_as_planned_passes_every_check(arm: str) -> None:
    for stage in ("homogeneous", "stage1"):
        report = examine(trial(arm, stage), None, 1, None)
        assert report.ok, report.checks
        assert report.documents > 0


def failing(leaks: Leaks, *documents: Encoded) -> list[str]:
    for document in documents:
        leaks.see(document)
    return [check.what for check in leaks.checks() if not check.ok]


def leaks_of(chosen: Trial, encoder: Encoder) -> Leaks:
    return Leaks(chosen.config, training_stages(chosen), encoder)


def execution(corpus: Corpus, config: RunConfig, case: int, **changes: object) -> Document:
    program = corpus.split(config.stand_in)[0]
    shown, told = program.draft.cases[case], Told()
    return replace(
        Document(
            execution_prompt(corpus.domain, program, shown, "cot", told, "run {call}"),
            execution_completion(corpus.domain, program, shown, "cot", told),
            "execution",
            program.split,
            program.name,
            case,
            "cot",
        ),
        **changes,
    )


def test_an_evaluated_item_is_found_by_its_case_and_by_its_text(encoder: Encoder) -> None:
    chosen = trial("demonstrations")
    corpus = build_corpus(chosen.config.corpus)
    program = corpus.target[0]
    item, free = program.items[0], program.free[0]
    what = "training documents that hold an evaluated item"
    honest = encoder(execution(corpus, chosen.config, free))
    told = encoder(execution(corpus, chosen.config, item))
    lying = encoder(execution(corpus, chosen.config, item, input=free))
    assert failing(leaks_of(chosen, encoder), honest) == []
    assert failing(leaks_of(chosen, encoder), told) == [what]
    assert failing(leaks_of(chosen, encoder), lying) == [what]


def test_a_composed_document_that_executes_an_item_of_its_outer_program_is_found(
    encoder: Encoder,
) -> None:
    train = {name: {"steps": 30, "tokens_per_step": 64, "peak_lr": 1e-3} for name in STAGES}
    composing = small_study(factors={**GRID, "arm": "none"}, train={**train, "compositions": 0.2})
    chosen = planned_trial(make_plan(composing, resolve), "none", None)
    domain = build_corpus(chosen.config.corpus).domain
    found = {
        (pair, i): not failing(leaks_of(chosen, encoder), encoder(composed(domain, pair, i)))
        for pair in compositions(chosen.config.corpus, "acquisition")
        for i in range(len(pair.draft.cases))
    }
    assert {key for key, fine in found.items() if fine} == {(p, i) for p, i in found if i in p.free}
    items = {(pair, i) for pair, i in found if i in pair.items}
    asked = {(p, i) for p, i in found if p.draft.cases[i].input in inputs_of_items(p.parts[1])}
    assert set(found) - items - asked - {(p, i) for p, i in found if i in p.free}


def composed(domain: Domain, pair: Program, case: int) -> Document:
    shown = pair.draft.cases[case]
    prompt = execution_prompt(domain, pair, shown, "cot", Told(), "run {call}")
    said = execution_completion(domain, pair, shown, "cot", Told())
    return Document(prompt, said, "execution", "composed", pair.name, case, "cot")


def inputs_of_items(program: Program) -> set[str]:
    return {program.draft.cases[i].input for i in program.items}


def test_executions_and_instructions_of_targets_are_found_where_an_arm_has_none(
    encoder: Encoder,
) -> None:
    shown = encoded(trial("both"), encoder)
    for arm, executions, instructions in [
        ("both", False, False),
        ("demonstrations", False, True),
        ("instruction", True, False),
        ("none", True, True),
        ("in_context", True, True),
    ]:
        found = failing(leaks_of(trial(arm), encoder), *shown)
        assert any("executions of target" in what for what in found) == executions, arm
        assert any("instructions of target" in what for what in found) == instructions, arm


def test_a_program_kept_from_training_is_found_by_its_name(encoder: Encoder) -> None:
    chosen = trial("instruction")
    hidden = build_corpus(chosen.config.corpus).validation[0].name
    one = encoded(chosen, encoder)[0].document
    named = encoder(replace(one, completion=f"{one.completion} {hidden}"))
    assert failing(leaks_of(chosen, encoder), named) == [
        "training documents that name a program kept from them"
    ]


def test_a_target_told_beside_another_program_is_found_under_any_name(encoder: Encoder) -> None:
    chosen = trial("none")
    corpus = build_corpus(chosen.config.corpus)
    target, own = corpus.target[0], encoded(chosen, encoder)[0].document
    inner = declaration(corpus.domain, "helper", target.draft, Told(), "{name}")
    lines = [f"    {line}" for line in "".join(inner).split("\n")[1:]]
    helper = encoder(replace(own, completion="\n".join(["", *lines, "    return x"])))
    assert failing(leaks_of(chosen, encoder), helper) == [
        "training documents that tell a target beside their own program"
    ]


def test_a_wrong_mask_is_found(encoder: Encoder) -> None:
    chosen = trial("instruction")
    right = encoded(chosen, encoder)[0]
    for wrong in (
        replace(right, n_prompt=right.n_prompt - 1),
        replace(right, n_prompt=right.n_prompt + 1),
        replace(right, n_prompt=0),
        replace(right, ids=right.ids[:-1]),
    ):
        assert failing(leaks_of(chosen, encoder), wrong) == [
            "training documents whose loss is not on the completion"
        ]


def test_overlaps_are_found() -> None:
    corpus = build_corpus(trial("none").config.corpus)
    assert all(check.ok for check in overlaps(corpus))
    target, other = corpus.target[0], corpus.acquisition[0]
    renamed = replace(other, name=target.name)
    alike = replace(other, draft=replace(target.draft, meaning="another"))
    same = replace(other, draft=target.draft)
    for changed, wrong in ((renamed, [0]), (alike, [2]), (same, [1, 2])):
        checks = overlaps(replace(corpus, acquisition=(changed, *corpus.acquisition[1:])))
        assert [i for i, check in enumerate(checks) if check.found] == wrong


def test_counts_are_those_of_the_documents(encoder: Encoder) -> None:
    chosen = trial("instruction")
    stage = training_stages(chosen)[1]
    documents = [d for _, d in stage_documents(stage, encoder)]
    documents += documents[:5]
    counts = Counts(encoder)
    for document in documents:
        counts.see(document)
    *rows, whole = counts.rows()
    assert {r.kind: r.documents for r in rows} == Counter(kind_of(d.document) for d in documents)
    assert whole.tokens == sum(r.tokens for r in rows) == sum(len(d.ids) for d in documents)
    assert whole.loss_tokens == sum(d.n_target for d in documents)
    assert whole.duplicates == len(documents) - len({d.document for d in documents}) > 0
    assert sum(r.share for r in rows) == pytest.approx(1)
    assert all(r.shortest <= r.median <= r.p95 <= r.longest for r in rows)


def test_what_is_exported_is_what_training_gets(encoder: Encoder, tmp_path: Path) -> None:
    chosen = trial("both")
    files = export_documents(chosen, tmp_path / "out", "parquet")
    assert [file.name for file in files] == ["stage1.parquet", "stage2.parquet"]
    rows = pl.concat(map(pl.read_parquet, files)).to_dicts()
    for row, document in zip(rows, encoded(chosen, encoder), strict=True):
        assert tuple(row["input_ids"]) == document.ids
        assert row["n_prompt"] == document.n_prompt
        fields = vars(document.document)
        assert {name: row[name] for name in fields} == fields


def test_a_dataset_folder_is_whole(tmp_path: Path) -> None:
    folder = tmp_path / "new" / "dataset"
    files = export_documents(trial("instruction"), folder, "hf")
    _, head, _ = (folder / "README.md").read_text().split("---\n", 2)
    told = yaml.safe_load(head)
    (config,) = told["configs"]
    assert [folder / each["path"] for each in config["data_files"]] == files
    types = {
        pl.String(): {"dtype": "string"},
        pl.Int32(): {"dtype": "int32"},
        pl.Boolean(): {"dtype": "bool"},
        pl.List(pl.Int32()): {"list": "int32"},
    }
    for file in files:
        schema = pl.read_parquet_schema(file)
        features = [{"name": name, **types[kind]} for name, kind in schema.items()]
        assert told["dataset_info"]["features"] == features
    with pytest.raises(TakenError, match="not empty"):
        export_documents(trial("instruction"), folder, "hf")


def test_datasets_loads_it(tmp_path: Path) -> None:
    import datasets  # seconds

    folder = tmp_path / "dataset"
    chosen = trial("instruction")
    export_documents(chosen, folder, "hf")
    loaded = datasets.load_dataset(str(folder), cache_dir=str(tmp_path / "cache"))
    for stage in training_stages(chosen):
        wanted = documents_frame(stage, load_encoder("nano-xs")).to_dicts()
        assert list(loaded[stage.role]) == wanted

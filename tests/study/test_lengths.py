"""How long training documents are: what training is given, written once, beside the stages."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from collections import defaultdict
from pathlib import Path

import polars as pl
import pytest
import torch
from transformers import AutoTokenizer

from analysis.results import analyse
from analysis.tokens import DocumentLengths, lengths_of, read_lengths
from pbb.config import TrainStage
from pbb.corpus import build_corpus
from pbb.documents import Document
from pbb.models.encoding import Encoder
from pbb.models.loading import load_base
from pbb.models.registry import NANO, locate, resolve
from pbb.sampling import step_documents
from search_spaces.study_file import Study
from study.encoders import load_encoder
from study.launch import launch
from study.lengths import LENGTH_SCHEMA, write_lengths
from study.plan import make_plan
from tests.study.studies import RUNNER, fake_base, small_study

GRID = {
    "model": "nano-xs",
    "acquisition": 8,
    "arm": ["instruction", "none", "demonstrations"],
    "demonstrations": 8,
    "demonstration_format": ["trace", "answer"],
    "response_format": "cot",
    "seed": [1, 2],
}
RECIPE = {"steps": 60, "tokens_per_step": 256, "peak_lr": 1e-3}


def nano_study(**grid: object) -> Study:
    train = {"stage1": RECIPE, "stage2": RECIPE}
    return small_study("lengths", factors=[{**GRID, **grid}], train=train)


def lengths(study: Study, folder: Path) -> pl.DataFrame:
    file = folder / "documents.parquet"
    write_lengths(file, (trial.config for trial in make_plan(study).trials))
    return pl.read_parquet(file)


def test_lengths_are_those_of_the_documents_that_training_is_given(tmp_path: Path) -> None:
    study = nano_study()
    told = dict(lengths(study, tmp_path).select("document", "tokens").iter_rows())
    seen: dict[str, dict[object, int]] = defaultdict(dict)
    encoder = load_encoder("nano-xs")
    for trial in make_plan(study).trials:
        for planned in trial.chain:
            stage = planned.stage
            if isinstance(stage, TrainStage) and stage.role == "stage2":
                corpus = build_corpus(stage.corpus)
                for batch in step_documents(
                    stage, corpus, encoder.stream, lambda each: len(each.ids)
                ):
                    for each in batch:
                        if each.document.split == "target":
                            kind = trial.config.demonstration_format or "instruction"
                            seen[kind][each.document] = len(each.ids)
    assert set(told) == set(seen) == {"instruction", "trace", "answer"}
    for kind, documents in seen.items():
        mean = sum(documents.values()) / len(documents)
        assert len(documents) > 100
        assert told[kind] == pytest.approx(mean, rel=0.02)


WITHOUT_TORCH = """
import sys
from study.encoders import load_encoder
assert load_encoder("nano-xs").ids("double(x)")
sys.exit("torch" in sys.modules)
"""


def test_a_shipped_bases_tokenizer_brings_no_torch() -> None:
    subprocess.run([sys.executable, "-c", WITHOUT_TORCH], check=True)


TEXTS = ("def f(x):\n    return double(x)", "f(1234) = 2468", "Ελλάδα", "<eos>")


@pytest.mark.parametrize("name", NANO)
def test_documents_are_counted_as_they_are_trained_on(name: str) -> None:
    _same_tokens(load_encoder(name), load_base(resolve(name), "float32", torch.device("cpu"))[1])


def test_a_folders_documents_are_counted_by_the_tokenizer_of_its_family(tmp_path: Path) -> None:
    """Which need not be the one that its files name."""
    folder = shutil.copytree(locate("nano-xs").folder, tmp_path / "base")
    config = folder / "config.json"
    config.write_text(json.dumps({**json.loads(config.read_text()), "model_type": "qwen2"}))
    due = Encoder(AutoTokenizer.from_pretrained(folder))
    assert due.ids("f(1234) = 2468") != load_encoder("nano-xs").ids("f(1234) = 2468")
    _same_tokens(load_encoder(str(folder)), due)


def _same_tokens(found: Encoder, due: Encoder) -> None:
    for name in ("eos_id", "pad_id", "unknown_id"):
        assert getattr(found, name) == getattr(due, name)
    for text in TEXTS:
        document = Document(text, TEXTS[1], "execution", "acquisition", "")
        assert (found.ids(text), found(document)) == (due.ids(text), due(document))


def test_every_base_and_kind_of_corpus_has_its_rows(tmp_path: Path) -> None:
    study = nano_study(model=["nano-xs", "nano-s"], templates=[1, 20], acquisition=[8, 16])
    found = lengths(study, tmp_path)
    assert dict(found.schema) == LENGTH_SCHEMA
    about = ["model", "templates", "acquisition", "document"]
    assert found.select(about).is_unique().all()
    assert len(found) == 2 * 2 * 2 * 3
    # More acquisition programs leave the targets, and so their documents, as they are.
    same = found.group_by("model", "templates", "document").agg(pl.col("tokens").n_unique())
    assert (same["tokens"] == 1).all()
    shorter = found.filter(pl.col("document") != "instruction").pivot(
        "document", index=["model", "templates", "acquisition"], values="tokens"
    )
    assert (shorter["answer"] < shorter["trace"]).all()


def test_a_launch_writes_them_once_and_analysis_finds_them(tmp_path: Path) -> None:
    study = nano_study()
    done = launch(study, tmp_path, "local", quiet=True, runner=RUNNER)
    file = done.folder / "documents.parquet"
    before = file.stat().st_mtime_ns
    again = launch(study, tmp_path, "local", quiet=True, runner=RUNNER)
    assert (done.failed, again.stages_run, file.stat().st_mtime_ns) == (0, 0, before)

    known = read_lengths(done.folder)
    assert known is not None
    told = dict(known.select("document", "tokens").iter_rows())
    results = analyse(done.folder).results
    assert results
    for result in results:
        shown = result.contest.pair.demonstration_format
        assert lengths_of(result.contest, known) == DocumentLengths(
            told["instruction"], told[shown]
        )


def test_a_folder_from_before_gets_them_without_running_anything(tmp_path: Path) -> None:
    study = nano_study()
    done = launch(study, tmp_path, "local", quiet=True, runner=RUNNER)
    whole = (done.folder / "documents.parquet").read_bytes()
    (done.folder / "documents.parquet").unlink()
    again = launch(study, tmp_path, "local", quiet=True, runner=RUNNER)
    assert again.stages_run == 0
    assert (done.folder / "documents.parquet").read_bytes() == whole


def test_a_base_without_its_tokenizer_at_hand_has_no_rows(tmp_path: Path) -> None:
    done = launch(small_study(), tmp_path, "local", quiet=True, runner=RUNNER, resolve=fake_base)
    assert done.failed == 0
    assert pl.read_parquet(done.folder / "documents.parquet").is_empty()
    for result in analyse(done.folder).results:
        assert lengths_of(result.contest, read_lengths(done.folder)) is None

"""Evaluations of one base answered side by side: the rows that each leaves alone."""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import polars as pl
import pytest
import torch
from safetensors.torch import load_file, save_file

from pbb import answering
from pbb.answering import answer_together, may_answer_together
from pbb.config import CorpusConfig, EvaluateStage
from pbb.curricula import compile_run
from pbb.domains.configs import GrammarsConfig
from pbb.engine import Engine
from pbb.evaluation.cohort_decoding import Resident
from pbb.jobs import Job
from pbb.models.adapters import ADAPTER_FILE, AdapterError
from pbb.models.lean.reading import lean_llama
from pbb.models.loading import load_base
from pbb.models.registry import resolve
from pbb.records import Status
from tests.pbb.runs import run
from tests.pbb.tiny import CPU

GRAMMARS = CorpusConfig(
    domain=GrammarsConfig(nonterminals=2, alternatives=2, depth=3, mean_length=(3, 8), inputs=20),
    data_seed=5,
    acquisition=4,
    validation=2,
    targets=3,
    items_per_program=6,
)
ASKED: Any = {"response_formats": ("direct", "cot"), "acquisition_programs": 1, "recall": 2}


def evaluation(**changes: Any) -> EvaluateStage:
    asked = {**ASKED, "max_new_tokens": 12, "batch_size": 16, **changes.pop("evaluate", {})}
    stage = compile_run(run(evaluate=asked, **changes), resolve("nano-xs"))[-1]
    assert isinstance(stage, EvaluateStage)
    return stage


@pytest.fixture(scope="module")
def parents(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    """Adapters of several ranks, one of them of rank 0."""
    made = []
    for seed, rank in enumerate((4, 2, 8, 0)):
        folder = tmp_path_factory.mktemp(f"rank-{rank}")
        stage = compile_run(run(lora_rank=rank, seed=seed), resolve("nano-xs"))[0]
        assert Engine("cpu").run(stage, None, folder).status is Status.OK
        made.append(folder)
    return made


def jobs(folder: Path, asked: Sequence[tuple[EvaluateStage, Path | None]]) -> list[Job]:
    made = [
        Job(stage, parent, folder / str(i), folder / "scratch")
        for i, (stage, parent) in enumerate(asked)
    ]
    for job in made:
        job.out.mkdir(parents=True)
    return made


def mixed(parents: list[Path]) -> list[tuple[EvaluateStage, Path | None]]:
    """Ranks, arms and corpora differ, and so what is asked, how much, and whether it is drawn."""
    return [
        (evaluation(), parents[0]),
        (evaluation(corpus=GRAMMARS), parents[1]),
        (evaluation(arm="in_context"), parents[2]),
        (evaluation(evaluate={"response_formats": ("direct",), "recall": 0}), parents[0]),
        (evaluation(), None),
    ]


def rows(job: Job) -> pl.DataFrame:
    return pl.read_parquet(job.out / "items.parquet")


def test_side_by_side_leaves_the_rows_that_each_stage_leaves_alone(
    tmp_path: Path, parents: list[Path]
) -> None:
    together, alone = (jobs(tmp_path / name, mixed(parents)) for name in ("a", "b"))
    assert may_answer_together(together)
    base, encoder = load_base(together[0].stage.base, "float32", CPU)
    llama = lean_llama(base)
    assert llama is not None
    answer_together(together, llama, encoder, Resident(CPU))
    outcomes = list(Engine("cpu").run_cohort(alone))
    assert [outcome.status for outcome in outcomes] == [Status.OK] * len(alone)
    for ours, theirs in zip(together, alone, strict=True):
        assert rows(ours).equals(rows(theirs))
    assert len({tuple(rows(job)["output"]) for job in alone}) == len(alone)


def test_a_cohort_that_exhausts_the_memory_is_halved_and_loses_nothing(
    tmp_path: Path, parents: list[Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    tried: list[int] = []

    def narrow(asked: Sequence[Job], *rest: Any) -> None:
        tried.append(len(asked))
        if len(asked) > 2:
            raise torch.OutOfMemoryError("too many")
        answer_together(asked, *rest)

    monkeypatch.setattr(answering, "answer_together", narrow)
    engine = Engine("cpu")
    monkeypatch.setattr(engine, "_side_by_side", True)
    asked = jobs(tmp_path, [(evaluation(), parents[i % 3]) for i in range(4)])
    outcomes = list(engine.run_cohort(asked))
    assert tried == [4, 2, 2]
    assert [outcome.status for outcome in outcomes] == [Status.OK] * 4
    assert rows(asked[0]).equals(rows(asked[3]))
    assert not rows(asked[0]).equals(rows(asked[1]))


def test_what_may_be_answered_together(tmp_path: Path, parents: list[Path]) -> None:
    first = (evaluation(), parents[0])
    other_shape = evaluation(evaluate={"max_new_tokens": 13})
    kept = evaluation().model_copy(update={"checkpoint": 3})
    assert may_answer_together(jobs(tmp_path / "1", [first, (evaluation(), None)]))
    assert not may_answer_together(jobs(tmp_path / "2", [first, (other_shape, parents[0])]))
    assert not may_answer_together(jobs(tmp_path / "3", [first, (evaluation(), parents[3])]))
    with pytest.raises(AdapterError, match="did not keep"):
        may_answer_together(jobs(tmp_path / "4", [first, (kept, parents[0])]))


def test_an_adapter_that_does_not_fit_is_refused(tmp_path: Path, parents: list[Path]) -> None:
    broken = tmp_path / "broken"
    shutil.copytree(parents[0], broken)
    state = load_file(broken / ADAPTER_FILE)
    state.pop(next(iter(state)))
    save_file(state, broken / ADAPTER_FILE)
    asked = jobs(tmp_path / "a", [(evaluation(), parents[1]), (evaluation(), broken)])
    base, encoder = load_base(asked[0].stage.base, "float32", CPU)
    llama = lean_llama(base)
    assert llama is not None
    with pytest.raises(AdapterError, match="1 tensors missing"):
        answer_together(asked, llama, encoder, Resident(CPU))


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a GPU")
def test_a_gpu_answers_side_by_side_as_the_cpu_does_alone(
    tmp_path: Path, parents: list[Path]
) -> None:
    """float32: all but a few rows, where two tokens are as good as equally likely."""
    there, here = (jobs(tmp_path / name, mixed(parents)) for name in ("a", "b"))
    outcomes = list(Engine("cuda").run_cohort(there))
    assert [outcome.status for outcome in outcomes] == [Status.OK] * len(there)
    list(Engine("cpu").run_cohort(here))
    same = [
        (rows(ours)["output"] == rows(theirs)["output"]).mean()
        for ours, theirs in zip(there, here, strict=True)
    ]
    assert min(same) > 0.97, same

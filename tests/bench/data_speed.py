"""How fast documents are made, and whether training waits: `python -m tests.bench.data_speed`.

Three questions. How many documents and tokens a second come of each domain, representation and
kind of document, made alone and made and tokenised. How long building a corpus takes. And what
share of its time training spends waiting for documents, with one trainer and with two at once on a
core each, under the quickstart's recipe; beside it the processor seconds that documents cost, by
the same training with all of them made beforehand. Every trainer runs in a process of its own;
shown are medians. Where others use the machine too, processor seconds say more than seconds.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from itertools import islice
from pathlib import Path
from typing import Any, Final, TypeVar

import torch

from pbb.config import (
    Compositions,
    CorpusConfig,
    Declarations,
    Executions,
    InContext,
    Source,
    TrainStage,
)
from pbb.corpus import Corpus, NoFreeCase, TooFewPrograms, build_corpus
from pbb.curricula import compile_run
from pbb.documents import Document
from pbb.domains.configs import BUILT_IN, ArithmeticConfig
from pbb.domains.registry import domain_class
from pbb.models.adapters import Attached
from pbb.models.encoding import Encoder
from pbb.models.loading import load_base
from pbb.models.registry import resolve
from pbb.sampling import source_documents, step_documents
from pbb.seeds import stream
from pbb.training.feed import Feed
from pbb.training.loop import train_steps
from search_spaces.runs import run_config
from search_spaces.samplers import points
from search_spaces.study_file import load_study
from study.encoders import load_encoder

T = TypeVar("T")

CPU: Final = torch.device("cpu")
LARGE: Final = ArithmeticConfig(steps=3, paths=4, inputs=100, value_max=99)
"""What a corpus of many programs takes long for."""


# --- documents


def corpora(kinds: Sequence[str]) -> Iterator[Corpus]:
    """A small corpus of each domain that is there, in each of its representations."""
    for kind in kinds:
        try:
            found = domain_class(kind)
        except (ImportError, AttributeError) as error:
            print(f"{kind}: left out ({error})", flush=True)
            continue
        for representation in found.phrasings:
            config = CorpusConfig(
                domain=found.Config(kind=kind),
                data_seed=1,
                acquisition=24,
                validation=2,
                targets=4,
                items_per_program=5,
                representation=representation,
            )
            yield build_corpus(config)


def sources(corpus: Corpus) -> dict[str, Source]:
    """Kinds of documents that a domain has."""
    formats = corpus.domain.formats
    found: dict[str, Source] = {"declaration": Declarations(split="acquisition")}
    for each in formats:
        found[f"execution {each}"] = Executions(split="acquisition", formats=(each,))
    found["in context"] = InContext(split="acquisition", formats=formats)
    composed = Compositions(split="acquisition", formats=formats)
    try:
        next(documents(composed, corpus))
    except (TooFewPrograms, NoFreeCase):
        return found
    return found | {"composition": composed}


def documents(source: Source, corpus: Corpus) -> Iterator[Document]:
    """Endless."""
    return source_documents(source, corpus, 1, stream("bench", source.kind))


def speed(source: Source, corpus: Corpus, encoder: Encoder, count: int) -> dict[str, float]:
    """Documents and tokens a second; the encoder has seen none of them."""
    began = time.perf_counter()
    made = list(islice(documents(source, corpus), count))
    between = time.perf_counter()
    tokens = sum(len(each.ids) for each in encoder.stream(made))
    ended = time.perf_counter()
    return {
        "documents_per_s": count / (between - began),
        "encoded_per_s": count / (ended - between),
        "both_per_s": count / (ended - began),
        "tokens_per_s": tokens / (ended - began),
        "tokens_per_document": tokens / count,
    }


def document_speeds(
    kinds: Sequence[str], base: str, count: int, repeats: int
) -> Iterator[dict[str, Any]]:
    """A row each domain, representation and kind of document."""
    for corpus in corpora(kinds):
        for name, source in sources(corpus).items():
            runs = [speed(source, corpus, load_encoder(base), count) for _ in range(repeats)]
            about = (corpus.config.domain.kind, corpus.config.representation, name)
            yield dict(zip(("domain", "representation", "kind"), about, strict=True)) | {
                key: statistics.median(run[key] for run in runs) for key in runs[0]
            }


def corpus_seconds(acquisition: int) -> dict[str, float]:
    """Seconds that a large corpus takes, wall and processor."""
    config = CorpusConfig(domain=LARGE, data_seed=2103, acquisition=acquisition, targets=60)
    began, worked = time.perf_counter(), time.process_time()
    build_corpus(config)
    return {"wall_s": time.perf_counter() - began, "cpu_s": time.process_time() - worked}


# --- training


def stages(base: str, steps: int | None) -> tuple[TrainStage, ...]:
    """The quickstart's stages of the arm `instruction` on another base; steps: at most so many."""
    study = load_study("quickstart")
    factors = next(p for p in points(study) if p["arm"] == "instruction")
    chain = compile_run(run_config(study, {**factors, "model": base}), resolve(base))
    found = [stage for stage in chain if isinstance(stage, TrainStage)]
    shorter = [{"steps": min(s.recipe.steps, steps or s.recipe.steps)} for s in found]
    return tuple(
        stage.model_copy(update={"recipe": stage.recipe.model_copy(update=update)})
        for stage, update in zip(found, shorter, strict=True)
    )


def trained(base: str, ready: bool, steps: int | None) -> dict[str, float]:
    """Train both stages in this process; ready: all documents are made before the clock starts."""
    torch.set_num_threads(1)
    found = stages(base, steps)
    build_corpus(found[0].corpus)
    model, encoder = load_base(found[0].base, found[0].numerics.dtype, CPU)
    spent = [_one_stage(stage, model, encoder, ready) for stage in found]
    return {key: sum(each[key] for each in spent) for key in spent[0]}


def _one_stage(
    stage: TrainStage, model: torch.nn.Module, encoder: Encoder, ready: bool
) -> dict[str, float]:
    corpus = build_corpus(stage.corpus)
    batches = step_documents(stage, corpus, encoder.stream, lambda d: len(d.ids))
    with Attached(model, stage.base.name, stage.lora, stage.seed) as attached:
        waiting = list(batches) if ready else batches
        began, worked = time.perf_counter(), time.process_time()
        with Feed(waiting) as feed:
            records = train_steps(
                attached.model,
                feed,
                stage.recipe,
                stage.numerics,
                pad_id=encoder.pad_id,
                device=CPU,
            )
            for _ in records:
                pass
        return {
            "steps": stage.recipe.steps,
            "wall_s": time.perf_counter() - began,
            "cpu_s": time.process_time() - worked,
            "wait_s": feed.waited_s,
        }


def at_once(base: str, trainers: int, ready: bool, steps: int | None) -> dict[str, float]:
    """The mean of so many trainers that run side by side."""
    words = [sys.executable, "-m", __spec__.name, "--trainer", base]
    words += (["--ready"] if ready else []) + (["--steps", str(steps)] if steps else [])
    running = [subprocess.Popen(words, stdout=subprocess.PIPE) for _ in range(trainers)]
    said = [process.communicate()[0] for process in running]
    if any(process.returncode for process in running):
        raise SystemExit(f"a trainer of {base} failed")
    found = [json.loads(each.splitlines()[-1]) for each in said]
    return {key: statistics.mean(each[key] for each in found) for key in found[0]}


def waiting(base: str, trainers: int, repeats: int, steps: int | None) -> dict[str, Any]:
    """Share of training's time spent waiting, and processor time that documents added."""
    fed, ready = [], []
    for _ in range(repeats):
        ready.append(at_once(base, trainers, True, steps))
        fed.append(at_once(base, trainers, False, steps))

    def middle(runs: list[dict[str, float]], value: Callable[[dict[str, float]], float]) -> float:
        return statistics.median(value(run) for run in runs)

    return {
        "base": base,
        "trainers": trainers,
        "ms_per_step": 1e3 * middle(fed, lambda r: r["wall_s"] / r["steps"]),
        "wait_share": middle(fed, lambda r: r["wait_s"] / r["wall_s"]),
        "wait_share_most": max(r["wait_s"] / r["wall_s"] for r in fed),
        "cpu_share_of_documents": 1
        - middle(ready, lambda r: r["cpu_s"]) / middle(fed, lambda r: r["cpu_s"]),
    }


# --- telling


def table(title: str, rows: Sequence[dict[str, Any]]) -> str:
    """Rows with the same keys, aligned."""
    cells = [[*rows[0]], *([_cell(value) for value in row.values()] for row in rows)]
    widths = [max(len(row[i]) for row in cells) for i in range(len(cells[0]))]
    lines = [
        "  ".join(cell.rjust(width) for cell, width in zip(row, widths, strict=True))
        for row in cells
    ]
    return "\n".join(["", title, *lines])


def _cell(value: Any) -> str:
    if isinstance(value, float):
        return f"{value:,.0f}" if value >= 100 else f"{value:.4g}"
    return str(value)


def run(options: argparse.Namespace) -> dict[str, Any]:
    """Every measurement; prints each table as it is there."""
    report: dict[str, Any] = {"cores": os.cpu_count(), "torch": torch.__version__}
    speeds = document_speeds(options.domains, options.bases[0], options.documents, options.repeats)
    report["documents"] = list(speeds)
    print(table(f"documents, tokenised for {options.bases[0]}", report["documents"]), flush=True)
    report["corpus"] = [{"acquisition": n} | corpus_seconds(n) for n in options.acquisition]
    if report["corpus"]:
        print(table("building a corpus of arithmetic", report["corpus"]), flush=True)
    report["waiting"] = [
        waiting(base, trainers, options.repeats, options.steps)
        for base in options.bases
        for trainers in (1, 2)
    ]
    print(table("training under the quickstart's recipe", report["waiting"]), flush=True)
    return report


def main() -> None:
    """Parses the options and measures; with --trainer, trains once and prints what it took."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--domains", nargs="*", default=list(BUILT_IN))
    parser.add_argument("--bases", nargs="+", default=["nano-s", "nano-m"])
    parser.add_argument("--documents", type=int, default=2000, help="of each kind")
    parser.add_argument("--acquisition", type=int, nargs="*", default=[200, 1000])
    parser.add_argument("--steps", type=int, help="of each stage at most; default: the recipe's")
    parser.add_argument("--repeats", type=int, default=3, help="medians are over so many")
    parser.add_argument("--out", type=Path, default=Path("runs/data_speed.json"))
    parser.add_argument("--trainer", help=argparse.SUPPRESS)
    parser.add_argument("--ready", action="store_true", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.trainer:
        print(json.dumps(trained(options.trainer, options.ready, options.steps)))
        return
    report = run(options)
    options.out.parent.mkdir(parents=True, exist_ok=True)
    options.out.write_text(json.dumps(report, indent=2) + "\n")
    print(f"\nwritten to {options.out}")


if __name__ == "__main__":
    main()

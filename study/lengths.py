"""`documents.parquet`: how many tokens one instruction has, and one demonstration of each format.

Item rows do not say. It follows from the corpus and the base's tokenizer, so it is computed once a
study folder, beside the runs: no stage depends on it, and cached stages need not be run again.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Final

import polars as pl

from pbb.config import CorpusConfig, Declarations, Executions, RunConfig, Source, Split
from pbb.corpus import build_corpus
from pbb.documents import DEMONSTRATED_AS
from pbb.models.registry import UnknownModel, locate
from pbb.records import SCHEMA_KEY, SCHEMA_VERSION
from pbb.sampling import source_documents
from pbb.seeds import stream
from study.files import write_parquet

if TYPE_CHECKING:  # brings transformers, which takes seconds
    from pbb.models.encoding import Encoder

LENGTH_SCHEMA: Final[dict[str, pl.DataType]] = {
    "model": pl.String(),
    "representation": pl.String(),
    "paths": pl.Int64(),
    "templates": pl.Int64(),
    "acquisition": pl.Int64(),
    "document": pl.String(),
    "tokens": pl.Float64(),
    "documents": pl.Int64(),
}
"""One row a base, kind of corpus and document. document: `instruction`, or the format of a
demonstration, `trace` or `answer`. tokens: the mean of what one training document of a target has,
prompt, chat template and end of text among them. documents: how many were counted."""


def write_lengths(path: Path, configs: Iterable[RunConfig]) -> None:
    """A base whose tokenizer is not on this machine has no rows."""
    asked = dict.fromkeys((each.model, each.corpus, each.stand_in) for each in configs)
    encoders: dict[str, Encoder | None] = {name: _encoder(name) for name, _, _ in asked}
    rows = [
        row
        for name, corpus, split in asked
        if (encoder := encoders[name]) is not None
        for row in _rows(name, corpus, split, encoder)
    ]
    frame = pl.DataFrame(rows, schema=LENGTH_SCHEMA, orient="row")
    write_parquet(path, frame, {SCHEMA_KEY: str(SCHEMA_VERSION)})


def _encoder(model: str) -> Encoder | None:
    try:
        locate(model)
    except UnknownModel:
        return None
    from study.encoders import load_encoder

    return load_encoder(model)


def _rows(
    model: str, config: CorpusConfig, split: Split, encoder: Encoder
) -> Iterator[tuple[str | int | float | None, ...]]:
    """As many documents as there are pairs of program and template, or of program and input."""
    programs = build_corpus(config).split(split)
    sources: dict[str, tuple[Source, int]] = {
        "instruction": (Declarations(split=split), len(programs) * config.templates)
    }
    for shown, answered in DEMONSTRATED_AS.items():
        inputs = sum(len(program.free) for program in programs)
        sources[shown] = (Executions(split=split, formats=(answered,)), inputs)
    for document, (source, count) in sources.items():
        tokens = mean_tokens(source, count, config, encoder)
        about = (
            config.representation,
            getattr(config.domain, "paths", None),
            config.templates,
            config.acquisition,
        )
        yield (model, *about, document, tokens, count)


def mean_tokens(source: Source, count: int, config: CorpusConfig, encoder: Encoder) -> float:
    """Mean length of the first `count` documents of a source, as training would be given them."""
    rng = stream("lengths", config.data_seed, source.kind)
    documents = source_documents(source, build_corpus(config), config.data_seed, rng)
    return sum(len(encoder(each).ids) for each in islice(documents, count)) / count

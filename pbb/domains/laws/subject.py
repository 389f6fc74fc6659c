"""What the laws look at: a domain's small corpus in every representation, and all its documents."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING, Final, Literal, get_args

from pbb.config import (
    Base,
    Compositions,
    CorpusConfig,
    Curriculum,
    Declarations,
    Executions,
    PlaceboDeclarations,
    RlStage,
    RunConfig,
    Source,
    TrainStage,
)
from pbb.corpus import Corpus, TooFewPrograms, build_corpus, compositions
from pbb.curricula import compile_run
from pbb.documents import Document
from pbb.domains.domain import Domain, DomainConfig, Program
from pbb.sampling import source_documents
from pbb.seeds import stream

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase

PROGRAMS: Final = {"acquisition": 6, "validation": 2, "targets": 4}
"""Programs of the corpus that a domain is checked on, unless a larger one is given."""
MAX_DOCUMENTS: Final = 600
"""Of one source; enough for every demonstration of a small corpus in every format."""
_BASE: Final = Base(name="any", sha256="0" * 64, n_params=1)
_RECIPE: Final = {"steps": 2, "tokens_per_step": 64, "peak_lr": 1e-3, "warmup_steps": 1}
_RL_RECIPE: Final = {"steps": 2, "peak_lr": 1e-3, "warmup_steps": 1}


def _nano_tokenizer() -> PreTrainedTokenizerBase:
    from pbb.models.nano.vocabulary import build_tokenizer

    return build_tokenizer()


@dataclass(frozen=True)
class Reader:
    """How a base reads: its tokenizer, loaded when first needed, and its longest document.

    limit: tokens of prompt, completion and end of text together, at most. unknown: whether a text
    may hold what the tokenizer does not know.
    """

    name: str
    load: Callable[[], PreTrainedTokenizerBase]
    limit: int
    unknown: Literal["refused", "allowed"] = "refused"


NANO: Final = Reader("nano", _nano_tokenizer, limit=512)
"""The bases that ship."""


@dataclass(frozen=True)
class Subject:
    """A configuration under examination. Its corpora are built when first asked for.

    config: in any representation; the laws go through all of them.
    """

    config: CorpusConfig
    readers: tuple[Reader, ...] = (NANO,)

    @property
    def domain(self) -> Domain:
        return build_corpus(self.config).domain

    @property
    def corpora(self) -> tuple[Corpus, ...]:
        """The corpus told in each representation."""
        told = [{"representation": name} for name in self.domain.phrasings]
        return tuple(build_corpus(_changed(self.config, **change)) for change in told)

    @property
    def programs(self) -> tuple[Program, ...]:
        """Of all splits, without composed ones."""
        made = build_corpus(self.config)
        return (*made.acquisition, *made.validation, *made.target)

    @property
    def composed(self) -> tuple[Program, ...]:
        """Pairs of acquisition programs; none where the domain has no composition."""
        return pairs(self.config)

    @property
    def meant(self) -> str:
        """The configuration as a message names it."""
        return f"domain {self.config.domain.kind!r}, data_seed={self.config.data_seed}"


def small(domain: DomainConfig, data_seed: int = 0) -> CorpusConfig:
    """A small corpus of a domain; items leave two thirds of the inputs, five being the least."""
    items = min(8, max(5, domain.inputs // 3))
    sizes = {"data_seed": data_seed, "items_per_program": items, **PROGRAMS}
    return CorpusConfig.model_validate({"domain": domain, **sizes})


def _changed(config: CorpusConfig, **changes: object) -> CorpusConfig:
    return CorpusConfig.model_validate({**dict(config), **changes})


def with_acquisition(config: CorpusConfig, count: int) -> CorpusConfig:
    """The same corpus with so many acquisition programs."""
    return _changed(config, acquisition=count)


def pairs(config: CorpusConfig) -> tuple[Program, ...]:
    """Composed acquisition programs; empty where the domain composes none of them."""
    try:
        return compositions(config, "acquisition")
    except TooFewPrograms:
        return ()


@lru_cache(maxsize=64)
def runs(config: CorpusConfig, arms: tuple[str, ...]) -> tuple[RunConfig, ...]:
    """A run of each curriculum, arm and format of demonstrations that the domain can have."""
    formats = build_corpus(config).domain.formats
    composed = 0.2 if any(pair.free for pair in pairs(config)) else 0.0
    recipes = {"stage1": _RECIPE, "stage2": _RECIPE, "rl": _RL_RECIPE}
    train = {**recipes, "formats": formats, "compositions": composed}
    free = config.domain.inputs - config.items_per_program
    shown: list[dict[str, object]] = [
        {"demonstrations": free, "demonstration_format": told}
        for told, needed in (("answer", "direct"), ("trace", "cot"))
        if needed in formats
    ]
    found = []
    for curriculum, arm in itertools.product(get_args(Curriculum), arms):
        if curriculum == "none" and arm not in ("none", "in_context"):
            continue
        for demonstrated in shown if arm in ("demonstrations", "both") else [{}]:
            run = {"model": "any", "curriculum": curriculum, "arm": arm, "seed": 0}
            given = {"corpus": config, "train": train, "evaluate": {"response_formats": formats}}
            found.append(RunConfig.model_validate({**run, **given, **demonstrated}))
    return tuple(found)


def sources(config: CorpusConfig, arms: tuple[str, ...]) -> tuple[Source, ...]:
    """What any training stage of these arms, in any curriculum, takes documents from."""
    stages = [stage for run in runs(config, arms) for stage in compile_run(run, _BASE)]
    read = [part.source for s in stages if isinstance(s, TrainStage) for part in s.mixture]
    asked = [stage.source for stage in stages if isinstance(stage, RlStage)]
    return tuple(dict.fromkeys([*read, *asked]))


@lru_cache(maxsize=256)
def documents(config: CorpusConfig, source: Source) -> tuple[Document, ...]:
    """Two passes over the cases of a source for each format, at most MAX_DOCUMENTS."""
    corpus = build_corpus(config)
    endless = source_documents(source, corpus, 0, stream("order", 0, "laws", 0))
    return tuple(itertools.islice(endless, min(_cases(corpus, source), MAX_DOCUMENTS)))


def _cases(corpus: Corpus, source: Source) -> int:
    programs: Sequence[Program] = corpus.split(source.split)
    if isinstance(source, Declarations | PlaceboDeclarations):
        return 2 * len(programs) * corpus.domain.phrasings[corpus.config.representation]
    if isinstance(source, Compositions):
        programs = pairs(corpus.config)
    shown = source.demonstrations if isinstance(source, Executions) else None
    passes = 2 * len(source.formats)
    return passes * sum(len(program.free[:shown]) for program in programs)


def training(subject: Subject, arms: tuple[str, ...]) -> Iterator[tuple[Corpus, Document]]:
    """Training documents of these arms, in every curriculum and representation."""
    for corpus in subject.corpora:
        for source in sources(corpus.config, arms):
            for document in documents(corpus.config, source):
                yield corpus, document

"""What must not be in a study's documents, counted in the documents themselves.

The programs and documents are what training would be given; nothing is taken from how they are
made, so a fault of any domain shows.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Hashable, Iterator
from dataclasses import dataclass
from typing import Final, get_args

from pbb.config import DECLARED_ARMS, PBB_ARMS, Arm, Compositions, RunConfig, TrainStage
from pbb.corpus import Corpus, build_corpus, compositions
from pbb.documents import Document, said, told_apart
from pbb.domains.domain import Program, squeezed
from pbb.domains.laws.programs import ASPECTS
from pbb.domains.laws.training import executes_outer_item, tells_target
from pbb.models.encoding import Encoded, Encoder

UNTOLD_ARMS: Final = frozenset(get_args(Arm)) - DECLARED_ARMS
"""Arms whose training tells no target's instruction."""
_WORD: Final = re.compile(r"\w+")


@dataclass(frozen=True)
class Check:
    """found: how many were found of what must not be; example: the first of them."""

    what: str
    found: int
    example: str = ""

    @property
    def ok(self) -> bool:
        return self.found == 0


def overlaps(corpus: Corpus) -> list[Check]:
    """Names, meanings and answers that two programs share, of one split or of two."""
    programs = (*corpus.target, *corpus.validation, *corpus.acquisition)
    return [
        _shared(f"programs that share {aspect} with another", key, programs)
        for aspect, key in ASPECTS.items()
    ]


def _shared(what: str, key: Callable[[Program], Hashable], programs: tuple[Program, ...]) -> Check:
    count = Counter(map(key, programs))
    twice = [p for p in programs if count[key(p)] > 1]
    return Check(what, len(twice), f"{twice[0].split} {twice[0].name}" if twice else "")


class Leaks:
    """Looks at the training documents of one run for what its evaluation asks.

    seen: how many it has looked at.
    """

    def __init__(self, run: RunConfig, stages: list[TrainStage], encoder: Encoder) -> None:
        self.seen = 0
        self._run, self._encoder = run, encoder
        self._corpus = build_corpus(run.corpus)
        self._asked = {p.name: _asked(p, self._corpus) for p in _programs(self._corpus, stages)}
        self._targets = frozenset(p.name for p in self._corpus.split(run.stand_in))
        self._hidden = _pseudonyms(self._corpus, run)
        self._faults = self._looked_for()
        self._found: dict[str, list[str]] = {what: [] for what in self._faults}

    def _looked_for(self) -> dict[str, Callable[[Encoded], bool]]:
        run, named = self._run, f"arm {self._run.arm}: "
        faults: dict[str, Callable[[Encoded], bool]] = {
            "training documents that hold an evaluated item": self._holds_item,
            "training documents that name a program kept from them": self._names_hidden,
            "training documents that tell a target beside their own program": self._tells_another,
            "training documents whose loss is not on the completion": self._masked_wrongly,
        }
        if run.arm in PBB_ARMS or run.arm == "in_context":
            faults[f"{named}executions of {run.stand_in} programs"] = self._executes_target
        if run.arm in UNTOLD_ARMS:
            faults[f"{named}instructions of {run.stand_in} programs"] = self._tells_target
        return faults

    def see(self, encoded: Encoded) -> None:
        """A training document."""
        self.seen += 1
        for what, holds in self._faults.items():
            if holds(encoded):
                self._found[what].append(encoded.document.prompt.replace("\n", " "))

    def checks(self) -> list[Check]:
        """What the documents seen so far hold."""
        return [
            Check(what, len(found), found[0] if found else "")
            for what, found in self._found.items()
        ]

    def _holds_item(self, encoded: Encoded) -> bool:
        document = encoded.document
        asked = self._asked.get(document.program)
        if asked is None:  # a composed one's name, which its parts give away
            return True
        text = document.prompt + document.completion
        return (
            document.input in asked.cases
            or any(call in text for call in asked.calls)
            or (bool(asked.answers) and _answer(document) in asked.answers)
        )

    def _names_hidden(self, encoded: Encoded) -> bool:
        text = encoded.document.prompt + encoded.document.completion
        return not self._hidden.isdisjoint(_WORD.findall(text))

    def _tells_another(self, encoded: Encoded) -> bool:
        return tells_target(self._corpus, encoded.document) is not None

    def _masked_wrongly(self, encoded: Encoded) -> bool:
        ids, learnt = encoded.ids, encoded.ids[encoded.n_prompt :]
        if not 0 < encoded.n_prompt < len(ids) or learnt[-1] != self._encoder.eos_id:
            return True
        if self._encoder.unknown_id in learnt:  # cannot be read back; counted by itself
            return False
        read = squeezed(self._encoder.decode(learnt))
        return read != squeezed(encoded.document.completion)

    def _of_targets(self, document: Document) -> bool:
        return not self._targets.isdisjoint(document.program.split("."))

    def _executes_target(self, encoded: Encoded) -> bool:
        shown = encoded.document.kind in ("execution", "in_context")
        return shown and self._of_targets(encoded.document)

    def _tells_target(self, encoded: Encoded) -> bool:
        told = encoded.document.kind != "execution"
        return told and self._of_targets(encoded.document)


@dataclass(frozen=True)
class _Asked:
    """What the evaluation of a program asks: its items' cases, with those of a composed one that
    execute an item of its outer part; their calls as asked where inputs tell them apart, and their
    answers where sampled sentences do.
    """

    cases: frozenset[int]
    calls: tuple[str, ...]
    answers: frozenset[str]


def _asked(program: Program, corpus: Corpus) -> _Asked:
    domain = corpus.domain
    parts = told_apart(program)
    known = {each.name: each for each in (program, parts[-1])}
    if domain.sampled:
        items = frozenset(squeezed(program.draft.cases[i].answer) for i in program.items)
        return _Asked(frozenset(program.items), (), items)
    cases = frozenset(
        i
        for i in range(len(program.draft.cases))
        if i in program.items or executes_outer_item(domain, program, i)
    )
    calls = tuple(
        domain.call([part.name for part in told_apart(each)], each.draft.cases[i])
        for each in known.values()
        for i in each.items
    )
    return _Asked(cases, calls, frozenset())


def _programs(corpus: Corpus, stages: list[TrainStage]) -> Iterator[Program]:
    yield from (*corpus.target, *corpus.validation, *corpus.acquisition)
    composed = {
        component.source.split
        for stage in stages
        for component in stage.mixture
        if isinstance(component.source, Compositions)
    }
    for split in sorted(composed):
        yield from compositions(corpus.config, split)


def _pseudonyms(corpus: Corpus, run: RunConfig) -> frozenset[str]:
    """Names that no training document of the run may hold; a name of its own may be a word."""
    hidden = list(corpus.validation if run.stand_in == "target" else corpus.target)
    if run.arm in ("none", "in_context"):
        hidden += corpus.split(run.stand_in)
    return frozenset(program.name for program in hidden if program.draft.name is None)


def _answer(document: Document) -> str:
    if document.response_format is None:
        return ""
    return squeezed(said(document.completion, document.response_format))

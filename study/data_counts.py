"""What a stage's documents amount to, by kind."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field

import numpy as np

from pbb.models.encoding import Encoded, Encoder
from pbb.training.effort import identity
from study.samples import kind_of


@dataclass(frozen=True)
class KindCount:
    """share: of the stage's tokens. shortest to longest: tokens of a document. duplicates:
    documents that are the same as an earlier one. unknown: tokens that stand for a text which the
    tokenizer has no token for, in documents and, of an evaluation, in the answers expected, which
    count in nothing else here. example: a word that has one; empty where none has.
    """

    kind: str
    documents: int
    tokens: int
    loss_tokens: int
    share: float
    shortest: int
    median: int
    p95: int
    longest: int
    duplicates: int
    unknown: int
    example: str


@dataclass
class _Tally:
    lengths: list[int] = field(default_factory=list)
    loss_tokens: int = 0
    unknown: int = 0
    example: str = ""
    seen: set[bytes] = field(default_factory=set)


class Counts:
    """Counts documents as they are shown to it."""

    def __init__(self, encoder: Encoder) -> None:
        self._encoder = encoder
        self._kinds: dict[str, _Tally] = {}

    def see(self, encoded: Encoded) -> None:
        """A training document."""
        document, same = encoded.document, identity(encoded.document)
        text = f"{document.prompt} {document.completion}"
        self.add(kind_of(document), encoded.ids, encoded.n_target, same, text)

    def add(
        self, kind: str, ids: tuple[int, ...], loss_tokens: int, same: bytes, text: str
    ) -> None:
        """same: equal for equal documents. text: what the ids spell."""
        tally = self._kinds.setdefault(kind, _Tally())
        tally.lengths.append(len(ids))
        tally.loss_tokens += loss_tokens
        tally.seen.add(same)
        self._look(tally, ids, text)

    def expect(self, kind: str, answer: str) -> None:
        """An answer that the model never gets: only whether it could write it."""
        self._look(self._kinds.setdefault(kind, _Tally()), self._encoder.ids(answer), answer)

    def _look(self, tally: _Tally, ids: tuple[int, ...], text: str) -> None:
        unknown = self._encoder.unknown_id
        if unknown is None or unknown not in ids:
            return
        tally.unknown += ids.count(unknown)
        if not tally.example:
            words = (word for word in text.split() if unknown in self._encoder.ids(word))
            tally.example = next(words, text)

    def rows(self) -> list[KindCount]:
        """A row a kind in the order of their names, and one of all where there are several."""
        total = sum(sum(tally.lengths) for tally in self._kinds.values())
        kinds = sorted(self._kinds.items())
        everything = [("all", _together(self._kinds.values()))] if len(kinds) > 1 else []
        return [_row(kind, tally, total) for kind, tally in [*kinds, *everything]]


def prompt_identity(prompt: str) -> bytes:
    """16 bytes that equal prompts share."""
    return hashlib.blake2b(prompt.encode(), digest_size=16).digest()


def _together(tallies: Iterable[_Tally]) -> _Tally:
    whole = _Tally()
    for tally in tallies:
        whole.lengths += tally.lengths
        whole.loss_tokens += tally.loss_tokens
        whole.unknown += tally.unknown
        whole.seen |= tally.seen
    return whole


def _row(kind: str, tally: _Tally, total: int) -> KindCount:
    return KindCount(
        kind=kind,
        documents=len(tally.lengths),
        tokens=sum(tally.lengths),
        loss_tokens=tally.loss_tokens,
        share=sum(tally.lengths) / total,
        shortest=min(tally.lengths),
        median=_quantile(tally.lengths, 0.5),
        p95=_quantile(tally.lengths, 0.95),
        longest=max(tally.lengths),
        duplicates=len(tally.lengths) - len(tally.seen),
        unknown=tally.unknown,
        example=tally.example,
    )


def _quantile(lengths: list[int], share: float) -> int:
    """A length that occurs, at or above this share of them."""
    return int(np.quantile(lengths, share, method="inverted_cdf"))


def cells(rows: Iterable[KindCount]) -> Iterator[tuple[str, ...]]:
    """The table's heading, then a line a row; `unknown` only where there are such tokens."""
    found = list(rows)
    unknown = any(row.unknown for row in found)
    heading = "documents tokens loss share min median p95 max duplicates".split()
    yield ("kind", *heading, *(["unknown"] if unknown else []))
    for row in found:
        sizes = (row.shortest, row.median, row.p95, row.longest, row.duplicates)
        yield (
            row.kind,
            *(f"{n:,}" for n in (row.documents, row.tokens, row.loss_tokens)),
            f"{row.share:.1%}",
            *(f"{n:,}" for n in sizes),
            *([f"{row.unknown:,}"] if unknown else []),
        )

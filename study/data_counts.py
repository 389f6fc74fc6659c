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
    tokenizer has no token for.
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


@dataclass
class _Tally:
    lengths: list[int] = field(default_factory=list)
    loss_tokens: int = 0
    unknown: int = 0
    seen: set[bytes] = field(default_factory=set)


class Counts:
    """Counts documents as they are shown to it."""

    def __init__(self, encoder: Encoder) -> None:
        self._unknown = encoder.unknown_id
        self._kinds: dict[str, _Tally] = {}

    def see(self, encoded: Encoded) -> None:
        """A training document."""
        kind, same = kind_of(encoded.document), identity(encoded.document)
        self.add(kind, encoded.ids, encoded.n_target, same)

    def add(self, kind: str, ids: tuple[int, ...], loss_tokens: int, same: bytes) -> None:
        """same: equal for equal documents."""
        tally = self._kinds.setdefault(kind, _Tally())
        tally.lengths.append(len(ids))
        tally.loss_tokens += loss_tokens
        tally.unknown += ids.count(self._unknown) if self._unknown is not None else 0
        tally.seen.add(same)

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

"""What a training stage spent, counted while its documents pass by."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field

from pbb.documents import Document
from pbb.models.encoding import Encoded
from pbb.records import StepRecord, TrainSummary


@dataclass
class Effort:
    """Counts over the batches that have passed through `counted`; none of them is kept."""

    tokens: int = 0
    target_tokens: int = 0
    replay_tokens: int = 0
    documents: int = 0
    _seen: set[bytes] = field(default_factory=set)

    def counted(self, batches: Iterable[Sequence[Encoded]]) -> Iterator[Sequence[Encoded]]:
        """The same batches."""
        for batch in batches:
            for encoded in batch:
                self._add(encoded)
            yield batch

    def _add(self, encoded: Encoded) -> None:
        self.tokens += len(encoded.ids)
        self.target_tokens += encoded.n_target
        self.replay_tokens += len(encoded.ids) if encoded.document.replay else 0
        self.documents += 1
        self._seen.add(identity(encoded.document))

    def summary(self, records: Sequence[StepRecord], shift: float, waited_s: float) -> TrainSummary:
        """For a stage that has taken every batch.

        shift: how far training moved the logits; waited_s: seconds spent waiting for documents.
        """
        unique = len(self._seen)
        return TrainSummary(
            steps=len(records),
            tokens=self.tokens,
            target_tokens=self.target_tokens,
            replay_tokens=self.replay_tokens,
            documents=self.documents,
            unique_documents=unique,
            epochs=self.documents / unique,
            final_loss_nats_per_token=records[-1].loss_nats_per_token if records else None,
            adapter_shift=shift,
            data_wait_s=waited_s,
        )


def identity(document: Document) -> bytes:
    """16 bytes that equal documents share, and others do not."""
    return hashlib.blake2b(repr(document).encode(), digest_size=16).digest()

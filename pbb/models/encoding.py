"""Documents -> token ids, with the loss boundary exact by construction.

Prompt and completion are tokenised apart and joined as ids, so no token straddles the boundary.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import Final

from transformers import PreTrainedTokenizerBase

from pbb.documents import Document

os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")  # trainers side by side share the cores

MOST_REMEMBERED: Final = 50_000
"""Texts whose ids are kept: declarations come again and again."""
AT_ONCE: Final = 32
"""Documents of a stream that are tokenised together, outside Python's lock."""
NO_LIMIT: Final = 10**30
"""Tokens, transformers' own for none: nothing is cut here, whatever a tokenizer's file says."""


@dataclass(frozen=True)
class Encoded:
    """ids: prompt, completion, end of text. Loss is taken on ids[n_prompt:]."""

    ids: tuple[int, ...]
    n_prompt: int
    document: Document

    @property
    def n_target(self) -> int:
        return len(self.ids) - self.n_prompt


class Encoder:
    """Encodes for one tokenizer; a chat template, where there is one, wraps the prompt."""

    def __init__(self, tokenizer: PreTrainedTokenizerBase) -> None:
        if tokenizer.eos_token_id is None:
            raise ValueError(f"{tokenizer.name_or_path}: the tokenizer has no end-of-text token")
        tokenizer.model_max_length = NO_LIMIT
        self._tokenizer = tokenizer
        self._known: dict[str, tuple[int, ...]] = {}
        self._chats = bool(tokenizer.chat_template)
        bos = None if self._chats else tokenizer.bos_token_id
        self._opening = () if bos is None else (int(bos),)
        self.eos_id = int(tokenizer.eos_token_id)
        self.pad_id = int(self.eos_id if tokenizer.pad_token_id is None else tokenizer.pad_token_id)
        ends = (tokenizer.bos_token_id, self.eos_id, self.pad_id)
        unknown = tokenizer.unk_token_id
        self.unknown_id = None if unknown is None or unknown in ends else int(unknown)
        """What stands for a text that the tokenizer has no token for; null where it has for all."""

    def _ids(self, texts: Sequence[str]) -> list[tuple[int, ...]]:
        """May be called by several threads at once: a cohort's documents are made in one each."""
        known = {text: ids for text in texts if (ids := self._known.get(text)) is not None}
        new = [text for text in dict.fromkeys(texts) if text not in known]
        if new:
            read = self._tokenizer(
                new,
                add_special_tokens=False,
                return_attention_mask=False,
                return_token_type_ids=False,
            )
            found = {t: tuple(ids) for t, ids in zip(new, read["input_ids"], strict=True)}
            if len(self._known) + len(found) > MOST_REMEMBERED:
                self._known = {}  # not emptied: another thread may be reading it
            self._known.update(found)
            known |= found
        return [known[text] for text in texts]

    def wrapped(self, prompt: str) -> str:
        """A prompt as the model reads it: in its chat template, where it has one."""
        if not self._chats:
            return prompt
        chat = [{"role": "user", "content": prompt}]
        return str(
            self._tokenizer.apply_chat_template(chat, tokenize=False, add_generation_prompt=True)
        )

    def prompt(self, text: str) -> tuple[int, ...]:
        """Ids of a prompt, ready for the model to continue."""
        (ids,) = self._ids([self.wrapped(text)])
        return (*self._opening, *ids)

    def ids(self, text: str) -> tuple[int, ...]:
        """Ids of a text by itself."""
        (ids,) = self._ids([text])
        return ids

    def shown_prompt(self, prompt: str) -> str:
        """A prompt as the model gets it, special tokens spelled."""
        return self._spelled(self._opening) + self.wrapped(prompt)

    def shown(self, document: Document) -> tuple[str, str]:
        """What carries no loss, and what does, as the model gets them, special tokens spelled."""
        end = self._spelled((self.eos_id,))
        return self.shown_prompt(document.prompt), document.completion + end

    def _spelled(self, ids: Sequence[int]) -> str:
        return "".join(map(str, self._tokenizer.convert_ids_to_tokens(list(ids))))

    def decode(self, ids: Sequence[int]) -> str:
        """Text of generated ids."""
        return str(self._tokenizer.decode(list(ids), skip_special_tokens=True))

    def __call__(self, document: Document) -> Encoded:
        """Raises ValueError where nothing would be learnt (no target token)."""
        (encoded,) = self._encoded([document])
        return encoded

    def stream(self, documents: Iterable[Document]) -> Iterator[Encoded]:
        """Each document encoded, as by a call, a few read ahead. Raises ValueError likewise."""
        waiting = iter(documents)
        while several := list(islice(waiting, AT_ONCE)):
            yield from self._encoded(several)

    def _encoded(self, documents: Sequence[Document]) -> list[Encoded]:
        prompts = [self.wrapped(document.prompt) for document in documents]
        ids = self._ids([*prompts, *(document.completion for document in documents)])
        pairs = zip(ids, ids[len(documents) :], documents, strict=False)
        return [self._joined(*each) for each in pairs]

    def _joined(
        self, prompt: tuple[int, ...], completion: tuple[int, ...], document: Document
    ) -> Encoded:
        if not completion:
            raise ValueError(f"document of {document.program} has no target token: {document}")
        given = (*self._opening, *prompt)
        return Encoded((*given, *completion, self.eos_id), len(given), document)

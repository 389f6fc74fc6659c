"""Documents -> token ids, with the loss boundary exact by construction.

Prompt and completion are tokenised apart and joined as ids, so no token straddles the boundary.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

from transformers import PreTrainedTokenizerBase

from pbb.documents import Document


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
        self._tokenizer = tokenizer
        self._plain = lru_cache(maxsize=50_000)(self._tokenise)
        self.eos_id = int(tokenizer.eos_token_id)
        self.pad_id = int(self.eos_id if tokenizer.pad_token_id is None else tokenizer.pad_token_id)

    def _tokenise(self, text: str) -> tuple[int, ...]:
        return tuple(self._tokenizer(text, add_special_tokens=False)["input_ids"])

    def prompt(self, text: str) -> tuple[int, ...]:
        """Ids of a prompt, ready for the model to continue."""
        if self._tokenizer.chat_template:
            chat = [{"role": "user", "content": text}]
            rendered = self._tokenizer.apply_chat_template(
                chat, tokenize=False, add_generation_prompt=True
            )
            return self._tokenise(str(rendered))
        bos = self._tokenizer.bos_token_id
        return (*(() if bos is None else (int(bos),)), *self._plain(text))

    def decode(self, ids: list[int]) -> str:
        """Text of generated ids."""
        return str(self._tokenizer.decode(ids, skip_special_tokens=True))

    def __call__(self, document: Document) -> Encoded:
        """Raises ValueError where nothing would be learnt (no target token)."""
        prompt = self.prompt(document.prompt)
        completion = self._plain(document.completion)
        if not completion:
            raise ValueError(f"document of {document.program} has no target token: {document}")
        return Encoded((*prompt, *completion, self.eos_id), len(prompt), document)

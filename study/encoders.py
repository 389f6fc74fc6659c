"""A base's tokenizer without the base: what counts or shows documents needs no more."""

from __future__ import annotations

from typing import TYPE_CHECKING

from analysis.errors import first_line
from pbb.models.encoding import Encoder
from pbb.models.registry import NANO, Files, UnknownModel, locate

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase


def load_encoder(model: str) -> Encoder:
    """The base's tokenizer alone. Raises UnknownModel."""
    files = locate(model)
    try:
        return Encoder(_shipped(files) if model in NANO else _looked_up(files))
    except Exception as error:  # whatever is wrong with somebody's files, the library says it so
        raise UnknownModel(
            f"model {model!r}: its tokenizer cannot be read ({first_line(error)}); restore the "
            f"files in {files.folder}"
        ) from error


def _shipped(files: Files) -> PreTrainedTokenizerBase:
    """Of a class that is known, so that a launch need not wait for what looking it up brings."""
    from transformers import PreTrainedTokenizerFast

    tokenizer: PreTrainedTokenizerBase = PreTrainedTokenizerFast.from_pretrained(files.folder)
    return tokenizer


def _looked_up(files: Files) -> PreTrainedTokenizerBase:
    from transformers import AutoTokenizer  # brings torch: seconds

    gguf = {"gguf_file": files.gguf} if files.gguf else {}
    tokenizer: PreTrainedTokenizerBase = AutoTokenizer.from_pretrained(
        files.folder, trust_remote_code=False, **gguf
    )
    return tokenizer

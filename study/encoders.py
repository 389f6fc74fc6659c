"""A base's tokenizer without the base: what counts or shows documents needs no more."""

from __future__ import annotations

from analysis.errors import first_line
from pbb.models.encoding import Encoder
from pbb.models.registry import UnknownModel, locate


def load_encoder(model: str) -> Encoder:
    """The base's tokenizer alone. Raises UnknownModel."""
    from transformers import AutoTokenizer  # seconds, and not every import of this needs it

    files = locate(model)
    gguf = {"gguf_file": files.gguf} if files.gguf else {}
    try:
        return Encoder(AutoTokenizer.from_pretrained(files.folder, trust_remote_code=False, **gguf))
    except Exception as error:  # whatever is wrong with somebody's files, the library says it so
        raise UnknownModel(
            f"model {model!r}: its tokenizer cannot be read ({first_line(error)}); restore the "
            f"files in {files.folder}"
        ) from error

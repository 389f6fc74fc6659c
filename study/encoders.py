"""A base's tokenizer without the base: what counts or shows documents needs no more."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, Final

from analysis.errors import first_line
from pbb.models.encoding import Encoder
from pbb.models.registry import UnknownModel, locate

ITS_FILES_ALONE: Final = "TokenizersBackend"
"""transformers' class of a tokenizer that its files tell all of, as its own writing names it."""


def load_encoder(model: str) -> Encoder:
    """The base's tokenizer alone. Raises UnknownModel."""
    files = locate(model)
    try:
        return Encoder(_tokenizer(files.folder, files.gguf))
    except Exception as error:  # whatever is wrong with somebody's files, the library says it so
        raise UnknownModel(
            f"model {model!r}: its tokenizer cannot be read ({first_line(error)}); restore the "
            f"files in {files.folder}"
        ) from error


def _tokenizer(folder: Path, gguf: str | None) -> Any:
    """Looking a class up by the model's family brings torch, which takes seconds: a launch waits
    for it, so it is left out where the class is known."""
    config = folder / "tokenizer_config.json"
    told = json.loads(config.read_text()) if config.exists() and not gguf else {}
    if told.get("tokenizer_class") == ITS_FILES_ALONE:
        from transformers import PreTrainedTokenizerFast

        return PreTrainedTokenizerFast.from_pretrained(folder)
    from transformers import AutoTokenizer

    kind = {"gguf_file": gguf} if gguf else {}
    return AutoTokenizer.from_pretrained(folder, trust_remote_code=False, **kind)

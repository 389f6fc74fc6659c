"""Base -> a frozen model in memory and its encoder."""

from __future__ import annotations

import logging
from typing import Any

import torch
from torch import nn
from transformers import AutoModelForCausalLM, AutoTokenizer

from pbb.config import Base
from pbb.models.encoding import Encoder
from pbb.models.registry import UnknownModel, locate, resolve

_DTYPES = {"float32": torch.float32, "bfloat16": torch.bfloat16}


def load_base(base: Base, dtype: str, device: torch.device) -> tuple[nn.Module, Encoder]:
    """The frozen model in `dtype` on `device`, and its tokenizer.

    Raises UnknownModel where the files are no longer those that the base was identified by.
    """
    found = resolve(base.name)
    if found.sha256 != base.sha256:
        raise UnknownModel(
            f"model {base.name!r} has changed: planned with {base.sha256[:12]}, found "
            f"{found.sha256[:12]}; plan the study again, or restore the weights"
        )
    files = locate(base.name)
    where: dict[str, Any] = {"pretrained_model_name_or_path": str(files.folder)}
    if files.gguf:
        where["gguf_file"] = files.gguf
    logging.getLogger("transformers").setLevel(logging.ERROR)  # load bars and advice, not errors
    model: Any = AutoModelForCausalLM.from_pretrained(
        **where, dtype=_DTYPES[dtype], trust_remote_code=False, use_safetensors=not files.gguf
    )
    tokenizer = AutoTokenizer.from_pretrained(**where, trust_remote_code=False)
    model.requires_grad_(False)
    return model.to(device).eval(), Encoder(tokenizer)

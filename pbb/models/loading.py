"""Base -> a frozen model in memory and its encoder."""

from __future__ import annotations

import os
import shutil
from pathlib import Path
from typing import Any, Final

import torch
from safetensors.torch import save_model
from torch import nn
from transformers import AutoModelForCausalLM, AutoTokenizer
from transformers.utils import logging as transformers_logging

from pbb.config import Base
from pbb.models.encoding import Encoder
from pbb.models.head import backbone, last_logits
from pbb.models.registry import Files, UnknownModel, cache_root, gguf_reader, locate, resolve

transformers_logging.disable_progress_bar()  # a study has a progress display of its own
transformers_logging.set_verbosity_error()
_DTYPES: Final = {"float32": torch.float32, "bfloat16": torch.bfloat16}


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
    folder = dequantised(files, base.sha256) if files.gguf else files.folder
    model: Any = AutoModelForCausalLM.from_pretrained(
        str(folder), dtype=_DTYPES[dtype], trust_remote_code=False, use_safetensors=True
    )
    tokenizer = AutoTokenizer.from_pretrained(str(folder), trust_remote_code=False)
    model.requires_grad_(False)
    model.to(device).eval()
    _check_head(model, base.name, device)
    return model, Encoder(tokenizer)


@torch.no_grad()
def _check_head(model: Any, name: str, device: torch.device) -> None:
    """Some families scale their logits after the head; those would train on wrong ones here."""
    tokens = torch.arange(1, 9, device=device)[None]
    whole = model(tokens).logits[:, -1].float()
    lean = last_logits(model, backbone(model)(tokens).last_hidden_state)
    if not torch.allclose(whole, lean, rtol=1e-2, atol=1e-2):
        raise UnknownModel(
            f"model {name!r} ({type(model).__name__}) changes its logits after the output head in "
            "a way that is not supported; choose a model of another family"
        )


def dequantised(files: Files, sha256: str) -> Path:
    """A GGUF base as float32 safetensors in the cache; made at the first use, which takes a while.

    Written under a temporary name and moved, so that two processes may race.
    """
    folder = cache_root() / "dequantised" / sha256[:20]
    if folder.is_dir():
        return folder
    assert files.gguf is not None
    gguf_reader(files.folder / files.gguf)  # a clear message where the package is missing
    source: dict[str, Any] = {
        "pretrained_model_name_or_path": str(files.folder),
        "gguf_file": files.gguf,
        "trust_remote_code": False,
    }
    partial = folder.with_name(f"{folder.name}.part{os.getpid()}")
    partial.mkdir(parents=True, exist_ok=True)
    model: Any = AutoModelForCausalLM.from_pretrained(**source, dtype=torch.float32)
    # transformers will not save a model that came from GGUF, though these are plain weights now.
    save_model(model, str(partial / "model.safetensors"), metadata={"format": "pt"})
    if hasattr(model.config, "quantization_config"):
        del model.config.quantization_config
    model.config.save_pretrained(partial)
    AutoTokenizer.from_pretrained(**source).save_pretrained(partial)
    try:
        partial.rename(folder)
    except OSError:  # another process was faster
        shutil.rmtree(partial)
    return folder

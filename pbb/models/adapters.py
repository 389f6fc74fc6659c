"""Adapters: attach to a base, save as safetensors, and prove that they are really applied.

rank > 0 is a peft LoRA on every linear layer but the head; rank 0 is a copy of all weights.
"""

from __future__ import annotations

import contextlib
import copy
import json
import warnings
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import torch
from peft import LoraConfig, PeftModel, get_peft_model, set_peft_model_state_dict
from peft.utils import get_peft_model_state_dict
from safetensors.torch import load_file, save_file
from torch import Tensor, nn

from pbb.config import Lora
from pbb.seeds import torch_seed

ADAPTER_FILE: Final = "adapter_model.safetensors"
FULL_FILE: Final = "model.safetensors"
CONFIG_FILE: Final = "adapter_config.json"
LORA_FILE: Final = "lora.json"
"""The `Lora` of a folder's weights, for whoever attaches them to a base."""


class AdapterError(RuntimeError):
    """An adapter does not fit its base, or is not applied."""


def checkpoint(folder: Path, step: int) -> Path:
    """Where a stage that left `folder` keeps its weights as they were after a step."""
    return folder / f"checkpoint-{step}"


def lora_config(lora: Lora) -> LoraConfig:
    """The peft configuration; scale alpha/sqrt(r) or alpha/r, no dropout, no bias."""
    return LoraConfig(
        r=lora.rank,
        lora_alpha=lora.alpha,  # type: ignore[arg-type]
        use_rslora=lora.scaling == "rslora",
        target_modules="all-linear",
        lora_dropout=0.0,
        bias="none",
        task_type="CAUSAL_LM",
    )


def read_tensors(file: Path, names: Iterable[str]) -> dict[str, Tensor]:
    """The tensors of a file, on the CPU. Raises AdapterError where it has others than these."""
    state = load_file(file)
    expected, found = set(names), set(state)
    if expected != found:
        raise AdapterError(
            f"{file}: {len(expected - found)} tensors missing, {len(found - expected)} "
            f"unexpected (for instance {sorted(expected ^ found)[0]})"
        )
    return state


@dataclass(frozen=True)
class AdapterFiles:
    """How weights are written. config: peft's adapter_config.json; null of rank 0."""

    lora: Lora
    config: str | None

    def write(self, folder: Path, tensors: dict[str, Tensor]) -> None:
        """Write weights that `tensors` gave: safetensors, lora.json, peft's adapter_config.json."""
        (folder / LORA_FILE).write_text(self.lora.model_dump_json())
        if self.config is None:
            save_file(tensors, folder / FULL_FILE, metadata={"format": "pt"})
            return
        save_file(tensors, folder / ADAPTER_FILE, metadata={"format": "pt"})
        (folder / CONFIG_FILE).write_text(self.config)


class Attached:
    """A base with trainable weights on it. `model` is the causal LM to run.

    Use as a context manager: leaving it hands the base back as it was.
    """

    def __init__(self, base: nn.Module, base_name: str, lora: Lora, seed: int) -> None:
        self._base_name = base_name
        self._lora = lora
        self._peft: PeftModel | None = None
        if lora.rank == 0:
            self.model: nn.Module = copy.deepcopy(base).float()
            self.model.requires_grad_(True)
            return
        # The draw of lora_A must follow its own stream, so seed immediately before it.
        torch.manual_seed(torch_seed("init", seed))
        with warnings.catch_warnings():  # peft 0.21 asks for a name that transformers 5.17 renames
            warnings.filterwarnings("ignore", "`is_gradient_checkpointing`", FutureWarning)
            wrapped: Any = get_peft_model(base, lora_config(lora))
        self._peft = wrapped
        self.model = wrapped.get_base_model()

    def __enter__(self) -> Attached:
        return self

    def __exit__(self, *error: object) -> None:
        if self._peft is not None:
            self._peft.unload()
            self._peft = None

    def tensors(self) -> dict[str, Tensor]:
        """The weights that a stage trains, by name, on the CPU.

        Of weights that are sharded over processes, all of these have to ask.
        """
        state = self._state()
        return {name: _copied(_whole(tensor.detach())) for name, tensor in state.items()}

    def _state(self) -> dict[str, Tensor]:
        """The weights that a stage trains, where they are."""
        if self._peft is not None:
            return dict(get_peft_model_state_dict(self._peft))
        state = dict(self.model.state_dict())
        for tied in getattr(self.model, "_tied_weights_keys", None) or {}:
            state.pop(tied, None)
        return state

    def load(self, folder: Path) -> None:
        """Take the weights saved in a folder. Raises AdapterError where names do not match."""
        file = folder / (FULL_FILE if self._peft is None else ADAPTER_FILE)
        state = read_tensors(file, self._state())
        if self._peft is not None:
            set_peft_model_state_dict(self._peft, state)
        else:
            self.model.load_state_dict(state, strict=False)

    def save(self, folder: Path) -> None:
        """Write the weights as they are into an existing folder."""
        self.write(folder, self.tensors())

    def write(self, folder: Path, tensors: dict[str, Tensor]) -> None:
        """Write weights that `tensors` gave."""
        self.files().write(folder, tensors)

    def files(self) -> AdapterFiles:
        """How its weights are written; of use when it is no longer attached, too."""
        if self._peft is None:
            return AdapterFiles(self._lora, None)
        return AdapterFiles(self._lora, json.dumps(self._described(), indent=1, sort_keys=True))

    def _described(self) -> dict[str, Any]:
        """peft's own configuration, without machine paths and in the same bytes every time."""
        assert self._peft is not None
        described = self._peft.peft_config["default"].to_dict()
        described["base_model_name_or_path"] = self._base_name
        described["inference_mode"] = True
        return {k: sorted(v) if isinstance(v, set) else v for k, v in described.items()}


def _copied(tensor: Tensor) -> Tensor:
    """On the CPU, in memory of its own: under training weights move, and may share theirs."""
    own = tensor.cpu()
    return own.clone(memory_format=torch.contiguous_format) if own is tensor else own.contiguous()


def _whole(tensor: Tensor) -> Tensor:
    """A sharded tensor put together; any other as it is."""
    whole: Tensor = tensor.full_tensor() if hasattr(tensor, "full_tensor") else tensor
    return whole


@contextlib.contextmanager
def standing(
    base: nn.Module,
    base_name: str,
    lora: Lora,
    seed: int,
    folder: Path | None,
    device: torch.device,
) -> Iterator[Attached]:
    """A base with trainable weights on it: those saved in `folder`; new ones where it is null."""
    with Attached(base, base_name, lora, seed) as attached:
        attached.model.to(device)
        if folder is not None:
            attached.load(folder)
        yield attached

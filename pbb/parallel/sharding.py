"""A model whose weights no process holds whole: FSDP, by torch's fully_shard."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from typing import Any

import torch
import torch.distributed as dist
from torch import Tensor, nn
from torch.distributed.device_mesh import init_device_mesh
from torch.distributed.fsdp import FSDPModule, fully_shard

from pbb.models.head import backbone
from pbb.models.registry import UnknownModel
from pbb.parallel.team import Team


def shard(model: nn.Module, device: torch.device) -> None:
    """Split a causal LM's weights over all processes, in place; layer by layer onto `device`.

    What lies in each process: its part of every layer and of the embedding, and the output head
    whole. A layer is put together when it is called, and taken apart after. Weights added later,
    LoRA's, stay whole in every process. Gradients of the parts are summed over the processes.
    """
    inner: Any = backbone(model)
    kinds = set(getattr(model, "_no_split_modules", None) or ())
    layers = [module for module in inner.modules() if type(module).__name__ in kinds]
    if not layers:
        raise UnknownModel(
            f"{type(model).__name__} does not say which of its modules are layers, so it cannot be "
            "sharded; choose resources.strategy: ddp, or a model of another family"
        )
    mesh = init_device_mesh(device.type, (dist.get_world_size(),))
    head: Any = model.get_output_embeddings()  # type: ignore[operator]
    for layer in layers:
        fully_shard(layer, mesh=mesh, reshard_after_forward=True)
    # The head is called by itself, and may share its weights with the embedding.
    of_head = set(head.parameters())
    fully_shard(inner, mesh=mesh, reshard_after_forward=True, ignored_params=of_head)
    # Holds nothing: it changes the class, so that nobody takes the weights for plain tensors.
    fully_shard(model, mesh=mesh, ignored_params=set(model.parameters()))
    model.to(device)
    for module in model.modules():
        if isinstance(module, FSDPModule):
            module.set_gradient_divide_factor(1.0)
            module.set_force_sum_reduction_for_comms(True)
    with torch.no_grad():  # what is first put together in inference mode could not be trained
        _call(inner, device)


@contextlib.contextmanager
def lockstep(model: nn.Module, team: Team) -> Iterator[None]:
    """Inside, each process may call a sharded model as often as it likes.

    Before a call it tells so. Who has left the block calls along until none is in it.
    """
    inner = backbone(model)
    inside = True

    def announce(*call: object) -> None:
        if inside:
            team.total(1.0)

    announcing = inner.register_forward_pre_hook(announce, prepend=True)
    try:
        yield
        inside = False
        with torch.no_grad():
            while team.total(0.0):
                _call(inner, team.device)
    finally:
        announcing.remove()


def _call(inner: Any, device: torch.device) -> Tensor:
    """Read one token."""
    token = torch.zeros((1, 1), dtype=torch.long, device=device)
    read: Tensor = inner(input_ids=token, use_cache=False).last_hidden_state
    return read

"""How much of a GPU's memory is this process's: a share of it, where others use the rest."""

from __future__ import annotations

import torch


def keep_to(share: float) -> None:
    """Let this process have so much of its GPU's memory, above 0, at most 1 (all of it).

    More is a torch.OutOfMemoryError then. Without a GPU nothing happens.
    """
    if torch.cuda.is_available():
        torch.cuda.set_per_process_memory_fraction(share)


def own_bytes(device: torch.device) -> int:
    """All that this process may ever take; the whole memory unless it keeps to a share."""
    share = torch.cuda.get_per_process_memory_fraction(device.index)  # takes no bare "cuda"
    return int(share * torch.cuda.get_device_properties(device).total_memory)


def free_bytes(device: torch.device) -> int:
    """What this process may take beside what it has reserved, as far as others leave it that."""
    free, _ = torch.cuda.mem_get_info(device)
    return max(0, min(free, own_bytes(device) - torch.cuda.memory_reserved(device)))

"""A process that holds a part of a GPU counts on that part of its memory."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest
import torch

from pbb.evaluation.cohort_decoding import Resident
from pbb.memory_share import free_bytes, keep_to, own_bytes
from pbb.training import cohort_size

CUDA = torch.device("cuda", 0)
GB = 10**9


class Gpu:
    """80 GB, as torch tells of them."""

    total, free, reserved, share = 80 * GB, 78 * GB, 0, 1.0


@pytest.fixture
def gpu(monkeypatch: pytest.MonkeyPatch) -> Gpu:
    found = Gpu()
    about = SimpleNamespace(total_memory=found.total)
    for name, value in {
        "is_available": lambda: True,
        "set_per_process_memory_fraction": lambda share: setattr(found, "share", share),
        "get_per_process_memory_fraction": lambda _: found.share,
        "get_device_properties": lambda _: about,
        "mem_get_info": lambda _: (found.free, found.total),
        "memory_reserved": lambda _: found.reserved,
        "empty_cache": lambda: None,
    }.items():
        monkeypatch.setattr(torch.cuda, name, value)
    return found


def test_a_whole_gpu_is_what_is_free(gpu: Gpu) -> None:
    assert (own_bytes(CUDA), free_bytes(CUDA)) == (gpu.total, gpu.free)


def test_of_a_share_others_have_the_rest_whether_they_use_it_or_not(gpu: Gpu) -> None:
    keep_to(0.25)
    assert (own_bytes(CUDA), free_bytes(CUDA)) == (20 * GB, 20 * GB)
    gpu.reserved = 5 * GB
    assert free_bytes(CUDA) == 15 * GB
    gpu.free = GB
    assert free_bytes(CUDA) == GB, "others took more than theirs"
    gpu.reserved = 21 * GB
    assert free_bytes(CUDA) == 0


def test_a_quarter_of_a_gpu_trains_and_answers_a_quarter_at_once(
    gpu: Gpu, monkeypatch: pytest.MonkeyPatch
) -> None:
    gpu.free = gpu.total
    monkeypatch.setattr(cohort_size, "_peak_bytes", lambda *_: GB)
    document = SimpleNamespace(ids=[1])
    stage = SimpleNamespace(numerics=SimpleNamespace(max_batch_tokens=1000))
    llama = SimpleNamespace(embedding=SimpleNamespace(device=CUDA))
    steps: Any = object()

    def at_once() -> tuple[int, int]:
        most: int = cohort_size.most_abreast(stage, llama, [document], 0)  # type: ignore[arg-type]
        return most, Resident(CUDA, steps)._most_bytes

    trained, answered = at_once()
    keep_to(0.25)
    assert at_once() == (trained // 4, answered // 4)

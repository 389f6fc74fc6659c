"""Named seed streams: every source of randomness has a name, and streams never collide."""

from __future__ import annotations

import hashlib

import numpy as np


def _entropy(name: str, keys: tuple[int | str, ...]) -> int:
    text = "\x1f".join([name, *(f"{type(k).__name__}:{k}" for k in keys)])
    return int.from_bytes(hashlib.sha256(text.encode()).digest()[:16], "big")


def stream(name: str, *keys: int | str) -> np.random.Generator:
    """An independent generator for (name, keys); the same in every process and on every platform.

    Names in use: `programs`, `names`, `items` (data_seed); `compositions` (data_seed, split);
    `ciphers` (alphabet, length); `chance` (meaning); `inputs` (generator); `skew` (data_seed,
    program); `sampling` (data_seed, program, item); `demonstrations` (data_seed, seed, program);
    `placebo` (data_seed, seed); `order` (seed, stage's role, component); `prompts` (seed,
    stage's role); `rollouts` (seed, stage's role, step); `init` (seed); `search` (design, seed);
    `lengths` (data_seed, kind of document). The nano bases have `library`, `library-names`,
    `passing`, `unseen`, `pretrain`, `nano-init` and `card`.
    """
    return np.random.Generator(np.random.PCG64(_entropy(name, keys)))


def torch_seed(name: str, *keys: int | str) -> int:
    """A 63-bit seed for `torch.manual_seed` from the stream (name, keys)."""
    return _entropy(name, keys) >> 65

"""GRPO's terms: advantages of answers, log-probabilities of tokens, and the loss of a token."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from pbb.models.forward import Forward
from pbb.training.batching import Microbatch


def advantages(
    rewards: NDArray[np.float64], normalise: Literal["std", "none"]
) -> NDArray[np.float64]:
    """Reward minus its group's mean, over the group's standard deviation with "std".

    rewards and result: (groups, answers of each). A group of equal rewards has no advantages; that
    is asked of the rewards themselves, for rounding may give their deviation from their mean.
    """
    centred = rewards - rewards.mean(axis=1, keepdims=True)
    if normalise == "std":
        deviation = rewards.std(axis=1, keepdims=True)
        centred = centred / np.where(deviation > 0, deviation, 1.0)
    return np.where(is_flat(rewards)[:, None], 0.0, centred)


def is_flat(rewards: NDArray[np.float64]) -> NDArray[np.bool_]:
    """(groups,): whether all answers of a group earned the same."""
    flat: NDArray[np.bool_] = rewards.min(axis=1) == rewards.max(axis=1)
    return flat


@dataclass(frozen=True)
class Scored:
    """Of a microbatch's target tokens, in order: log-probability and entropy there [nats]."""

    log_p: Tensor
    entropy: Tensor


def scored(forward: Forward, batch: Microbatch, temperature: float) -> Scored:
    """Score a microbatch with the policy softmax(logits / temperature). Entropy has no gradient."""
    logits = forward(batch.packed, batch.before) / temperature
    log_p = logits.log_softmax(dim=-1)
    with torch.no_grad():
        entropy = -(log_p.exp() * log_p).sum(dim=-1)
    return Scored(log_p.gather(1, batch.wanted[:, None])[:, 0], entropy)


def per_token(values: Tensor, batch: Microbatch) -> Tensor:
    """Values of documents, (documents,) -> of a microbatch's target tokens."""
    return values[batch.owner]


def gain(
    log_p: Tensor, sampled_log_p: Tensor, advantage: Tensor, clip: float | None
) -> tuple[Tensor, Tensor]:
    """PPO's objective of each token, to be raised, and where the clip held it back.

    The ratio to the policy that sampled, times the advantage; with a clip the lesser of that and of
    the same with the ratio kept in 1 - clip .. 1 + clip (Schulman et al. 2017, arXiv 1707.06347).
    All arguments (tokens,).
    """
    ratio = (log_p - sampled_log_p).exp()
    free = ratio * advantage
    if clip is None:
        return free, torch.zeros_like(free, dtype=torch.bool)
    held = ratio.clamp(1 - clip, 1 + clip) * advantage
    return torch.minimum(free, held), held < free


def divergence(log_p: Tensor, parent_log_p: Tensor) -> Tensor:
    """k3 estimate of KL(policy | parent) [nats] at each sampled token: unbiased, never negative.

    r - 1 - log r with r = parent's probability / policy's (Schulman 2020, "Approximating KL
    divergence"; Shao et al. 2024, eq. 4).
    """
    gap = parent_log_p - log_p
    return torch.expm1(gap) - gap

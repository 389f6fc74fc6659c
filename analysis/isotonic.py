"""Centred isotonic regression and its inverse (Oron & Flournoy 2017, arXiv:1701.05964, section 2).

The isotonic fit is flat wherever raw means fall; put at the centre of its flat stretch, each pooled
value leaves a strictly rising curve, which can be inverted. They join the points by lines that are
straight in accuracy; here lines are straight in its logit. Learning curves bend like logistic ones,
and between n a factor of four apart a chord in accuracy was off by up to 0.08 decades of n, which
no interval knew of. Vectorised over bootstrap draws.
"""

from __future__ import annotations

from typing import Final

import numpy as np
from scipy.special import expit, logit

from analysis.curves import Array

TIE: Final = 1e-9
"""Accuracies closer than this are equal; sums of shares differ in the last bits."""

EDGE: Final = 0.005
"""Accuracies nearer to 0 or 1 count as this, so that their logits are finite."""


def bent(accuracy: Array) -> Array:
    """The scale on which the curve is straight between its points: the logit."""
    return np.asarray(logit(np.clip(accuracy, EDGE, 1 - EDGE)))


def isotonic(y: Array, weight: Array) -> Array:
    """Weighted non-decreasing least-squares fit along the last axis (max-min formula)."""
    size = y.shape[-1]
    total = np.concatenate([np.zeros((*y.shape[:-1], 1)), np.cumsum(y * weight, axis=-1)], axis=-1)
    mass = np.concatenate([[0.0], np.cumsum(weight)])
    fitted = np.full(y.shape, -np.inf)
    for start in range(size):
        ends = np.arange(start + 1, size + 1)
        average = (total[..., ends] - total[..., start, None]) / (mass[ends] - mass[start])
        least = np.minimum.accumulate(average[..., ::-1], axis=-1)[..., ::-1]
        fitted[..., start:] = np.maximum(fitted[..., start:], least)
    return fitted


def centres(x: Array, fitted: Array, weight: Array) -> Array:
    """For every point the weighted mean x of its flat stretch: what makes the fit invertible."""
    size = fitted.shape[-1]
    place = np.arange(size)
    steps = np.diff(fitted, axis=-1) > TIE
    edge = np.ones((*fitted.shape[:-1], 1), dtype=bool)
    first = np.maximum.accumulate(np.where(np.concatenate([edge, steps], -1), place, 0), axis=-1)
    ends = np.where(np.concatenate([steps, edge], -1), place, size)[..., ::-1]
    last = np.minimum.accumulate(ends, axis=-1)[..., ::-1]
    mass = np.concatenate([[0.0], np.cumsum(weight)])
    moment = np.concatenate([[0.0], np.cumsum(weight * x)])
    return np.asarray((moment[last + 1] - moment[first]) / (mass[last + 1] - mass[first]))


def invert(x: Array, y: Array, weight: Array, target: Array) -> Array:
    """x at which the centred isotonic fit reaches the target; -inf below the fit, inf above it.

    x, weight: shape (levels,), x increasing. y: shape (draws, levels). target: shape (draws,).
    """
    fitted, centre = _fit(x, y, weight)
    aim = target[:, None]
    below, above = fitted <= aim + TIE, fitted >= aim - TIE
    last = np.maximum(below.sum(axis=1) - 1, 0)
    first = np.minimum((~above).sum(axis=1), len(x) - 1)
    row = np.arange(len(y))
    low = bent(fitted[row, last])
    rise = bent(fitted[row, first]) - low
    share = np.where(rise > TIE, (bent(target) - low) / np.where(rise > TIE, rise, 1), 0)
    found = centre[row, last] + share * (centre[row, first] - centre[row, last])
    return np.where(~below.any(axis=1), -np.inf, np.where(~above.any(axis=1), np.inf, found))


def _fit(x: Array, y: Array, weight: Array) -> tuple[Array, Array]:
    """Fits and centres; the work is done for draws that need it, those that fall or stand still."""
    falls = (np.diff(y, axis=1) < 0).any(axis=1)
    fitted = y.copy()
    fitted[falls] = isotonic(y[falls], weight)
    flat = (np.diff(fitted, axis=1) <= TIE).any(axis=1)
    centre = np.repeat(x[None], len(y), axis=0)
    centre[flat] = centres(x, fitted[flat], weight)
    return fitted, centre


def curve_at(x: Array, y: Array, weight: Array, at: Array) -> tuple[Array, Array]:
    """The curve at `at`, and what it gains per unit of each y: shapes (k,) and (k, levels).

    x, y, weight: shape (levels,). The curve is flat outside the centres of its first and last
    stretch. The pooling found in y is taken as given, and the gradient is the delta method's.
    """
    fitted = isotonic(y[None], weight)[0]
    block = np.concatenate([[0], np.cumsum(np.diff(fitted) > TIE)])
    average = np.zeros((int(block[-1]) + 1, len(y)))
    average[block, np.arange(len(y))] = weight
    average /= average.sum(axis=1, keepdims=True)
    height = average @ y
    if len(average) == 1:
        return np.repeat(height, len(at)), np.repeat(average, len(at), axis=0)
    centre = average @ x
    right = np.clip(np.searchsorted(centre, at), 1, len(centre) - 1)
    left = right - 1
    share = np.clip((at - centre[left]) / (centre[right] - centre[left]), 0, 1)
    value = expit((1 - share) * bent(height[left]) + share * bent(height[right]))
    slope = value * (1 - value)
    inside = np.clip(height, EDGE, 1 - EDGE)
    pull = average / (inside * (1 - inside))[:, None]
    gradient = slope[:, None] * ((1 - share)[:, None] * pull[left] + share[:, None] * pull[right])
    return value, gradient

"""Centred isotonic regression and its inverse (Oron & Flournoy 2017, arXiv:1701.05964, section 2).

The isotonic fit is flat wherever raw means fall; put at the centre of its flat stretch, each pooled
value leaves a strictly rising curve, which can be inverted. Vectorised over bootstrap draws.
"""

from __future__ import annotations

from typing import Final

import numpy as np

from analysis.curves import Array

TIE: Final = 1e-9
"""Accuracies closer than this are equal; sums of shares differ in the last bits."""


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
    rise = fitted[row, first] - fitted[row, last]
    share = np.where(rise > TIE, (target - fitted[row, last]) / np.where(rise > TIE, rise, 1), 0)
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


def coefficients(x: Array, y: Array, weight: Array, at: Array) -> Array:
    """What the curve at `at` is made of: weights on y, shape (len(at), len(y)), rows summing to 1.

    x, y, weight: shape (levels,). The curve is flat outside the centres of its first and last
    stretch. The pooling found in y is taken as given.
    """
    fitted = isotonic(y[None], weight)[0]
    block = np.concatenate([[0], np.cumsum(np.diff(fitted) > TIE)])
    average = np.zeros((int(block[-1]) + 1, len(y)))
    average[block, np.arange(len(y))] = weight
    average /= average.sum(axis=1, keepdims=True)
    if len(average) == 1:
        return np.repeat(average, len(at), axis=0)
    centre = average @ x
    right = np.clip(np.searchsorted(centre, at), 1, len(centre) - 1)
    left = right - 1
    share = np.clip((at - centre[left]) / (centre[right] - centre[left]), 0, 1)[:, None]
    return np.asarray((1 - share) * average[left] + share * average[right])

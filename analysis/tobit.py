"""Weighted regression on values of which some are only bounds (Tobin 1958), many at once."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np
from scipy.special import log_ndtr

from analysis.curves import Array

MOST_STEPS: Final = 60
CLOSE: Final = 1e-9
"""Newton steps, in units of y, below which a line has settled."""
LEAST_SPREAD: Final = 1e-3
"""Points more certain than this weigh as if they had it."""


def slopes(x: Array, low: Array, high: Array, spread: Array) -> tuple[Array, Array]:
    """Least and greatest slope of each row, shape (rows,) each; equal where it is determined.

    x, spread: shape (points,), spread being each point's known standard deviation; inf counts as
    the largest finite one. low, high: shape (rows, points), equal where y is a value; one of them
    is infinite where y is only a bound.

    A row with values at two places or more has a maximum-likelihood slope, since the likelihood is
    concave. With fewer, the slope can be whatever the bounds allow: the range of the least-squares
    slope, which is linear in y, over all y within the bounds.
    """
    finite = spread[np.isfinite(spread)]
    sigma = np.clip(spread, LEAST_SPREAD, max(finite.max(initial=0.0), LEAST_SPREAD))
    line = _Line.of(x, sigma)
    least, most = line.range(low, high)
    exact = low == high
    censored = ~exact.all(axis=1)
    places = np.unique(x)
    held = np.stack([exact[:, x == place].any(axis=1) for place in places], axis=1).sum(axis=1)
    rows = censored & (held >= 2)
    if rows.any():
        least[rows] = most[rows] = line.likeliest(low[rows], high[rows])
    return least, most


@dataclass(frozen=True, eq=False)
class _Line:
    """y = level + slope * u, u being x from its weighted mean; all shape (points,)."""

    u: Array
    sigma: Array

    @classmethod
    def of(cls, x: Array, sigma: Array) -> _Line:
        return cls(x - np.average(x, weights=sigma**-2), sigma)

    @property
    def coefficients(self) -> Array:
        """Of the least-squares slope, on y."""
        pull = self.u / self.sigma**2
        return np.asarray(pull / (pull @ self.u))

    def range(self, low: Array, high: Array) -> tuple[Array, Array]:
        """Least and greatest least-squares slope over all y from low to high."""
        c = self.coefficients
        used = c != 0  # 0 times infinity is no number
        c, low, high = c[used], low[:, used], high[:, used]
        return np.where(c > 0, low, high) @ c, np.where(c > 0, high, low) @ c

    def likeliest(self, low: Array, high: Array) -> Array:
        """Maximum-likelihood slopes, shape (rows,), by Newton's method with step halving."""
        start = np.where(np.isfinite(low), low, high)
        weight = self.sigma**-2
        theta = np.stack([start @ weight / weight.sum(), start @ self.coefficients], axis=1)
        value = self._score(theta, low, high)[0]
        for _ in range(MOST_STEPS):
            _, gradient, curvature = self._score(theta, low, high)
            step = np.linalg.solve(curvature, gradient[..., None])[..., 0]
            tried = theta + step
            while (worse := self._score(tried, low, high)[0] < value - CLOSE).any():
                step[worse] /= 2
                tried = theta + step
            theta, value = tried, self._score(tried, low, high)[0]
            if np.abs(step).max() < CLOSE:
                break
        return theta[:, 1]

    def _score(self, theta: Array, low: Array, high: Array) -> tuple[Array, Array, Array]:
        """Log likelihood (rows,), its gradient (rows, 2) and its negative Hessian (rows, 2, 2)."""
        design = np.stack([np.ones_like(self.u), self.u], axis=1) / self.sigma[:, None]
        fitted = theta @ (design * self.sigma[:, None]).T
        exact, above = low == high, np.isfinite(low)
        side = np.where(above, 1.0, -1.0)
        room = (fitted - np.where(above, low, high)) / self.sigma
        z = side * room
        mills = np.exp(-(z**2) / 2 - np.log(2 * np.pi) / 2 - log_ndtr(z))
        log_p = np.where(exact, -(room**2) / 2, log_ndtr(z))
        slope = np.where(exact, -room, side * mills)
        bend = np.where(exact, 1.0, mills * (z + mills))
        return (
            log_p.sum(axis=1),
            slope @ design,
            np.einsum("rp,pi,pj->rij", bend, design, design),
        )

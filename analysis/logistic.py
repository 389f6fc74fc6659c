"""Four-parameter logistic curves in log n, one or several with asymptotes in common.

accuracy = c + (d - c) / (1 + exp(-(b log n + a))), the log-logistic LL.4 of Ritz, Baty, Streibig &
Gerhard 2015 (PLoS ONE 10, e0146021), rising; e = exp(-a / b) is the n halfway. Fitted by weighted
least squares (Levenberg-Marquardt). What a parameter owes to each point comes with it, so that its
variance is that of the points, whatever that is: the weights decide efficiency, not validity.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import least_squares
from scipy.special import expit, logit

from analysis.curves import Array

LEAST_RANK: Final = 1e-6
"""Relative to the largest, the least singular value of a fit whose parameters can be told apart."""

STEEPEST: Final = 12.0
"""A slope at which accuracy goes from 5% to 95% of its way while n grows by two thirds."""

AT_THE_EDGE: Final = 1e-3
"""So near to the end of its range, a parameter counts as held there."""


class NoFit(ValueError):
    """No curve of this kind describes the points; the message says why."""


@dataclass(frozen=True, eq=False)
class Curves:
    """Fitted curves. A point belongs to curve `of`, whose slope is `slope[of]`, or the common one.

    lower, upper: c and d. slope, intercept: b and a, one a curve. influence: what each of
    (c, d, b..., a...) gains per unit of each point, shape (parameters, points); 0 for an asymptote
    that was held at 0 or 1, beyond which it would have gone.
    """

    lower: float
    upper: float
    slope: Array
    intercept: Array
    influence: Array

    def at(self, log_n: Array, of: NDArray[np.intp]) -> Array:
        """Accuracy, shape of `log_n`; -inf gives the lower asymptote."""
        return np.asarray(self.lower + (self.upper - self.lower) * self._share(log_n, of))

    def gradient(self, log_n: Array, of: NDArray[np.intp]) -> Array:
        """What accuracy there owes to each fitted point, shape (len(log_n), points)."""
        return self._jacobian(log_n, of) @ self.influence

    def inverse(self, accuracy: float, of: int) -> float:
        """log n at which curve `of` has this accuracy; -inf below, inf above its asymptotes."""
        share = (accuracy - self.lower) / (self.upper - self.lower)
        if not 0 < share < 1:
            return -np.inf if share <= 0 else np.inf
        return float((logit(share) - self.intercept[of]) / self.slope[self._slope(of)])

    def _slope(self, of: int) -> int:
        return of if len(self.slope) > 1 else 0

    def _share(self, log_n: Array, of: NDArray[np.intp]) -> Array:
        slope = self.slope[of] if len(self.slope) > 1 else self.slope[0]
        return np.asarray(expit(slope * log_n + self.intercept[of]))

    def _jacobian(self, log_n: Array, of: NDArray[np.intp]) -> Array:
        theta = np.concatenate([[self.lower, self.upper], self.slope, self.intercept])
        return _Model(log_n, of, len(self.slope), len(self.intercept)).jacobian(theta)


@dataclass(frozen=True, eq=False)
class _Model:
    """Accuracy at some points as a function of theta = (c, d, b..., a...)."""

    log_n: Array
    of: NDArray[np.intp]
    slopes: int
    curves: int

    def _parts(self, theta: Array) -> tuple[Array, NDArray[np.intp], NDArray[np.intp]]:
        b = 2 + (self.of if self.slopes > 1 else np.zeros_like(self.of))
        a = 2 + self.slopes + self.of
        return np.asarray(expit(theta[b] * self.log_n + theta[a])), b, a

    def value(self, theta: Array) -> Array:
        share, _, _ = self._parts(theta)
        return np.asarray(theta[0] + (theta[1] - theta[0]) * share)

    def jacobian(self, theta: Array) -> Array:
        share, b, a = self._parts(theta)
        rise = (theta[1] - theta[0]) * share * (1 - share)
        rows = np.arange(len(share))
        found = np.zeros((len(share), len(theta)))
        found[:, 0], found[:, 1] = 1 - share, share
        # At n = 0 the share is 0, and so is its slope.
        found[rows, b] = rise * np.where(np.isfinite(self.log_n), self.log_n, 0.0)
        found[rows, a] = rise
        return found


def fit(
    log_n: Array, y: Array, weight: Array, of: NDArray[np.intp], *, own_slopes: bool = False
) -> Curves:
    """Rising curves through points, with c and d in common and within 0..1.

    log_n: -inf for n = 0. weight: proportional to 1 / variance. of: which curve a point is on,
    0, 1, ... own_slopes: whether b differs between curves too. Raises NoFit.
    """
    curves = int(of.max()) + 1
    model = _Model(log_n, of, curves if own_slopes else 1, curves)
    if len(y) < 2 + model.slopes + curves:
        raise NoFit(f"{len(y)} points are too few for {2 + model.slopes + curves} parameters")
    start = _start(model, y)
    root = np.sqrt(weight / weight.max())
    edge = np.full(curves, np.inf)
    steepest = np.full(model.slopes, STEEPEST)
    found = least_squares(
        lambda theta: root * (model.value(theta) - y),
        start,
        jac=lambda theta: root[:, None] * model.jacobian(theta),
        bounds=(
            np.concatenate([[0, 0], 0 * steepest, -edge]),
            np.concatenate([[1, 1], steepest, edge]),
        ),
        x_scale=np.concatenate([[0.1, 0.1], np.ones(len(start) - 2)]),
    )
    theta = found.x
    c, d, b, a = theta[0], theta[1], *np.split(theta[2:], [model.slopes])
    if not found.success:
        raise NoFit("the fit did not converge")
    if d - c < AT_THE_EDGE or b.min() < AT_THE_EDGE:
        raise NoFit("accuracy does not rise with n")
    if b.max() > STEEPEST - AT_THE_EDGE:
        raise NoFit("accuracy rises in one step between two n, which leaves the slope unknown")
    free = np.ones(len(theta), dtype=bool)
    free[:2] = c > AT_THE_EDGE, d < 1 - AT_THE_EDGE
    influence = np.zeros((len(theta), len(y)))
    influence[free] = _influence(root[:, None] * model.jacobian(theta)[:, free]) * root
    return Curves(float(c), float(d), b, a, influence)


def _influence(jacobian: Array) -> Array:
    """What the parameters gain per unit of each residual, shape (parameters, points)."""
    length = np.linalg.norm(jacobian, axis=0)
    if not length.all():
        raise NoFit("the points do not determine the curve")
    u, size, v = np.linalg.svd(jacobian / length, full_matrices=False)
    if size[-1] < LEAST_RANK * size[0]:
        raise NoFit("the points do not determine the curve")
    return np.asarray((v.T / size) @ u.T / length[:, None])


def _start(model: _Model, y: Array) -> Array:
    """Asymptotes a little beyond the points, and straight lines through the logits between."""
    low, high = max(y.min() - 0.02, 0.001), min(y.max() + 0.02, 0.999)
    z = logit(np.clip((y - low) / (high - low), 0.02, 0.98))
    slopes, intercepts = [], []
    for curve in range(model.curves):
        mine = np.isfinite(model.log_n) & (model.of == curve)
        slope = float(np.clip(np.polyfit(model.log_n[mine], z[mine], 1)[0], 0.1, STEEPEST / 2))
        slopes.append(slope)
        intercepts.append(float((z[mine] - slope * model.log_n[mine]).mean()))
    return np.array([low, high, *(slopes if model.slopes > 1 else [np.mean(slopes)]), *intercepts])

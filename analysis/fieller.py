"""Limits of a ratio of two estimates, after Fieller.

Fieller (1954), Some problems in interval estimation, J. R. Statist. Soc. B 16, 175-185; Franz
(2007), arXiv:0710.2024, on the shapes that the set can have. Unlike the delta method it says so
when the denominator cannot be told from 0: then no finite interval covers.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import copysign, isfinite, sqrt


@dataclass(frozen=True)
class RatioInterval:
    """All ratios r at which a t test does not tell m1 - r m2 from 0.

    low, high: null where open. bounded: whether the set is an interval; if not, it is the whole
    line, less the open interval `excluded` where there is one.
    """

    ratio: float
    low: float | None
    high: float | None
    bounded: bool
    excluded: tuple[float, float] | None = None


def fieller(m1: float, m2: float, v11: float, v22: float, v12: float, t: float) -> RatioInterval:
    """Limits of m1 / m2.

    v11, v22, v12: variances and covariance of m1 and m2. t: the quantile of the test. The limits
    solve (m2^2 - t^2 v22) r^2 - 2 (m1 m2 - t^2 v12) r + (m1^2 - t^2 v11) = 0; they bound an
    interval only where g = t^2 v22 / m2^2 < 1. Raises ValueError for m2 = 0, for what is not
    finite, and for variances that no pair of estimates can have.
    """
    if not all(map(isfinite, (m1, m2, v11, v22, v12, t))) or m2 == 0:
        raise ValueError(f"no ratio of {m1=} and {m2=} with {v11=}, {v22=}, {v12=}, {t=}")
    if min(v11, v22, t) < 0 or v12**2 > v11 * v22 * (1 + 1e-6):
        raise ValueError(f"{v11=}, {v22=}, {v12=}, {t=} are no variances and quantile")
    a, f, c = m2**2 - t**2 * v22, m1 * m2 - t**2 * v12, m1**2 - t**2 * v11
    under_root = f**2 - a * c
    if a == 0 or (a < 0 and under_root <= 0):
        return RatioInterval(m1 / m2, None, None, bounded=False)
    # The root that adds up is exact; the other one follows from their product.
    large = f + copysign(sqrt(max(under_root, 0.0)), f)
    low, high = sorted((large / a, c / large if large else 0.0))
    if a > 0:
        return RatioInterval(m1 / m2, low, high, bounded=True)
    return RatioInterval(m1 / m2, None, None, bounded=False, excluded=(low, high))

"""Logistic curves against R's drc, scipy's `curve_fit`, and refits of moved points."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.optimize import curve_fit
from scipy.special import expit

from analysis.curves import Array
from analysis.logistic import NoFit, fit

# Root length [cm] of ryegrass by concentration of ferulic acid [mM] (Inderjit, Streibig &
# Olofsdotter 2002), as R's drc 3.0 has it, and its estimates b, c, d, e of LL.4.
RYEGRASS = {
    0.0: [7.58, 8.0, 8.3285714, 7.25, 7.375, 7.9625],
    0.94: [8.3555556, 6.9142857, 7.75],
    1.88: [6.8714286, 6.45, 5.9222222],
    3.75: [1.925, 2.8857143, 4.2333333],
    7.5: [1.1875, 0.8571429, 1.0571429],
    15.0: [0.6875, 0.525, 0.825],
    30.0: [0.25, 0.22, 0.44],
}
RYEGRASS_DRC = (2.98222, 0.48141, 7.79296, 3.05795)

# Dry matter [g] of white mustard by dose [g/ha] of two herbicides (Christensen, Teicher & Streibig
# 2003), and drc's estimates with c and d in common: b and e of each, c, d.
BENTAZONE = {
    0: [4.1, 3.4, 2.6, 3.5, 4.3, 4.2, 4.1, 4.5],
    10: [3.5, 3.8, 3.9, 3.7],
    20: [3.2, 3.5, 3.0, 4.0],
    40: [1.1, 1.4, 1.4, 0.9],
    80: [0.9, 0.6, 0.7, 0.8],
    160: [0.7, 0.7, 0.5, 0.6],
    320: [0.8, 0.5, 0.7, 0.8],
    640: [0.6, 0.7, 0.6, 0.8],
}
GLYPHOSATE = {
    0: [4.7, 4.6, 4.1, 4.4, 3.2, 3.0, 3.8, 3.9],
    10: [3.8, 3.8, 3.8, 3.3],
    20: [4.1, 3.5, 4.1, 3.2],
    40: [2.8, 3.0, 3.7, 3.4],
    80: [1.8, 1.6, 2.3, 1.7],
    160: [1.1, 1.3, 1.0, 1.2],
    320: [0.9, 0.9, 0.9, 0.9],
}
MUSTARD_DRC = {"b": (5.046141, 2.390218), "e": (28.632355, 66.890545)}
MUSTARD_DRC_LIMITS = (0.716559, 3.854861)
MUSTARD_DRC_RESIDUAL = 0.3705151


def unfolded(data: dict[float, list[float]]) -> tuple[Array, Array]:
    """Log dose, and growth lost as a share of 10, so that the curve rises within 0..1."""
    pairs = [(dose, value) for dose, values in data.items() for value in values]
    dose, value = np.array(pairs).T
    with np.errstate(divide="ignore"):
        return np.log(dose), 1 - value / 10


def test_one_curve_as_drc_fits_it() -> None:
    log_n, y = unfolded(RYEGRASS)
    found = fit(log_n, y, np.ones(len(y)), np.zeros(len(y), dtype=np.intp))
    e = np.exp(-found.intercept[0] / found.slope[0])
    ours = (found.slope[0], 10 * (1 - found.upper), 10 * (1 - found.lower), e)
    assert ours == pytest.approx(RYEGRASS_DRC, rel=1e-5)


def test_two_curves_with_limits_in_common_as_drc_fits_them() -> None:
    sides = [unfolded(data) for data in (BENTAZONE, GLYPHOSATE)]
    log_n, y = (np.concatenate(part) for part in zip(*sides, strict=True))
    of = np.repeat([0, 1], [len(side[1]) for side in sides])
    found = fit(log_n, y, np.ones(len(y)), of, own_slopes=True)
    # drc stops its search a little short of the optimum; ours is no worse than what it prints.
    assert found.slope == pytest.approx(MUSTARD_DRC["b"], rel=5e-3)
    assert np.exp(-found.intercept / found.slope) == pytest.approx(MUSTARD_DRC["e"], rel=2e-3)
    assert (10 - 10 * found.upper, 10 - 10 * found.lower) == pytest.approx(
        MUSTARD_DRC_LIMITS, rel=1e-3
    )
    residual = 10 * np.sqrt(((y - found.at(log_n, of)) ** 2).sum() / (len(y) - 6))
    assert residual <= MUSTARD_DRC_RESIDUAL + 1e-7
    assert residual == pytest.approx(MUSTARD_DRC_RESIDUAL, rel=1e-4)


def four(log_n: Array, c: float, d: float, b: float, a: float) -> Array:
    return np.asarray(c + (d - c) * expit(b * log_n + a))


LOG_N = np.log([1.0, 2, 4, 8, 16, 32, 64])
TRUTH = (0.08, 0.9, 1.6, -3.2)
ONE = np.zeros(len(LOG_N), dtype=np.intp)


def test_clean_points_give_back_their_curve() -> None:
    found = fit(LOG_N, four(LOG_N, *TRUTH), np.ones(len(LOG_N)), ONE)
    ours = (found.lower, found.upper, found.slope[0], found.intercept[0])
    assert ours == pytest.approx(TRUTH, rel=1e-5)
    for height in (0.2, 0.5, 0.85):
        assert four(np.array(found.inverse(height, 0)), *TRUTH) == pytest.approx(height)
    assert (found.inverse(0.05, 0), found.inverse(0.95, 0)) == (-np.inf, np.inf)


def test_noisy_weighted_points_as_scipy_fits_them() -> None:
    rng = np.random.default_rng(0)
    y = four(LOG_N, *TRUTH) + rng.normal(0, 0.02, len(LOG_N))
    weight = rng.uniform(0.5, 4, len(LOG_N))
    oracle, covariance = curve_fit(
        four, LOG_N, y, TRUTH, sigma=1 / np.sqrt(weight), absolute_sigma=True
    )
    found = fit(LOG_N, y, weight, ONE)
    ours = (found.lower, found.upper, found.slope[0], found.intercept[0])
    assert ours == pytest.approx(oracle, rel=1e-4)
    # Points of variance 1 / weight give the parameters scipy's covariance.
    implied = found.influence / weight @ found.influence.T
    assert implied == pytest.approx(covariance, rel=1e-3)


def test_influence_is_what_a_refit_of_a_moved_point_shows() -> None:
    of = np.repeat([0, 1], len(LOG_N))
    log_n = np.tile(LOG_N, 2)
    y = np.concatenate([four(LOG_N, *TRUTH), four(LOG_N + 0.7, *TRUTH)])
    y += np.random.default_rng(1).normal(0, 0.02, len(y))
    weight = np.ones(len(y))
    found = fit(log_n, y, weight, of)
    step = 1e-4
    for point in (0, 5, 9):
        moved = y.copy()
        moved[point] += step
        again = fit(log_n, moved, weight, of)
        seen = (again.intercept[1] - again.intercept[0]) - (found.intercept[1] - found.intercept[0])
        told = found.influence[4, point] - found.influence[3, point]
        # First order: residuals of 2 points leave a little for the curvature.
        assert seen / step == pytest.approx(told, abs=0.15 * np.abs(found.influence[4]).max())


def test_a_limit_that_would_go_beyond_one_is_held_there() -> None:
    y = np.array([0.1, 0.15, 0.25, 0.4, 0.62, 0.85, 1.0])
    found = fit(LOG_N, y, np.ones(len(y)), ONE)
    assert found.upper == pytest.approx(1, abs=2e-3)
    assert not found.influence[1].any()


@pytest.mark.parametrize(
    ("y", "reason"),
    [
        (four(LOG_N, *TRUTH)[::-1], "does not rise"),
        (np.full(7, 0.4), "does not rise"),
        (np.array([0.1, 0.1, 0.1, 0.9, 0.9, 0.9, 0.9]), "one step"),
    ],
)
def test_no_curve_where_none_fits(y: Array, reason: str) -> None:
    with pytest.raises(NoFit, match=reason):
        fit(LOG_N, y, np.ones(len(y)), ONE)
    with pytest.raises(NoFit, match="too few"):
        fit(LOG_N[:3], y[:3], np.ones(3), ONE[:3])

"""Fieller's limits against a published example, the test they invert, and their limiting cases."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from scipy.optimize import brentq
from scipy.stats import t as student

from analysis.fieller import RatioInterval, fieller

# Glick, Doshi, Sonnad & Polsky, Economic Evaluation in Clinical Trials (2nd ed., 2014), the three
# hypothetical experiments on cost-effectiveness ratios: difference in cost and its standard error,
# in effect, their correlation; 498 degrees of freedom. Limits to three figures, as inputs are.
PUBLISHED = {
    "an interval": (1000, 324.3, 0.01, 0.001925, -0.71015513, (28_200, 245_200), None),
    "all but an interval": (35, 777.0, 0.04, 0.0224, 0.70625, None, (28_200, 245_200)),
    "every ratio": (400, 325.0, 0.02, 0.02, 0.25, None, None),
}


@pytest.mark.parametrize("name", PUBLISHED)
def test_a_published_example_of_each_shape(name: str) -> None:
    cost, se_cost, effect, se_effect, correlation, limits, excluded = PUBLISHED[name]
    found = fieller(
        cost,
        effect,
        se_cost**2,
        se_effect**2,
        correlation * se_cost * se_effect,
        float(student.ppf(0.975, 498)),
    )
    assert found.ratio == pytest.approx(cost / effect)
    assert found.bounded == (limits is not None)
    if limits is None:
        assert found.low is found.high is None
    else:
        assert (found.low, found.high) == pytest.approx(limits, rel=5e-3)
    assert (found.excluded is None) == (excluded is None)
    if excluded is not None:
        assert found.excluded == pytest.approx(excluded, rel=5e-3)


numbers = st.floats(-50, 50).filter(lambda x: abs(x) > 1e-2)
spreads = st.floats(0.01, 20)


@given(numbers, numbers, spreads, spreads, st.floats(-0.95, 0.95), st.floats(0.5, 4), numbers)
def test_the_set_is_what_the_test_does_not_reject(
    m1: float, m2: float, s1: float, s2: float, r: float, t: float, ratio: float
) -> None:
    found = fieller(m1, m2, s1**2, s2**2, r * s1 * s2, t)
    excess = (m1 - ratio * m2) ** 2 - t**2 * (s1**2 - 2 * ratio * r * s1 * s2 + ratio**2 * s2**2)
    assume(abs(excess) > 1e-6)
    assert contains(found, ratio) == (excess < 0)
    assert contains(found, m1 / m2)


def contains(found: RatioInterval, ratio: float) -> bool:
    if found.bounded:
        assert found.low is not None and found.high is not None
        return found.low <= ratio <= found.high
    return found.excluded is None or not found.excluded[0] < ratio < found.excluded[1]


def test_limits_are_those_of_a_search_for_where_the_test_rejects() -> None:
    m1, m2, v11, v22, v12, t = 3.0, 2.0, 0.3, 0.1, -0.05, 2.2
    found = fieller(m1, m2, v11, v22, v12, t)

    def statistic(ratio: float) -> float:
        return float(abs(m1 - ratio * m2) / np.sqrt(v11 - 2 * ratio * v12 + ratio**2 * v22) - t)

    assert found.low == pytest.approx(brentq(statistic, -20, found.ratio))
    assert found.high == pytest.approx(brentq(statistic, found.ratio, 20))


def test_an_exact_denominator_gives_the_usual_interval() -> None:
    found = fieller(6.0, 2.0, 0.25, 0.0, 0.0, 2.0)
    assert (found.low, found.high) == pytest.approx((2.5, 3.5))


def test_the_inverse_ratio_has_the_inverse_limits() -> None:
    one, other = fieller(3, 2, 0.1, 0.1, 0.02, 2), fieller(2, 3, 0.1, 0.1, 0.02, 2)
    assert one.low is not None and one.high is not None
    assert (other.low, other.high) == pytest.approx((1 / one.high, 1 / one.low))


@pytest.mark.parametrize(
    "wrong",
    [
        (1, 0, 1, 1, 0, 2),
        (1, 2, -1, 1, 0, 2),
        (1, 2, 1, 1, 1.5, 2),
        (float("nan"), 2, 1, 1, 0, 2),
        (1, 2, 1, float("inf"), 0, 2),
    ],
)
def test_no_ratio_and_no_variances(wrong: tuple[float, ...]) -> None:
    with pytest.raises(ValueError, match=r"m2=|v11="):
        fieller(*wrong)

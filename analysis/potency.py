"""Relative potency: what a demonstration beside the instruction counts for.

It is one number only if the curves of the arms `both` and `demonstrations` are parallel in log n:
logistic curves with common asymptotes and slope, log potency = (a_both - a_shown) / b (Finney 1978,
Statistical Method in Biological Assay). Whether they are is asked as USP <1032>
and <1034> do, by equivalence: the 90% interval of a measure of dissimilarity has to lie within a
margin. A test that finds no difference is no evidence that there is none, so none is made.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Final

import numpy as np

from analysis.comparison import Contest
from analysis.covariance import COVERAGE, Uncertainty, student
from analysis.curves import Array
from analysis.exchange import has_interval
from analysis.fieller import RatioInterval, fieller
from analysis.logistic import NoFit
from analysis.parametric import LEAST_N, Fitted, fitted, parametric_rate

MARGIN: Final = 1.25
"""The ratio of slopes may lie within 1/1.25 and 1.25: over a tenfold n, potency then drifts by a
factor of 10^0.25 = 1.8 at most."""

MISFIT: Final = 0.1
"""Accuracy by which a level may lie off the common curves: asymptotes that differ show here."""

EQUIVALENCE: Final = 0.9
"""Coverage of the intervals that must lie within margins: two one-sided tests at 5%."""


@dataclass(frozen=True)
class Potency:
    """Relative potency where it is offered, and the parametric rate where it is.

    potency, ci_low, ci_high: demonstrations alone per demonstration beside the instruction, with
    Fieller's 95% limits (null where open); null where not offered, for the `reason`. delta_low,
    delta_high: the same by the delta method on the log scale. parallelism: ratio of the slopes,
    `both` over `demonstrations`, with its 90% limits; `margin` is the factor that they have to lie
    within. misfit: accuracy by which a level is off the common curves, the largest upper 90% limit.
    rate_4pl, rate_low, rate_high, curve, rate_reason: the demonstrations that one instruction is
    worth, see `parametric.ParametricRate`.
    """

    offered: bool
    reason: str
    potency: float | None = None
    ci_low: float | None = None
    ci_high: float | None = None
    delta_low: float | None = None
    delta_high: float | None = None
    parallelism: float | None = None
    parallelism_low: float | None = None
    parallelism_high: float | None = None
    margin: float = MARGIN
    misfit: float | None = None
    rate_4pl: float | None = None
    rate_low: float | None = None
    rate_high: float | None = None
    curve: tuple[float, float, float, float] | None = None
    rate_reason: str = ""


def potency(contest: Contest, known: Uncertainty | None) -> Potency:
    """known: uncertainty of the contest's levels; without it parallelism cannot be shown.

    Potency is about n >= 1: at n = 0 the arms differ by the whole instruction, which no shift in
    log n can mend, so neither `none` nor `instruction` joins the common curves.
    """
    rate = parametric_rate(contest, known)
    return replace(
        _relative(contest, known),
        rate_4pl=rate.rate,
        rate_low=rate.low,
        rate_high=rate.high,
        curve=rate.curve,
        rate_reason=rate.reason,
    )


def _relative(contest: Contest, known: Uncertainty | None) -> Potency:
    if not contest.both:
        return Potency(False, "arm 'both' was not run")
    for arm in (contest.demonstrations, contest.both):
        if len(arm) < LEAST_N:
            few = f"arm '{arm[0].series}' was run at {len(arm)} n; a curve takes {LEAST_N}"
            return Potency(False, few)
    replicated = has_interval(contest) and any(level.replicated for level in contest.both)
    if known is None or not replicated:
        return Potency(False, "parallelism cannot be shown without two stage-1 seeds an arm")
    arms = ("demonstrations", "both")
    try:
        own, common = fitted(contest, arms, own_slopes=True), fitted(contest, arms)
    except NoFit as error:
        return Potency(False, str(error))
    found = _measured(own, common, known)
    reason = _unlike(found) or _apart(common)
    return replace(found, reason=reason) if reason else _offered(found, common, known)


def _measured(own: Fitted, common: Fitted, known: Uncertainty) -> Potency:
    """How parallel the curves are: the ratio of their own slopes, and what common curves miss."""
    _, _, b_shown, b_both, _, _ = own.curves.influence
    slopes = own.over_levels(np.stack([b_both, b_shown]))
    ratio = _ratio(own.curves.slope[::-1], slopes, known, EQUIVALENCE)
    off = common.over_levels(np.eye(len(common.mean)) - common.gradient())
    se, df = known.linear(off)
    most = np.abs(common.mean - common.heights()) + student(df, EQUIVALENCE) * se
    return Potency(
        False,
        "",
        parallelism=ratio.ratio,
        parallelism_low=ratio.low,
        parallelism_high=ratio.high,
        misfit=float(most.max()),
    )


def _unlike(found: Potency) -> str:
    """Why the curves are not known to be parallel; empty where they are."""
    low, high, misfit = found.parallelism_low, found.parallelism_high, found.misfit
    if low is None or high is None:
        return "the curves are not known to be parallel: their slopes are too uncertain"
    if low < 1 / MARGIN or high > MARGIN:
        return (
            "the curves are not known to be parallel: the 90% interval of the slopes' ratio, "
            f"{low:.2f} to {high:.2f}, is not within {1 / MARGIN:.2f} to {MARGIN:.2f}"
        )
    if misfit is None or misfit > MISFIT:
        return (
            f"common curves may miss a level by {misfit:.1%} of accuracy (upper 90% limit), "
            f"and {MISFIT:.0%} is allowed"
        )
    return ""


def _apart(common: Fitted) -> str:
    """Why the potency would be an extrapolation; empty where it would not."""
    heights = common.heights()
    shown, both = heights[common.of == 0], heights[common.of == 1]
    if min(shown.max(), both.max()) <= max(shown.min(), both.min()):
        return "the curves have no accuracy in common over the n that were run"
    return ""


def _offered(found: Potency, common: Fitted, known: Uncertainty) -> Potency:
    b, (a_shown, a_both) = float(common.curves.slope[0]), common.curves.intercept
    _, _, of_b, of_shown, of_both = common.curves.influence
    rows = common.over_levels(np.stack([of_both - of_shown, of_b]))
    ratio = _ratio(np.array([a_both - a_shown, b]), rows, known)
    half = float(known.margin((rows[:1] - ratio.ratio * rows[1:]) / b)[0])
    return replace(
        found,
        offered=True,
        potency=float(np.exp(ratio.ratio)),
        ci_low=None if ratio.low is None else float(np.exp(ratio.low)),
        ci_high=None if ratio.high is None else float(np.exp(ratio.high)),
        delta_low=float(np.exp(ratio.ratio - half)),
        delta_high=float(np.exp(ratio.ratio + half)),
    )


def _ratio(
    values: Array, rows: Array, known: Uncertainty, coverage: float = COVERAGE
) -> RatioInterval:
    """Fieller's limits of values[0] / values[1]; rows: what they owe to the levels, (2, levels).

    Their covariance is had from the variances of sum and difference.
    """
    probes = np.stack([rows[0], rows[1], rows[0] + rows[1], rows[0] - rows[1]])
    v11, v22, plus, minus = (float(se) ** 2 for se in known.linear(probes)[0])
    most = float(np.sqrt(v11 * v22))
    v12 = float(np.clip((plus - minus) / 4, -most, most))
    _, df = known.linear(rows[:1] - values[0] / values[1] * rows[1:])
    t = float(student(df, coverage)[0])
    return fieller(float(values[0]), float(values[1]), v11, v22, v12, t)

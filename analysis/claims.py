"""Verdicts on a study's claims: reproduced, not reproduced, undecided, or not run.

Reproduced: the 95% interval lies beyond zero on the side that was claimed. Not reproduced: it
excludes the margin, the least size worth the claim. Undecided: neither. One claim may be declared
primary; all others are exploratory, and no interval is corrected for their number.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from pydantic import ValidationError

from analysis.cells import cells_of
from analysis.claim_estimates import Found, Rated, estimate_of
from analysis.comparison import Pair
from analysis.curves import Cell
from analysis.errors import BadInput
from analysis.study_folder import read_study
from search_spaces.claims import (
    CLAIMS,
    UNITS,
    Claim,
    Difference,
    Interaction,
    Rate,
    Trend,
    sentence,
    told,
)

Outcome = Literal["reproduced", "not_reproduced", "undecided", "not_run"]


@dataclass(frozen=True)
class Verdict:
    """A claim, its contrast, and what this study says of it.

    sign: 1 or -1, the side claimed. margin, estimate, ci_low, ci_high: in `unit`; limits are null
    where open. comparisons: how many the estimate is the mean of. primary: declared in advance;
    all others are exploratory. reason: why there is no verdict, and what to be careful about.
    """

    finding: str
    claim: str
    contrast: str
    sign: int
    margin: float | None
    unit: str
    estimate: float | None
    ci_low: float | None
    ci_high: float | None
    verdict: Outcome
    reason: str
    primary: bool
    comparisons: int


def verdicts(
    found: Sequence[Cell],
    claims: Sequence[Claim],
    rated: Sequence[Rated],
    headline: Pair,
) -> tuple[Verdict, ...]:
    """One verdict a claim, in the order of the claims.

    found: `curves.split_cells` of the targets and of every split that a claim names. rated: every
    contest with its rate. headline: the pair of formats of claims about rates that name none.
    """
    if not claims:
        return ()
    cells = cells_of(found)
    return tuple(_verdict(claim, estimate_of(claim, cells, rated, headline)) for claim in claims)


def read_claims(folder: Path) -> tuple[Claim, ...]:
    """The claims of a study folder's `study.yaml`; none where the source is no such folder.

    Raises BadInput where the file cannot be read or holds a claim that is none.
    """
    file = folder / "study.yaml"
    listed = read_study(folder).get("claims")
    try:
        claims = CLAIMS.validate_python(tuple(listed) if isinstance(listed, list) else listed or ())
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        place = ".".join(str(step) for step in ("claims", *first["loc"]))
        raise BadInput(f"{file}: {place}: {first['msg']}; mend the claim") from error
    if sum(claim.primary for claim in claims) > 1:
        raise BadInput(f"{file}: more than one claim is primary; leave the mark on one")
    return claims


def _verdict(claim: Claim, found: Found) -> Verdict:
    sign = 1 if claim.sign == "above" else -1
    outcome, caution = _decided(sign, claim.margin, found)
    return Verdict(
        finding=claim.finding,
        claim=sentence(claim),
        contrast=_contrast(claim),
        sign=sign,
        margin=claim.margin,
        unit=UNITS[claim.kind],
        estimate=found.estimate,
        ci_low=found.low,
        ci_high=found.high,
        verdict=outcome,
        reason="; ".join(part for part in (found.reason, caution) if part),
        primary=claim.primary,
        comparisons=found.comparisons,
    )


def _decided(sign: int, margin: float, found: Found) -> tuple[Outcome, str]:
    """The rule of the module's docstring, and what to add to it."""
    if not found.comparisons:
        return "not_run", ""
    low, high = (found.low, found.high) if sign > 0 else (found.high, found.low)
    if low is not None and sign * low > 0:
        small = high is not None and sign * high < margin
        return "reproduced", "but surely smaller than the margin" if small else ""
    if high is not None and sign * high < margin:
        return "not_reproduced", ""
    return "undecided", ""


def _contrast(claim: Claim) -> str:
    """What is computed, in words."""
    where = told(claim.where.named())
    if isinstance(claim, Difference | Interaction):
        text = f"accuracy: {told(claim.of.named())} minus {told(claim.against.named())}"
        if isinstance(claim, Interaction):
            text += f"; at {told(claim.at.named())}, minus at {told(claim.versus.named())}"
    elif isinstance(claim, Trend):
        text = f"slope of accuracy on log10 {claim.along}"
    elif isinstance(claim, Rate):
        text = f"log10 rate minus log10 {claim.threshold:g}"
    else:
        text = f"slope of log10 rate on log10 {claim.along}"
    return f"{text} ({where})" if where else text

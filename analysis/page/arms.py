"""How a row of a table names the arm that it is about."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from analysis.curves import COMPARISON
from analysis.differences import Estimate
from analysis.factors import OF_ARMS, joined
from analysis.palette import NAME
from analysis.sentences import SHOWN, comparison_labels, percent, points


@dataclass(frozen=True)
class ArmName:
    """comparison: what tells it from the others in the table. response_format: a dash for none."""

    comparison: str
    arm: str
    n: int
    response_format: str


def arm_names(cells: Sequence[dict[str, Any]]) -> list[ArmName]:
    """One for each cell of `curves.cells`, given by its factors."""
    varied = [key for key in OF_ARMS if len({factors.get(key) for factors in cells} - {None}) > 1]
    labels = comparison_labels([_comparison(factors, varied) for factors in cells])
    return [
        ArmName(
            label,
            _arm(factors),
            factors["demonstrations"],
            factors.get("response_format") or "–",
        )
        for factors, label in zip(cells, labels, strict=True)
    ]


def _comparison(factors: dict[str, Any], varied: Sequence[str]) -> dict[str, Any]:
    """Keys of some arms alone join the others where they vary and say something."""
    said = {name: factors[name] for name in varied if factors.get(name)}
    found = {name: factors[name] for name in COMPARISON}
    return found | {"factors": joined(str(factors["factors"]), said)}


def _arm(factors: dict[str, Any]) -> str:
    name = NAME.get(factors["arm"], factors["arm"])
    shown = SHOWN.get(factors["demonstration_format"] or "", "")
    return f"{name}, {shown}" if shown else name


def share_cell(share: Estimate | None) -> str:
    """A share and its interval; a dash where there is none."""
    if share is None:
        return "–"
    if share.ci_low is None or share.ci_high is None:
        return percent(share.value)
    return f"{percent(share.value)} ({percent(share.ci_low)} to {percent(share.ci_high)})"


def change_cells(change: Estimate) -> tuple[str, str]:
    """A difference in percentage points, and its interval."""
    limits = (change.ci_low, change.ci_high)
    known = None not in limits
    return points(change.value), " to ".join(map(points, limits)) if known else "–"

"""What thinking aloud adds: the same arm asked directly and with a chain of thought."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import polars as pl

from analysis.curves import Cell, Level
from analysis.differences import Estimate, difference


@dataclass(frozen=True)
class FormatGap:
    """One arm of one comparison, on targets. factors: of a cell, without its response format.

    accuracies: by format. gain: `cot` less `direct`, on the same programs and runs.
    """

    factors: dict[str, Any]
    accuracies: dict[str, float]
    gain: Estimate
    n_programs: int
    n_runs: int


def format_gaps(cells: Sequence[Cell]) -> list[FormatGap]:
    """Of every arm that was asked both ways; cells: `curves.target_cells`."""
    arms: dict[str, tuple[dict[str, Any], dict[str, Level]]] = {}
    for factors, level in cells:
        rest = {name: value for name, value in factors.items() if name != "response_format"}
        arms.setdefault(repr(rest), (rest, {}))[1][level.response_format] = level
    found = []
    for factors, levels in arms.values():
        if {"direct", "cot"} <= levels.keys():
            direct, cot = levels["direct"], levels["cot"]
            gain = difference(cot, direct)
            if gain is not None:
                accuracies = {name: level.mean for name, level in levels.items()}
                sizes = (len(cot.programs), cot.n_runs)
                found.append(FormatGap(factors, accuracies, gain, *sizes))
    return found


def format_frame(found: Sequence[FormatGap]) -> pl.DataFrame:
    """One row each, for a file."""
    rows = [
        each.factors
        | each.accuracies
        | {"gain": each.gain.value, "ci_low": each.gain.ci_low, "ci_high": each.gain.ci_high}
        | {"n_programs": each.n_programs, "n_runs": each.n_runs}
        for each in found
    ]
    return pl.DataFrame(rows, infer_schema_length=None)

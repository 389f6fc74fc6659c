"""How wide the interval of a planned rate will be, from what a pilot showed.

    python -m analysis.power runs/quickstart > analysis/pilot.json

The delta method: instruction minus curve has a standard error made of the pilot's variance
components at the planned sizes; divided by the curve's slope where the two meet, it is one of the
log rate. Quantiles and degrees of freedom are those of the primary interval.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from functools import lru_cache
from pathlib import Path
from typing import Final

import numpy as np
import polars as pl
from scipy.special import gammaincinv

from analysis.comparison import Contest, contests
from analysis.costs import PHASES
from analysis.covariance import PRIOR_DF, sensitivity, student
from analysis.curves import target_cells
from analysis.errors import BadInput, reading
from analysis.exchange import ExchangeRate, curve_fit, estimate, has_interval
from analysis.load import load_counts
from analysis.study_folder import read_notes
from analysis.variance import EVALUATION_SHARE, Components, components

PILOT_FILE: Final = Path(__file__).with_name("pilot.json")

COSTS: Final = (PHASES["train"], PHASES["evaluate"])
"""Columns of trial rows."""

CURVE_SHARE: Final = 2 / 3
"""Variance of the curve between two n, in units of that of one level: the mean over w of
w^2 + (1 - w)^2, which a straight line between their means has at w."""

AROUND: Final = 2.0
"""The curve's slope is taken from this factor below the rate to as much above."""


@dataclass(frozen=True)
class Pilot:
    """What a study showed that another can be planned by.

    slope: of the curve where it meets the instruction, logits per unit of ln n, made linear as the
    components are. evaluation_share: of device time.
    """

    study: str
    model: str
    pair: str
    rate: float
    slope: float
    components: Components
    evaluation_share: float


def expected_width(
    parts: Components, *, programs: int, seeds: int, items: int, ns: Sequence[int], slope: float
) -> float | None:
    """Median width [decades] of the 95% interval of log10 rate; inf where likely open.

    For a rate within the n that are planned. Null where there is no interval: with one seed, one
    program or one n. Open: wider than all the n planned.
    """
    if seeds < 2 or programs < 2 or len(ns) < 2:
        return None
    arms = 1 + CURVE_SHARE
    alone = parts.contrast_parts(programs, seeds, items)
    crossed = arms * (alone["runs by program"] + alone["items"])
    over_programs = arms * alone["programs"] + crossed
    prior = min(PRIOR_DF, len(ns) * (seeds - 1.0))
    df_runs = max(prior + seeds - 1, 1.0)
    # Few runs show less than their noise more often than not, as chi-squared over its df is skewed.
    median = 2 * float(gammaincinv(df_runs / 2, 0.5)) / df_runs
    runs = (arms * alone["runs"] + crossed) * median
    beyond = max(runs - crossed, 0.0)
    variance = over_programs + beyond
    noise = over_programs**2 / (programs - 1) + (runs if beyond > 0 else 0.0) ** 2 / df_runs
    df = max(variance**2 / noise if noise > 0 else 0.0, min(programs - 1, df_runs))
    t = float(student(np.array(df)))
    width = 2 * t * float(np.sqrt(variance)) / (slope * np.log(10))
    return width if width < np.log10(max(ns) / min(ns)) else float("inf")


@lru_cache(maxsize=1)
def shipped_pilot() -> Pilot:
    """The pilot that ships: the quickstart on its larger base."""
    data = json.loads(PILOT_FILE.read_text(encoding="utf-8"))
    parts = Components(**data["components"], advice="")
    return Pilot(**{**data, "components": parts})


def measured_pilot(source: Path) -> Pilot:
    """The pilot that a study folder, or a file of item rows, makes.

    Of its comparisons under the headline pair, the one with the most runs, the first where several
    have them. Raises BadInput where none has components and a rate.
    """
    headline = read_notes(source).headline
    cells = target_cells(load_counts(source))
    share = evaluation_share(source)
    found = [
        (contest, rate, parts)
        for contest in contests(cells, headline)
        if contest.pair == headline
        and has_interval(contest)
        and (rate := estimate(contest, None, None)).rate is not None
        and (parts := components(contest, share)) is not None
        and len(contest.demonstrations) > 1
        and slope_at(contest, rate) > 0
    ]
    if not found:
        raise BadInput(
            f"{source} is no pilot: no comparison of {headline} has an estimated rate on a "
            "rising curve and two stage-1 seeds or more; give one that has, or leave the pilot out"
        )
    contest, rate, parts = max(found, key=lambda each: each[0].n_runs)
    factors = contest.factors
    return Pilot(
        study=str(factors.get("study")),
        model=str(factors.get("model")),
        pair=str(headline),
        rate=rate.rate or 0.0,
        slope=slope_at(contest, rate),
        components=parts,
        evaluation_share=share,
    )


def slope_at(contest: Contest, rate: ExchangeRate) -> float:
    """Logits per ln n around an estimated rate: the centred isotonic curve's rise, made linear."""
    if rate.rate is None:
        raise ValueError(f"{rate.state=}: a slope is taken at an estimated rate")
    n, accuracy = np.array(curve_fit(contest)).T
    ends = np.clip([rate.rate / AROUND, rate.rate * AROUND], n[0], n[-1])
    low, high = np.interp(np.log(ends), np.log(n), accuracy)
    rise = (high - low) / np.log(ends[1] / ends[0])
    return float(rise / sensitivity(contest.levels[0]))


def evaluation_share(source: Path) -> float:
    """Evaluation's share of the device time of a study's trials; EVALUATION_SHARE if unknown."""
    file = source / "trials.parquet"
    if not file.is_file():
        return EVALUATION_SHARE
    with reading(file):
        if not set(COSTS) <= set(pl.read_parquet_schema(file)):
            return EVALUATION_SHARE
        seconds = pl.read_parquet(file, columns=list(COSTS)).cast(pl.Float64)
        train, evaluate = (max(float(seconds[name].sum()), 0.0) for name in COSTS)
    share = evaluate / (train + evaluate) if evaluate else EVALUATION_SHARE
    return share if np.isfinite(share) else EVALUATION_SHARE


def main() -> None:
    """Print the pilot of a study folder as JSON."""
    if len(sys.argv) != 2:
        sys.exit("usage: python -m analysis.power STUDY_FOLDER")
    pilot = asdict(measured_pilot(Path(sys.argv[1])))
    del pilot["components"]["advice"]  # on the pilot's own next run, not on the study planned by it
    print(json.dumps(pilot, indent=1))


if __name__ == "__main__":
    main()

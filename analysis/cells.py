"""Cells of a study, chosen by their factors, and contrasts of their accuracies.

A cell is what was run with one value of every factor and every seed. A contrast is a weighted sum
of cells' accuracies; it is paired, since all its cells are taken on the programs they share, and
arms that stand on one stage 1 share its luck. Cells of different models, curricula or sizes stand
on different stage 1s, even where they name the same seed.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Final

import numpy as np
import polars as pl

from analysis.covariance import student, uncertainty
from analysis.curves import COMPARISON, TREATMENT, Cell, Level
from analysis.exchange import NO_INTERVAL
from analysis.factors import (
    EXECUTIONS,
    OF_ARMS,
    domain_settings,
    laid_open,
    program_space,
    split_paths,
    without,
)
from pbb.config import DEMONSTRATED_ARMS
from pbb.records import ITEM_SCHEMA
from search_spaces.claims import OF_TRAINING, coded

FACTORS: Final = (
    "study",
    "model",
    "curriculum",
    "lora_rank",
    "representation",
    "domain",
    "acquisition",
    EXECUTIONS,
    "templates",
    "paths",
    "rest",
    "split",
    *OF_ARMS,
    *TREATMENT,
)
"""What tells cells apart, beside settings of the domain; `rest` is what else the column `factors`
holds."""

DERIVED: Final = {"paths": pl.Int64(), "rest": pl.String()}
"""Factors that are no columns of item rows."""

TARGETS: Final = {"split": "target"}
"""What is asked where a claim does not say."""

MOST_CELLS: Final = 100
"""A contrast of more cells shows by itself how much runs vary."""

IDLE: Final = OF_TRAINING | {"replay", "replay_source"}
"""Factors that may not apply to a cell; what is asked of them is then met."""


@dataclass(frozen=True, eq=False)
class Cells:
    """Every cell of a study's items.

    index: one row a cell, columns `cell` (its place), `comparison`, `space`, `n_params` and
    `factors`, null where a factor does not apply. space: which programs were asked. factors:
    FACTORS and the settings of the domain; what stands in the rows' column `factors`, but for paths
    and rest, is `coded`. levels: by cell. Levels that stand on one stage 1 share cluster labels,
    others do not.
    """

    index: pl.DataFrame
    factors: tuple[str, ...]
    levels: tuple[Level, ...]

    def where(self, named: Mapping[str, Any]) -> pl.DataFrame:
        """Rows of the index that have these values, on targets if not said otherwise."""
        if not named.keys() <= set(self.factors):
            return self.index.clear()
        wanted = [
            pl.col(name).eq_missing(pl.lit(value if _is_column(name) else coded(value)))
            | (pl.lit(name in IDLE) & pl.col(name).is_null())
            for name, value in (TARGETS | dict(named)).items()
        ]
        return self.index.filter(*wanted)


@dataclass(frozen=True)
class Estimate:
    """A contrast of accuracies and its standard error, either of them null for the reason."""

    value: float | None
    se: float | None
    df: float
    reason: str

    @property
    def interval(self) -> tuple[float | None, float | None]:
        """95%, by Student's t."""
        if self.value is None or self.se is None:
            return None, None
        margin = float(student(np.array(self.df))) * self.se
        return self.value - margin, self.value + margin


def cells_of(found: Sequence[Cell]) -> Cells:
    """found: `curves.split_cells` of one split or more."""
    labels: dict[tuple[Any, ...], int] = {}
    rows = [_factors(factors) for factors, _ in found]
    settings = sorted({name for row in rows for name in row if name not in ("n_params", *FACTORS)})
    types = {"n_params": ITEM_SCHEMA["n_params"]}
    types |= {name: _type(name) for name in (*FACTORS, *settings)}
    compared = [(_stage1(factors), factors["split"]) for factors, _ in found]
    comparisons = {key: number for number, key in enumerate(dict.fromkeys(compared))}
    index = [
        {"cell": cell, "comparison": comparisons[key], "space": _space(each[0]), **row}
        for cell, (key, each, row) in enumerate(zip(compared, found, rows, strict=True))
    ]
    places = {"cell": pl.Int64(), "comparison": pl.Int64(), "space": pl.String()}
    return Cells(
        pl.DataFrame(index, schema={**places, **types}),
        (*FACTORS, *settings),
        tuple(_labelled(factors, level, labels) for factors, level in found),
    )


def _is_column(name: str) -> bool:
    """Whether the index holds a factor's values as they are; others are `coded`."""
    return name in FACTORS and name not in (EXECUTIONS, *OF_ARMS)


def _type(name: str) -> pl.DataType:
    if not _is_column(name):
        return pl.String()
    return ITEM_SCHEMA.get(name) or DERIVED[name]


def _stage1(row: Mapping[str, Any]) -> tuple[Any, ...]:
    return tuple(row[name] for name in COMPARISON)


def _space(row: Mapping[str, Any]) -> str:
    """Programs of another split are other programs, as those of other settings are."""
    return f"{row['split']} {program_space(row)}"


def _factors(row: Mapping[str, Any]) -> dict[str, Any]:
    """A cell's factors, null where they change nothing in it."""
    paths, rest = split_paths(row["factors"])
    settings = {name: coded(value) for name, value in domain_settings(rest).items()}
    if settings:
        rest = coded({k: v for k, v in laid_open(rest).items() if k not in settings})
    own = {name: None if row[name] is None else coded(row[name]) for name in OF_ARMS}
    own[EXECUTIONS] = coded(laid_open(rest).get(EXECUTIONS, "all"))
    known = {**row, **own, "paths": paths, "rest": without(rest, EXECUTIONS)}
    idle: set[str] = set()
    if row["arm"] not in DEMONSTRATED_ARMS:
        idle |= {"demonstrations", "demonstration_format"}
    if not _trained(row):
        idle |= OF_TRAINING
    elif row["curriculum"] == "no-acquisition":
        idle |= {"acquisition"}
    named = {name: None if name in idle else known[name] for name in ("n_params", *FACTORS)}
    return named | settings


def _trained(row: Mapping[str, Any]) -> bool:
    """Whether the cell's model was trained at all, or is the base as it came."""
    untouched = row["curriculum"] == "no-acquisition" and row["arm"] == "in_context"
    return row["curriculum"] != "none" and not untouched


def _labelled(row: Mapping[str, Any], level: Level, labels: dict[tuple[Any, ...], int]) -> Level:
    """The level with one label for every stage 1: runs equal in COMPARISON and in the seed."""
    stage1 = _stage1(row)
    clusters = [labels.setdefault((*stage1, seed), len(labels)) for seed in level.clusters]
    series = level.series if _trained(row) else "untuned"
    return replace(level, series=series, clusters=tuple(clusters))


def matched(cells: Cells, sides: Sequence[tuple[Mapping[str, Any], int]]) -> list[dict[int, float]]:
    """Every comparison of the sides, as cell -> coefficient; none where a side was not run.

    sides: factors named, and the sign. Factors that no side names are equal on all sides to which
    they apply, and vary over comparisons.
    """
    free = [name for name in cells.factors if not any(name in named for named, _ in sides)]
    table: pl.DataFrame | None = None
    for index, (named, _) in enumerate(sides):
        chosen = cells.where(named)
        if chosen.is_empty():
            return []
        applicable = [name for name in free if chosen[name].null_count() < chosen.height]
        part = chosen.select(*applicable, pl.col("cell").alias(f"side {index}"))
        if table is None:
            table = part
            continue
        on = [name for name in applicable if name in table.columns]
        table = table.join(part, on=on, how="inner", nulls_equal=True)
    assert table is not None
    signs = [sign for _, sign in sides]
    chosen_cells = table.select(f"side {index}" for index in range(len(sides))).sort(pl.all())
    return [_added(zip(row, signs, strict=True)) for row in chosen_cells.rows()]


def sloped(cells: Cells, along: str, named: Mapping[str, Any]) -> list[dict[int, float]]:
    """Least-squares slopes of accuracy on log10 of a factor, as cell -> coefficient.

    One for every setting of the other factors under which the factor takes two values or more.
    """
    column = "n_params" if along == "model" else along
    varied = {"model": {"model"}}.get(along, {along})
    free = [name for name in cells.factors if name not in varied]
    chosen = cells.where(named).filter(pl.col(column).cast(pl.Float64, strict=False) > 0)
    found = []
    for group in chosen.partition_by(free, maintain_order=True):
        x = np.log10(group[column].cast(pl.Float64).to_numpy())
        if len(np.unique(x)) >= 2:
            pull = (x - x.mean()) / ((x - x.mean()) ** 2).sum()
            found.append(dict(zip(group["cell"].to_list(), pull.tolist(), strict=True)))
    return found


def mean_of(cells: Cells, comparisons: Sequence[Mapping[int, float]]) -> Estimate:
    """The mean of contrasts (at least one), every comparison weighing the same.

    Cells that ask other programs, as those of another number of paths or of another split, have
    nothing paired between them, and their variances add up.
    """
    share = 1 / len(comparisons)
    total = _added((c, weight * share) for each in comparisons for c, weight in each.items())
    space = dict(cells.index.select("cell", "space").rows())
    spaces: dict[str, dict[int, float]] = {}
    for cell, weight in total.items():
        if weight != 0:
            spaces.setdefault(space[cell], {})[cell] = weight
    parts = [_linear(cells, weights) for weights in spaces.values()]
    return parts[0] if len(parts) == 1 else _sum(parts)


def _linear(cells: Cells, weights: Mapping[int, float]) -> Estimate:
    """A weighted sum of accuracies on the programs that all its cells share."""
    levels = [cells.levels[cell] for cell in weights]
    shared = sorted(set(levels[0].programs).intersection(*(each.programs for each in levels)))
    if not shared:
        return Estimate(None, None, np.inf, "its cells share no program")
    value = float(sum(w * cells.levels[c].keep(shared).mean for c, w in weights.items()))
    if len(shared) < 2 or not all(each.replicated for each in levels):
        return Estimate(value, None, np.inf, NO_INTERVAL)
    beside = [cells.levels[cell] for cell in _beside(cells, list(weights))]
    levels += [each for each in beside if set(shared) <= set(each.programs)]
    known = uncertainty([each.keep(shared) for each in levels])
    coefficients = np.zeros(len(levels))
    coefficients[: len(weights)] = list(weights.values())
    se, df = known.linear(coefficients)
    return Estimate(value, float(se[0]), float(df[0]), "")


def _beside(cells: Cells, chosen: Sequence[int]) -> list[int]:
    """The other arms of the same comparisons, each once: they show how much runs vary.

    Each in the first format, of those that the chosen cells use, in which it was asked.
    """
    rows = cells.index.select("comparison", *OF_ARMS, *TREATMENT).rows()
    comparisons = {rows[cell][0] for cell in chosen}
    if len(chosen) > MOST_CELLS:
        return []
    taken = {rows[cell][:-1] for cell in chosen}
    found = []
    for response_format in dict.fromkeys(rows[cell][-1] for cell in chosen):
        for cell, row in enumerate(rows):
            if row[0] in comparisons and row[-1] == response_format and row[:-1] not in taken:
                taken.add(row[:-1])
                found.append(cell)
    return found


def _sum(parts: Sequence[Estimate]) -> Estimate:
    """A sum of independent estimates; degrees of freedom by Welch and Satterthwaite."""
    reason = "; ".join(dict.fromkeys(part.reason for part in parts if part.reason))
    values = [part.value for part in parts if part.value is not None]
    value = sum(values) if len(values) == len(parts) else None
    variances = [part.se**2 for part in parts if part.se is not None]
    if len(variances) < len(parts):
        return Estimate(value, None, np.inf, reason)
    spread = sum(v**2 / part.df for v, part in zip(variances, parts, strict=True))
    df = sum(variances) ** 2 / spread if spread > 0 else np.inf
    return Estimate(value, float(np.sqrt(sum(variances))), float(df), reason)


def _added(terms: Iterable[tuple[int, float]]) -> dict[int, float]:
    total: dict[int, float] = {}
    for cell, weight in terms:
        total[cell] = total.get(cell, 0.0) + weight
    return total

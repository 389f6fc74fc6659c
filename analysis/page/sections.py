"""The sections of the page as values for the template; figures go into packs on the way."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

import polars as pl

from analysis.costs import Costs
from analysis.curves import COMPARISON, accuracy_by_split
from analysis.figures.costs import draw_device_time
from analysis.figures.forest import forest_words
from analysis.figures.learning import draw_learning_curves, draw_training_loss
from analysis.gallery import RULE, gallery
from analysis.learning import accuracy_by_step
from analysis.page.blocks import Block
from analysis.page.packs import Packs, Plot
from analysis.page.rates import WIDTH, RateRow, anchor, rate_rows, ticks
from analysis.page.shell import environment
from analysis.page.splits import MEASURES, measure_table, split_table
from analysis.page.story import assumptions
from analysis.palette import NAME
from analysis.results import Analysis, Result, rates_frame
from analysis.sentences import comparison_labels, device_time

BESIDE: Final = 4
"""Other comparisons of the headline pair whose curves stand beside the first one."""

MOST_CURVES: Final = 6
"""Comparisons, and models, whose learning curves are shown."""


def story_section(
    results: Sequence[Result], blocks: Sequence[Block], first: int | None, *, planned: bool
) -> dict[str, Any]:
    """The comparison told in full, and those of the headline pair beside it."""
    if first is None:
        return {"lead": None, "assumptions": [], "beside": [], "more": 0}
    headline = [i for i, result in enumerate(results) if result.headline and i != first]
    shown = headline[:BESIDE]
    return {
        "lead": blocks[first],
        "assumptions": assumptions(results[first], planned=planned),
        "beside": [blocks[index] for index in shown],
        "more": len(headline) - len(shown),
    }


@dataclass(frozen=True)
class Rates:
    """The table of rates with its axis; csv: the data behind it."""

    rows: tuple[RateRow, ...]
    ticks: tuple[tuple[float, str], ...]
    width: int
    words: str
    csv: Plot


def rates_section(
    results: Sequence[Result], labels: Sequence[str], blocks: Sequence[Block], packs: Packs
) -> Rates | None:
    if not results:
        return None
    whole = environment().get_template("macros.html.j2").module.whole  # type: ignore[attr-defined]
    details = [packs.add_html(f"{anchor(i)}-more", whole(each)) for i, each in enumerate(blocks)]
    words = forest_words(results)
    csv = packs.add_table("exchange-rates", rates_frame(results), words)
    rows = tuple(rate_rows(results, labels, details))
    return Rates(rows, tuple(ticks(results)), WIDTH, words, csv)


def learning_section(analysis: Analysis, packs: Packs) -> list[tuple[str, Plot]]:
    """Accuracy by step, a figure a comparison."""
    if analysis.history is None:
        return []
    rows = accuracy_by_step(analysis.history)
    if rows.is_empty():
        return []
    keys = [name for name in rows.columns if name in COMPARISON]
    groups = rows.partition_by(keys, maintain_order=True)[:MOST_CURVES]
    labels = comparison_labels([group.select(keys).row(0, named=True) for group in groups])
    return [
        (label, packs.add(f"learning-{index + 1}", draw_learning_curves(group)))
        for index, (label, group) in enumerate(zip(labels, groups, strict=True))
    ]


def losses_section(losses: pl.DataFrame | None, packs: Packs) -> list[tuple[str, Plot]]:
    """Training loss, a figure a model and curriculum."""
    if losses is None:
        return []
    groups = losses.partition_by("model", "curriculum", maintain_order=True)[:MOST_CURVES]
    return [
        (
            ", ".join(group.select("model", "curriculum").row(0)),
            packs.add(f"loss-{index + 1}", draw_training_loss(group)),
        )
        for index, group in enumerate(groups)
    ]


def splits_section(analysis: Analysis, packs: Packs) -> dict[str, Any]:
    """Accuracy by split; and, where there are such, the measures beside it."""
    cells = accuracy_by_split(analysis.counts, analysis.scores)
    table, measured = split_table(cells), measure_table(cells)
    beside = None
    if measured is not None:
        csv = packs.add_table("further-measures", measured.table, "Further measures")
        meanings = [(name, MEASURES[name]) for name in measured.columns if name in MEASURES]
        beside = {"table": measured, "csv": csv, "meanings": meanings}
    csv = packs.add_table("accuracy-by-split", table.table, "Accuracy by split")
    return {"table": table, "csv": csv, "measures": beside}


def costs_section(costs: Costs | None, packs: Packs) -> dict[str, Any] | None:
    if costs is None:
        return None
    plot = packs.add("device-time", draw_device_time(costs)) if costs.device_s else None
    return {"costs": costs, "plot": plot, "stages": costs.stages.rows(), "told": device_time(costs)}


def gallery_section(analysis: Analysis) -> dict[str, Any]:
    rows = gallery(analysis.items, analysis.notes.headline).to_dicts()
    groups: dict[tuple[str, str, str], dict[str, Any]] = {}
    for row in rows:
        shown = f", n = {row['demonstrations']}" if row["demonstrations"] else ""
        untuned = row["curriculum"] == "none"
        name = NAME["untuned"] if untuned else NAME[row["arm"]]
        heading = f"{row['model']}, {name}{shown}, asked in {row['response_format']}"
        key = (row["model"], row["curriculum"], row["arm"])
        groups.setdefault(key, {"heading": heading, "rows": []})["rows"].append(row)
    return {"groups": list(groups.values()), "rule": RULE}

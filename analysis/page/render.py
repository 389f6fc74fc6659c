"""The page: what an analysis holds, put into the template, with a policy that fetches nothing."""

from __future__ import annotations

from dataclasses import dataclass

import plotly.io
import polars as pl
from markupsafe import Markup
from plotly.offline import get_plotlyjs

from analysis.costs import Costs
from analysis.figures.drawing import TEMPLATE
from analysis.figures.forest import in_order
from analysis.intervals import BOOTSTRAP_SEED, DRAWS
from analysis.nuisances import Choice
from analysis.page.blocks import block
from analysis.page.findings import findings_table
from analysis.page.knowledge import knowledge_section
from analysis.page.packs import Packs
from analysis.page.retention import formats_section, retention_section
from analysis.page.sections import (
    costs_section,
    gallery_section,
    learning_section,
    losses_section,
    rates_section,
    splits_section,
    story_section,
)
from analysis.page.shell import environment, policy, script_json, slug, source
from analysis.page.story import declared, lead
from analysis.page.trends import trend_rows
from analysis.results import Analysis
from analysis.sentences import comparison_labels


@dataclass(frozen=True)
class Beside:
    """What a study folder holds beside item rows; null where it does not.

    losses: of `learning.loss_by_step`.
    """

    costs: Costs | None
    losses: pl.DataFrame | None
    choices: tuple[Choice, ...] = ()


def render(analysis: Analysis, beside: Beside, *, title: str) -> str:
    """The report as HTML."""
    results = in_order(analysis.results)
    labels = comparison_labels([result.contest.factors for result in results])
    packs = Packs()
    blocks = [
        block(r, label, i + 1, packs)
        for i, (r, label) in enumerate(zip(results, labels, strict=True))
    ]
    first = lead(results, analysis.notes)
    context = {
        "title": title,
        "notes": analysis.notes,
        "declared": declared(analysis.notes),
        "failed": sum(n for s, n in (analysis.notes.trials or {}).items() if s != "ok"),
        "rates": rates_section(results, labels, blocks, packs),
        **story_section(results, blocks, first, planned=bool(analysis.notes.provenance)),
        "trends": trend_rows(analysis.trends, analysis.notes.headline, packs),
        "findings": findings_table(analysis.verdicts),
        "learning": learning_section(analysis, packs),
        "losses": losses_section(beside.losses, packs),
        "costs": costs_section(beside.costs, packs),
        "known": knowledge_section(analysis.knowledge, packs),
        "formats": formats_section(analysis.formats, packs),
        "retention": retention_section(analysis.retention, packs),
        "splits": splits_section(analysis, packs),
        "gallery": gallery_section(analysis),
        "choices": beside.choices,
        "method": {"draws": DRAWS, "seed": BOOTSTRAP_SEED},
    }
    scripts = {"plotly": get_plotlyjs(), "page": source("report.js")}
    settings = {"template": plotly.io.templates[TEMPLATE].to_plotly_json(), "name": slug(title)}
    return (
        environment()
        .get_template("report.html.j2")
        .render(
            context,
            policy=policy(scripts.values()),
            style=Markup(source("report.css")),
            scripts={name: Markup(script) for name, script in scripts.items()},
            settings=Markup(script_json(settings)),
            packs=[Markup(pack) for pack in packs.encoded()],
        )
    )

"""Figures as image files, for papers and slides: what the page draws, by a browser at hand."""

from __future__ import annotations

from pathlib import Path
from typing import Final, Literal

import plotly.graph_objects as go
import plotly.io

from analysis.costs import read_costs
from analysis.errors import BadInput
from analysis.figures.arms import draw_accuracy_by_arm
from analysis.figures.costs import draw_device_time
from analysis.figures.drawing import Drawing
from analysis.figures.forest import draw_forest, in_order
from analysis.figures.influence import draw_influence
from analysis.figures.response import draw_dose_response
from analysis.figures.scaling import draw_scaling
from analysis.report import unwritable
from analysis.results import Analysis, analyse

MOST: Final = 40
"""Comparisons drawn, headline pair first; a forest of more would not fit a page."""

WIDTH: Final = 920
SCALE: Final = 2.0
"""Pixels of a PNG per pixel of the page."""

ImageKind = Literal["png", "svg", "pdf"]


def write_images(source: Path, kind: ImageKind, out: Path | None = None) -> tuple[Path, ...]:
    """Writes every figure of the headline pair into `<out>/figures`, under the names of the page.

    out: as `report.write_report` has it. Raises BadInput where the source cannot be analysed, the
    folder not written, or images not drawn: they need kaleido (the extra `static`) and a Chrome or
    Chromium that it finds.
    """
    by_default = source if source.is_dir() else source.with_name(f"{source.stem}-report")
    folder = (by_default if out is None else out) / "figures"
    drawings = _drawings(analyse(source), source)
    if not drawings:
        raise BadInput(f"{source}: no comparison has both arms, so there is nothing to draw")
    paths = [folder / f"{name}.{kind}" for name in drawings]
    try:
        folder.mkdir(parents=True, exist_ok=True)
        figures = [_on_white(drawing) for drawing in drawings.values()]
        heights = [drawing.layout["height"] for drawing in drawings.values()]
        plotly.io.write_images(
            figures, paths, format=kind, width=WIDTH, height=heights, scale=SCALE
        )
    except OSError as error:
        raise unwritable(folder, error) from error
    except (ImportError, RuntimeError, ValueError) as error:
        raise BadInput(
            "images are drawn by kaleido in a browser: install the extra (pip install "
            "'pbb-study[static]') and Chrome or Chromium, on the PATH or named by BROWSER_PATH "
            f"({str(error).strip().splitlines()[0]})"
        ) from error
    return tuple(paths)


def _on_white(drawing: Drawing) -> go.Figure:
    return drawing.figure().update_layout(paper_bgcolor="white", plot_bgcolor="white")


def _drawings(analysis: Analysis, source: Path) -> dict[str, Drawing]:
    """Name -> figure; numbered as on the page."""
    ordered = in_order(analysis.results)
    headline = any(result.headline for result in ordered)
    found: dict[str, Drawing] = {}
    if ordered:
        found["forest"] = draw_forest(ordered[:MOST])
    for index, result in enumerate(ordered[:MOST], start=1):
        if not result.contest.n_programs or (headline and not result.headline):
            continue
        found[f"dose-response-{index}"] = draw_dose_response(result)
        found[f"arms-{index}"] = draw_accuracy_by_arm(result.levels, result.chance)
        if result.diagnostics is not None and result.diagnostics.left_out:
            found[f"influence-{index}"] = draw_influence(result, result.diagnostics)
    for index, trend in enumerate(analysis.trends, start=1):
        if trend.points:
            found[f"scaling-{index}"] = draw_scaling(trend)
    costs = read_costs(source)
    if costs is not None and costs.device_s:
        found["device-time"] = draw_device_time(costs)
    return found

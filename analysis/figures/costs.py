"""Device time by phase."""

from __future__ import annotations

from html import escape

import plotly.graph_objects as go

from analysis.costs import PHASES, Costs
from analysis.figures.drawing import Drawing, layout, short
from analysis.palette import PHASE_COLOUR, PHASE_PATTERN
from analysis.sentences import device_time as told_device_time


def device_time(costs: Costs) -> go.Figure:
    """Device seconds by model and phase, stacked."""
    return draw_device_time(costs).figure()


def draw_device_time(costs: Costs) -> Drawing:
    """As `device_time`. Raises ValueError where no device time was recorded."""
    if not costs.device_s:
        raise ValueError("device_time: the trials record no device time")
    models = [escape(str(model)) for model in costs.by_model["model"]]
    rows = list(range(len(models) - 1, -1, -1))
    minutes = costs.device_s > 600
    unit, scale = ("minutes", 60.0) if minutes else ("seconds", 1.0)
    traces = [
        {
            "type": "bar",
            "orientation": "h",
            "name": phase,
            "x": short(costs.by_model[phase] / scale, 2),
            "y": rows,
            "width": 0.55,
            "marker": {
                "color": PHASE_COLOUR[phase],
                "pattern": {"shape": PHASE_PATTERN[phase], "solidity": 0.25, "fgopacity": 0.6},
            },
            "hovertemplate": f"{phase}: %{{x:.1f}} {unit}<extra></extra>",
        }
        for phase in PHASES
    ]
    base = layout(f"device {unit}", "", height=150 + 34 * len(models), right=24, left=130)
    base |= {"barmode": "stack", "showlegend": True}
    base["legend"] = {
        "orientation": "h",
        "traceorder": "normal",
        "x": 0,
        "y": 1,
        "yanchor": "bottom",
        "xanchor": "left",
    }
    base["xaxis"] |= {"showgrid": True, "zeroline": False}
    base["yaxis"] = {
        "tickvals": rows,
        "ticktext": models,
        "range": [-0.6, len(models) - 0.4],
        "ticks": "",
        "showline": False,
    }
    words = f"{told_device_time(costs)}."
    narrow = {"margin": {"l": 84, "r": 12, "t": 60, "b": 56}}
    return Drawing(traces, base, words, costs.by_model, narrow)

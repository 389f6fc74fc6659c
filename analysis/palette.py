"""How a series looks and what it is called, in every figure and table.

Colours follow Okabe and Ito, darkened or lightened until they hold on white and on near-black;
every series also differs by mark or dash, so that no meaning rests on colour.
"""

from __future__ import annotations

from typing import Final

from analysis.curves import Series

COLOUR: Final[dict[Series, str]] = {
    "demonstrations": "#1b7fc4",
    "instruction": "#d55e00",
    "both": "#8a5fd0",
    "in_context": "#009e73",
    "placebo": "#c06a9c",
    "none": "#808080",
    "no_acquisition": "#a8790a",
    "untuned": "#808080",
    "chance": "#808080",
}
DASH: Final[dict[Series, str]] = {
    "instruction": "solid",
    "demonstrations": "solid",
    "both": "dot",
    "in_context": "dash",
    "placebo": "dashdot",
    "no_acquisition": "longdash",
    "untuned": "dot",
    "none": "longdashdot",
    "chance": "1px,5px",
}
MARK: Final[dict[Series, str]] = {
    "demonstrations": "circle",
    "instruction": "diamond",
    "both": "triangle-up",
    "in_context": "star",
    "placebo": "x",
    "none": "square",
    "no_acquisition": "cross",
    "untuned": "square-open",
    "chance": "line-ew-open",
}
NAME: Final[dict[Series, str]] = {
    "demonstrations": "demonstrations",
    "instruction": "one instruction",
    "both": "instruction and demonstrations",
    "in_context": "instruction in context",
    "placebo": "placebo",
    "none": "nothing (n = 0)",
    "no_acquisition": "instruction, no stage 1",
    "untuned": "untuned base",
    "chance": "random baseline",
}
ORDER: Final[tuple[Series, ...]] = (
    "in_context",
    "both",
    "instruction",
    "demonstrations",
    "placebo",
    "no_acquisition",
    "none",
    "untuned",
    "chance",
)
GREY: Final = "#808080"
"""For marks that belong to no series; holds on white and on near-black."""

PHASE_COLOUR: Final[dict[str, str]] = {
    "train": "#1b7fc4",
    "evaluate": "#d55e00",
    "start-up": "#8a5fd0",
    "idle": "#808080",
}
PHASE_PATTERN: Final[dict[str, str]] = {"train": "", "evaluate": "/", "start-up": "x", "idle": "."}
"""Device time by phase: told apart by pattern as well."""

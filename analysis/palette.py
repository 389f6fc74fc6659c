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
    "both": "#7a4fbf",
    "in_context": "#009e73",
    "placebo": "#c06a9c",
    "none": "#808080",
    "no_acquisition": "#a8790a",
    "untuned": "#808080",
}
DASH: Final[dict[Series, str]] = {
    "in_context": "dash",
    "placebo": "dashdot",
    "no_acquisition": "longdash",
    "untuned": "dot",
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
)

"""What an answer earns when answers are reinforced.

A right one earns what its domain says, 1 unless it grades: by the very rule that evaluation scores
with, so that nothing pays that would not count. A wrong one earns the recipe's format_reward where
it has the format that was asked for and came to an end: early on, that is all there is to learn.
Any other earns nothing.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Final

from pbb.config import ResponseFormat
from pbb.documents import said
from pbb.domains.domain import ANSWER_CUE, Domain, Program

_ANSWER_LINE: Final = re.compile(r"answer\s*:.*")
_TRACE_LINE: Final = re.compile(r"trace\s*:\s*\S.*")


@dataclass(frozen=True)
class Judged:
    """right: by the domain's `correct`; reward: 0 to 1."""

    right: bool
    reward: float


def judged(
    domain: Domain,
    program: Program,
    case: int,
    output: str,
    response_format: ResponseFormat,
    *,
    ended: bool,
    format_reward: float,
) -> Judged:
    """Judge what a model wrote. case: index into the program's cases; ended: by the end token."""
    answer = said(output, response_format)
    traced = bool(program.draft.cases[case].trace)
    formed = ended and well_formed(output, response_format, traced=traced)
    earned = domain.reward(program, case, answer)
    return Judged(
        right=domain.correct(program, case, answer),
        reward=max(earned, format_reward if formed else 0.0),
    )


def well_formed(output: str, response_format: ResponseFormat, *, traced: bool) -> bool:
    """Whether an output has the form of a completion in this format, whatever it says.

    Its one `answer:` line is its last, and not empty. Before it stands nothing (direct); a trace
    (cot); or an instruction, and after it, where the case is `traced`, a line `trace:` (recite).
    """
    text = f"{ANSWER_CUE} {output}" if response_format == "direct" else output
    lines = [line.strip() for line in text.strip().split("\n")]
    answers = [i for i, line in enumerate(lines) if _ANSWER_LINE.fullmatch(line)]
    if answers != [len(lines) - 1] or not said(output, response_format):
        return False
    before = [line for line in lines[:-1] if line]
    match response_format:
        case "direct":
            return not before
        case "cot":
            return bool(before)
        case "recite":
            return len(before) > traced and (not traced or bool(_TRACE_LINE.fullmatch(before[-1])))

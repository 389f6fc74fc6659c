"""Documents: a prompt and the completion that carries the loss, and how answers are read back.

One rendering serves every model; a tokenizer with a chat template wraps it (pbb.models.encoding).
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Final, Literal

from pbb.config import DemonstrationFormat, ResponseFormat, Split
from pbb.domains.arithmetic import definition
from pbb.domains.evaluator import Execution

ANSWER_CUE: Final = "answer:"
DEMONSTRATED_AS: Final[dict[DemonstrationFormat, ResponseFormat]] = {
    "answer": "direct",
    "trace": "cot",
}
"""A demonstration in a format is an execution document of this response format."""
_ANSWER: Final = re.compile(r"answer\s*:\s*(-?\d[\d ]*)")


@dataclass(frozen=True)
class Document:
    """prompt carries no loss; completion does. The other fields say what it reveals."""

    prompt: str
    completion: str
    kind: Literal["declaration", "placebo", "execution", "in_context"]
    split: Split
    program: str
    input: int | None = None
    response_format: ResponseFormat | None = None
    replay: bool = False


def declaration_prompt(template: str, name: str) -> str:
    """Pointer to an instruction; the body is to follow."""
    return f"{template.format(name=name)}\n{definition(name, '')}".rstrip("\n")


def declaration_completion(body: str) -> str:
    return f"\n{body}"


def execution_prompt(template: str, name: str, x: int, response_format: ResponseFormat) -> str:
    """Pointer, input and the cue of the format; `recite` opens the definition to be recited."""
    cue = {
        "direct": ANSWER_CUE,
        "cot": "trace:",
        "recite": f"recite:\n{definition(name, '')}".rstrip("\n"),
    }[response_format]
    return f"{template.format(call=f'{name}({x})')}\n{cue}"


def execution_completion(body: str, run: Execution, response_format: ResponseFormat) -> str:
    """The response: answer; trace and answer; or instruction, trace and answer."""
    trace = " ".join(str(value) for value in run.trace)
    match response_format:
        case "direct":
            return f" {run.answer}"
        case "cot":
            return f" {trace}\n{ANSWER_CUE} {run.answer}"
        case "recite":
            return f"\n{body}\ntrace: {trace}\n{ANSWER_CUE} {run.answer}"


def parse_answer(output: str, response_format: ResponseFormat) -> int | None:
    """The number after the first `answer:`, or None; what a model adds after it does not count."""
    text = f"{ANSWER_CUE} {output}" if response_format == "direct" else output
    found = _ANSWER.search(text)
    digits = found.group(1).replace(" ", "") if found else ""
    return int(digits) if 0 < len(digits) < 20 else None

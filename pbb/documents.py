"""Documents: a prompt and the completion that carries the loss, and how answers are read back.

One rendering serves every model; a tokenizer with a chat template wraps it (pbb.models.encoding).
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, Literal

from pbb.config import DemonstrationFormat, Representation, ResponseFormat
from pbb.domains.domain import ANSWER_CUE, CUE, Case, Domain, Draft, Program, ProgramSplit

DEMONSTRATED_AS: Final[dict[DemonstrationFormat, ResponseFormat]] = {
    "answer": "direct",
    "trace": "cot",
}
"""A demonstration in a format is an execution document of this response format."""
TRACE_CUE: Final = "trace:"
_ANSWER: Final = re.compile(rf"{CUE.pattern}([^\n]*)")


@dataclass(frozen=True)
class Document:
    """prompt carries no loss; completion does. The other fields say what it reveals.

    input: index of the case executed; null where nothing is.
    """

    prompt: str
    completion: str
    kind: Literal["declaration", "placebo", "execution", "in_context"]
    split: ProgramSplit
    program: str
    input: int | None = None
    response_format: ResponseFormat | None = None
    replay: bool = False


@dataclass(frozen=True)
class Told:
    """How instructions are worded: in which representation, and which of its phrasings."""

    representation: Representation = "code"
    phrasing: int = 0


def declaration(
    domain: Domain, name: str, draft: Draft, told: Told, template: str
) -> tuple[str, str]:
    """Prompt and completion of `pointer -> instruction`; for a placebo, of another's draft."""
    opening = domain.opening(draft, name, told.representation)
    instruction = domain.instruction(draft, name, told.representation, told.phrasing)
    return f"{template.format(name=name)}\n{opening}", f"\n{instruction}"


def execution_prompt(
    domain: Domain,
    program: Program,
    case: Case,
    response_format: ResponseFormat,
    told: Told,
    template: str,
) -> str:
    """Pointer, input and the cue of the format; `recite` opens the instruction to be recited."""
    names = [part.name for part in told_apart(program)]
    innermost = told_apart(program)[-1]
    cue = {"direct": ANSWER_CUE, "cot": TRACE_CUE, "recite": "recite:"}[response_format]
    if response_format == "recite":
        cue += f"\n{domain.opening(innermost.draft, innermost.name, told.representation)}"
    return f"{template.format(call=domain.call(names, case))}\n{cue}"


def execution_completion(
    domain: Domain, program: Program, case: Case, response_format: ResponseFormat, told: Told
) -> str:
    """The response: answer; trace and answer; or instruction, trace and answer."""
    match response_format:
        case "direct":
            return f" {case.answer}"
        case "cot":
            return f" {case.trace}\n{ANSWER_CUE} {case.answer}"
        case "recite":
            trace = f"{TRACE_CUE} {case.trace}\n" if case.trace else ""
            instructions = recital(domain, program, [told] * len(told_apart(program)))
            return f"{instructions}\n{trace}{ANSWER_CUE} {case.answer}"


def told_apart(program: Program) -> tuple[Program, ...]:
    """The programs whose instructions it takes to answer, outermost first."""
    return program.parts or (program,)


def recital(domain: Domain, program: Program, tellings: Sequence[Told]) -> str:
    """Instructions in the order they are applied; the first one's opening stands in the prompt.

    tellings: one for each of `told_apart`, in the order of the text.
    """
    text = ""
    parts = reversed(told_apart(program))
    for i, (part, told) in enumerate(zip(parts, tellings, strict=True)):
        if i:
            text += f"\n{domain.opening(part.draft, part.name, told.representation)}"
        instruction = domain.instruction(part.draft, part.name, told.representation, told.phrasing)
        text += f"\n{instruction}"
    return text


def said(output: str, response_format: ResponseFormat) -> str:
    """What follows the first `answer:` on its line; empty where a model never gave one."""
    text = f"{ANSWER_CUE} {output}" if response_format == "direct" else output
    found = _ANSWER.search(text)
    return found.group(1).strip() if found else ""

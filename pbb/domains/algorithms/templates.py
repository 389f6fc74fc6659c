"""Pointer templates of the algorithms: see pbb.templates."""

from __future__ import annotations

from typing import Final

from pbb.templates import Templates

TEMPLATES: Final = Templates(
    declaration=(
        "algorithm {name}",
        "the algorithm called {name}",
        "steps of {name}",
        "how {name} works",
        "method {name}",
        "the method behind {name}",
        "{name} step by step",
        "procedure {name}",
        "explain {name}",
        "a routine named {name}",
        "{name} goes like this",
        "describe the algorithm {name}",
        "this is {name}",
        "the way {name} works",
        "learn {name}",
        "the recipe for {name}",
        "solution named {name}",
        "{name} does the following",
        "details of {name}",
        "what {name} stands for",
    ),
    execution=(
        "carry out {call}",
        "answer {call}",
        "follow {call}",
        "go through {call}",
        "use the algorithm in {call}",
        "{call} yields",
        "do {call}",
        "what does {call} return",
        "perform {call}",
        "determine {call}",
        "outcome of {call}",
        "step through {call}",
        "{call} comes to",
        "trace {call} to its end",
        "which value has {call}",
        "give back {call}",
        "complete {call}",
        "play through {call}",
        "the answer to {call}",
        "let {call} run",
    ),
)

"""Pointer templates: the many ways to refer to a function, one drawn per document.

Without this augmentation PBB collapses (Cook et al. 2026, finding F5 of docs/findings.md's list).
Each domain has twenty of each kind; these are arithmetic's. The bases' library has templates of its
own, so no base has seen a study's.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final


@dataclass(frozen=True)
class Templates:
    """declaration templates hold `{name}`; execution templates hold `{call}`."""

    declaration: tuple[str, ...]
    execution: tuple[str, ...]


ARITHMETIC: Final = Templates(
    declaration=(
        "define {name}",
        "the function {name}",
        "source of {name}",
        "here is {name}",
        "{name} is defined as",
        "write {name} in full",
        "show the code of {name}",
        "what does {name} do",
        "the body of {name}",
        "recall {name}",
        "implement {name}",
        "{name} in code",
        "how is {name} written",
        "state the rule of {name}",
        "give {name}",
        "the program {name} reads",
        "print the source of {name}",
        "{name} looks like this",
        "our function {name}",
        "let me see {name}",
    ),
    execution=(
        "compute {call}",
        "run {call}",
        "the value of {call}",
        "evaluate {call}",
        "what is {call}",
        "{call} gives",
        "call {call}",
        "the result of {call}",
        "work out {call}",
        "{call} returns",
        "find {call}",
        "output of {call}",
        "execute {call} now",
        "please solve {call}",
        "try {call}",
        "what comes out of {call}",
        "apply {call}",
        "tell me {call}",
        "so {call} is",
        "now {call}",
    ),
)

LIBRARY: Final = Templates(
    declaration=(
        "module item {name}",
        "documentation for {name}",
        "from the library {name}",
        "listing {name}",
        "reference entry {name}",
        "see also {name}",
        "file with {name}",
        "known as {name}",
        "chapter on {name}",
        "name {name} code",
        "import {name}",
        "snippet {name}",
        "entry {name} follows",
        "appendix {name}",
        "package part {name}",
        "text about {name}",
        "old helper {name}",
        "common tool {name}",
        "one of them {name}",
        "index {name}",
    ),
    execution=(
        "test {call}",
        "assert {call}",
        "example {call}",
        "log {call}",
        "usage {call}",
        "check {call}",
        "example use {call} there",
        "console {call}",
        "input {call}",
        "expression {call}",
        "then {call}",
        "print {call}",
        "session {call}",
        "line with {call}",
        "trial {call}",
        "and {call}",
        "exercise {call}",
        "question {call}",
        "value at {call}",
        "with {call}",
    ),
)

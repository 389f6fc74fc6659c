"""How a grammar is introduced, and how a sentence of it is asked for."""

from __future__ import annotations

from typing import Final

from pbb.templates import Templates

TEMPLATES: Final = Templates(
    declaration=(
        "the grammar {name}",
        "the rules of {name}",
        "how to speak {name}",
        "{name} has these rules",
        "grammar of {name}",
        "every rule of {name}",
        "the language {name}",
        "in {name} we say",
        "write down {name}",
        "what are the rules of {name}",
        "recall the grammar {name}",
        "speakers of {name} follow this",
        "show the rules for {name}",
        "sentences of {name} are made so",
        "here is how {name} works",
        "{name} is spoken like this",
        "learn {name}",
        "describe the language {name}",
        "a book on {name}",
        "{name} in rules",
    ),
    execution=(
        "say something in {call}",
        "a sentence of {call}",
        "speak {call}",
        "write in {call}",
        "one example of {call}",
        "give a line of {call}",
        "talk in {call}",
        "make a sentence in {call}",
        "what could {call} say",
        "let me hear {call}",
        "please use {call}",
        "words of {call}",
        "tell me something in {call}",
        "now in {call}",
        "how does {call} sound",
        "form a sentence of {call}",
        "a speaker of {call} says",
        "a new line in {call}",
        "answer in {call}",
        "draw from {call}",
    ),
)

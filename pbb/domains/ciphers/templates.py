"""Pointer templates of the ciphers."""

from __future__ import annotations

from typing import Final

from pbb.templates import Templates

CIPHERS: Final = Templates(
    declaration=(
        "the cipher {name}",
        "how {name} hides a word",
        "rule for {name}",
        "{name} works like this",
        "the secret code {name}",
        "what {name} does to letters",
        "learn {name}",
        "steps of {name}",
        "to write in {name}",
        "this is {name}",
        "{name} changes a word so",
        "inside {name}",
        "the way of {name}",
        "note on {name}",
        "spelling out {name}",
        "{name} step by step",
        "key and word in {name}",
        "remember {name}",
        "explain {name}",
        "about the code {name}",
    ),
    execution=(
        "encode {call}",
        "the word {call}",
        "which word is {call}",
        "write down {call}",
        "cipher text of {call}",
        "spell {call}",
        "letters of {call}",
        "turn into code {call}",
        "{call} reads",
        "what word does {call} make",
        "use {call}",
        "{call} becomes",
        "send {call}",
        "hide with {call}",
        "message {call}",
        "one word from {call}",
        "read off {call}",
        "get {call}",
        "answer for {call}",
        "do {call} by letters",
    ),
)

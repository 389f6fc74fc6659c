"""Reads the ciphers' prose back and does what it says: an oracle that never sees the source."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass

ENDS = ("return s.", "the result is s.", "s is the answer.", "output s.")
COUNTED = ("its position p from 0", "p counts from 0", "count p up from 0", "p letters to its left")


@dataclass(frozen=True)
class Place:
    """A letter of a word: itself, its index, and the key."""

    x: str
    p: int
    k: int


def amount(text: str, place: Place | None, k: int) -> int:
    """`k times 2 plus p` in whole numbers; products before sums."""
    signs = {"plus": "+", "minus": "-", "times": "*"}
    known = {"k": k} if place is None else {"k": k, "p": place.p}
    terms = [signs.get(word, word) for word in text.split()]
    assert all(re.fullmatch(r"[-+*]|\d+", term) or term in known for term in terms), text
    value = eval(" ".join(terms), {}, known)
    assert isinstance(value, int)
    return value


def holds(text: str, place: Place) -> bool:
    """Whether a condition is true of a letter."""
    if text in ("p is even", "p is an even number", "2 divides p", "p is a multiple of 2"):
        return place.p % 2 == 0
    if re.fullmatch(
        r"x (is a vowel|is one of the vowels|is in a e i o u|happens to be a vowel)", text
    ):
        return place.x in "aeiou"
    if found := re.fullmatch(
        r"x (?:is (?:a letter )?before|comes before|is smaller than) '(.)'", text
    ):
        return place.x < found[1]
    found = re.fullmatch(r"p (?:is less than|is below|is smaller than|stays under) (.+)", text)
    assert found, text
    return place.p < amount(found[1], place, place.k)


IT = "(x|it|that|this|the outcome)"
EITHER = (
    rf"shift {IT} by (?P<a>.+) if (?P<test>.+) and by (?P<b>.+) otherwise",
    rf"when (?P<test>.+), move {IT} forward (?P<a>.+) places? or else (?P<b>.+) places?",
    rf"if (?P<test>.+), {IT} becomes the letter (?P<a>.+) places? after {IT} "
    r"or else (?P<b>.+) places? after",
    rf"add to {IT} either (?P<a>.+) where (?P<test>.+) or (?P<b>.+) elsewhere",
)
SHIFT = (
    rf"shift {IT} by (?P<n>.+)",
    rf"move {IT} forward (?P<n>.+) places?",
    rf"{IT} becomes the letter (?P<n>.+) places? after {IT}",
    rf"add (?P<n>.+) to {IT}",
)
LOOK_UP = (
    rf"replace {IT} by the letter of '(?P<t>.+)' at its place in the alphabet",
    rf"trade {IT} for its letter in the new alphabet '(?P<t>.+)'",
    rf"{IT} becomes the letter under {IT} when '(?P<t>.+)' stands under the alphabet",
    rf"look {IT} up in '(?P<t>.+)' with a at its first letter",
)


def matched(patterns: tuple[str, ...], text: str) -> re.Match[str] | None:
    return next(filter(None, (re.fullmatch(pattern, text) for pattern in patterns)), None)


def change(text: str, letter: str, place: Place, alphabet: int) -> str:
    """What a step makes of a letter."""

    def forward(n: str) -> str:
        index = ord(letter) - ord("a") + amount(n, place, place.k)
        return chr(ord("a") + index % alphabet)

    if found := matched(EITHER, text):
        return forward(found["a"] if holds(found["test"], place) else found["b"])
    if found := matched(SHIFT, text):
        return forward(found["n"])
    found = matched(LOOK_UP, text)
    assert found, text
    table = found["t"].split()
    assert sorted(table) == [chr(ord("a") + i) for i in range(alphabet)]
    return table[ord(letter) - ord("a")]


def changed(stage: str, word: str, k: int, alphabet: int) -> str:
    """What a stage that goes over the letters makes of a word."""
    opening, told = stage.split(": ")
    steps = told.split(" and then ")
    if not any(words in opening for words in COUNTED):
        assert not re.search(r"\bp\b", re.sub("'.*?'", "", told)), (
            f"position not introduced: {stage}"
        )
    made = []
    for index, letter in enumerate(word):
        place = Place(letter, index, k)
        for i, step in enumerate(steps):
            named = re.search(rf"\b{IT}\b", step.split(", ")[-1])
            assert named and (named[1] == "x") == (i == 0), f"not the current letter: {step}"
            letter = change(step, letter, place, alphabet)
        made.append(letter)
    return "".join(made)


def in_blocks(word: str, n: int) -> str:
    pieces = [word[i : i + n] for i in range(0, len(word), n)]
    return "".join("".join(reversed(piece)) for piece in pieces)


N = "(.+?)"
MOVES: tuple[tuple[str, Callable[[str, int], str]], ...] = (
    (f"put the first {N} letters? of s at the end", lambda s, n: s[n:] + s[:n]),
    (f"move the first {N} letters? of s behind the rest", lambda s, n: s[n:] + s[:n]),
    (f"s becomes s without its first {N} letters? and then those", lambda s, n: s[n:] + s[:n]),
    (f"rotate s to the left by {N}", lambda s, n: s[n:] + s[:n]),
    (f"put the last {N} letters? of s at the front", lambda s, n: s[-n:] + s[:-n]),
    (f"move the last {N} letters? of s before the rest", lambda s, n: s[-n:] + s[:-n]),
    (f"s becomes its last {N} letters? and then s without those", lambda s, n: s[-n:] + s[:-n]),
    (f"rotate s to the right by {N}", lambda s, n: s[-n:] + s[:-n]),
    (
        "(reverse s|turn s around|s becomes s from back to front|read s backward)",
        lambda s, _: s[::-1],
    ),
    (f"reverse the first {N} letters? of s", lambda s, n: s[:n][::-1] + s[n:]),
    (f"turn the first {N} letters? of s around", lambda s, n: s[:n][::-1] + s[n:]),
    (
        f"the first {N} letters? of s become those from back to front",
        lambda s, n: s[:n][::-1] + s[n:],
    ),
    (
        f"read the first {N} letters? of s backward and the others forward",
        lambda s, n: s[:n][::-1] + s[n:],
    ),
    (
        "(take every other letter of s from the second on and then the ones left"
        "|write letters two four six and so on of s before one three five and so on"
        "|s becomes its even letters and then its odd ones counted from one"
        "|read s by twos from its second letter and again from its first)",
        lambda s, _: s[1::2] + s[::2],
    ),
    (
        "(take every other letter of s from the first on and then the ones left"
        "|write letters one three five and so on of s before two four six and so on"
        "|s becomes its odd letters and then its even ones counted from one"
        "|read s by twos from its first letter and again from its second)",
        lambda s, _: s[::2] + s[1::2],
    ),
    (f"reverse each block of {N} letters? of s", in_blocks),
    (f"turn each run of {N} letters? of s around", in_blocks),
    (f"each part of {N} letters? of s becomes itself from back to front", in_blocks),
    (f"cut s after every {N} letters? and read each part backward", in_blocks),
)


def followed(prose: str, word: str, k: int, alphabet: int) -> str:
    """The word that the instruction, read as English, makes of a word by a key."""
    *stages, end = prose.split("; ")
    assert end in ENDS and stages
    for stage in stages:
        if ": " in stage:
            word = changed(stage, word, k, alphabet)
            continue
        found = [(re.fullmatch(told, stage), move) for told, move in MOVES]
        meant = [(match[1], move) for match, move in found if match]
        assert len(meant) == 1, f"{len(meant)} readings: {stage}"
        n, move = meant[0]
        word = move(word, amount(n, None, k) if re.match(r"\d|k", n) else 0)
    return word

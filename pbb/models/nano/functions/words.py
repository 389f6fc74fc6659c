"""Functions of a word, alone or beside a letter or another word."""

from __future__ import annotations

import numpy as np

from pbb.models.nano.functions.expressions import Scope
from pbb.models.nano.functions.loops import loop
from pbb.models.nano.functions.parts import Proposal, pick


def on_word(rng: np.random.Generator) -> Proposal:
    kind = pick(("plain", "plain", "keyed", "keyed", "pair", "swap"), rng)
    also = {"plain": (), "keyed": ("k",), "pair": ("t[i]",), "swap": ("a", "b")}[kind]
    taken = ("s", "k", "t", "a", "b", "c")
    each = Scope("for c in s:", letters=("c",), also_letters=also, taken=taken)
    placed = Scope(
        "for i in range(len(s)):",
        letters=("s[i]",),
        also_letters=also,
        also_numbers=("i",),
        taken=taken,
    )
    after = Scope(
        "for i in range(1, len(s)):",
        letters=("s[i]",),
        also_letters=("s[i - 1]", *also),
        taken=taken,
    )
    second = Scope(
        "for i in range(0, len(s), 2):", letters=("s[i]",), also_letters=also, taken=taken
    )
    options = (placed, after) if kind == "pair" else (each, each, each, placed, after, second)
    starts = ('""', '""', '""', "s", "s[0]", *(also if kind == "keyed" else ()))
    body = loop(pick(options, rng), ("0", "0", "1"), starts, rng)

    def arguments(rng: np.random.Generator) -> tuple[object, ...]:
        s = _word(rng)
        within = s[int(rng.integers(len(s)))]
        return {
            "plain": (s,),
            "keyed": (s, pick((within, _word(rng, 1, 1)), rng)),
            "pair": (s, _word(rng, len(s), len(s))),
            "swap": (s, within, _word(rng, 1, 1)),
        }[kind]

    parameters = {"plain": "s", "keyed": "s, k", "pair": "s, t", "swap": "s, a, b"}[kind]
    return Proposal(parameters, body, arguments)


def _word(rng: np.random.Generator, low: int = 3, high: int = 5) -> str:
    size = int(rng.integers(low, high + 1))
    return "".join("abcdefghij"[i] for i in rng.integers(10, size=size))

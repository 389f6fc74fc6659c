"""Random ciphers: stages that change each letter, or move letters about.

A body's letters depend on the key, the position, the class of the letter or a keyed substitution;
its moves are rotations, reversals and block transpositions, by a constant or by the key.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Final

import numpy as np

from pbb.domains.configs import CiphersConfig
from pbb.domains.names import SYLLABLES

INDENT: Final = "    "
MOVE_ODDS: Final = 0.35
"""Of a stage among several; no two moves follow each other."""
LONE_MOVE_ODDS: Final = 0.03
"""Of the only stage: there are few moves, so most would be told twice."""
TABLE_ODDS: Final = 0.3
CHOICE_ODDS: Final = 0.75
"""Of two amounts, by position or letter, where no table makes the line long."""
CONSTANT_MAX: Final = 9
BLOCKS: Final = "''.join(s[p:p + {0}][::-1] for p in range(0, len(s), {0}))"
KEYED_MOVES: Final = (
    "s[k:] + s[:k]",
    "s[-k:] + s[:-k]",
    "s[:k][::-1] + s[k:]",
    BLOCKS.format("k + 1"),
)
PLAIN_MOVES: Final = (
    "s[::-1]",
    "s[1::2] + s[::2]",
    "s[::2] + s[1::2]",
    BLOCKS.format("2"),
    BLOCKS.format("3"),
    "s[{n}:] + s[:{n}]",
)
KEYED_AMOUNTS: Final = ("k", "-k", "k * 2", "k * 3", "k + p", "k - p", "p - k", "k * p")
KEYED_SUMS: Final = (
    "{n} - k",
    *(f"{amount} + {{n}}" for amount in KEYED_AMOUNTS if amount != "-k"),
)
KEYED_ARMS: Final = ("k", "-k", "k * 2", "k + {n}", "{n} - k")
_NAME_PART: Final = re.compile("|".join(SYLLABLES))


def definition(name: str, body: str) -> str:
    """The full Python source of the function `name`; it runs after the prelude."""
    return f"def {name}(s, k):\n{body}"


def random_body(config: CiphersConfig, rng: np.random.Generator) -> str:
    """Indented lines, one a stage, no trailing newline. At least one of them takes the key."""
    keyed = int(rng.integers(config.stages))
    made: list[str] = []
    moved = False
    for stage in range(config.stages):
        odds = MOVE_ODDS if config.stages > 1 else LONE_MOVE_ODDS
        moved = not moved and rng.random() < odds
        draw = _move if moved else _change
        made.append(draw(config, rng, keyed=stage == keyed))
    *first, last = made
    lines = [*(f"s = {text}" for text in first), f"return {last}"]
    return "\n".join(INDENT + line for line in lines)


def plain_word(word: str) -> bool:
    """Whether no syllable of names is in it, which word-level tokenizers would read as one sign."""
    return _NAME_PART.search(word) is None


def _pick(options: Sequence[str], rng: np.random.Generator) -> str:
    return options[int(rng.integers(len(options)))]


def _move(config: CiphersConfig, rng: np.random.Generator, *, keyed: bool) -> str:
    move = _pick(KEYED_MOVES if keyed else (*KEYED_MOVES, *PLAIN_MOVES), rng)
    return move.format(n=rng.integers(1, config.length))


def _change(config: CiphersConfig, rng: np.random.Generator, *, keyed: bool) -> str:
    """Each letter shifted, or shifted and looked up, or looked up."""
    if rng.random() >= TABLE_ODDS:
        choice = rng.random() < CHOICE_ODDS
        amount = _choice(config, rng) if choice else _amount(config, rng, keyed=keyed)
        letter = f"shift(x, {amount})"
    else:
        amount, table = _amount(config, rng, keyed=True), _table(config, rng)
        forms = (
            f"'{table}'[ord(shift(x, {amount})) - 97]",
            f"shift('{table}'[ord(x) - 97], {amount})",
            f"'{table}'[ord(x) - 97]",
        )
        letter = _pick(forms[:2] if keyed else forms, rng)
    if re.search(r"\bp\b", letter):
        return f"''.join({letter} for p, x in enumerate(s))"
    return f"''.join({letter} for x in s)"


def _amount(config: CiphersConfig, rng: np.random.Generator, *, keyed: bool) -> str:
    """One expression for all letters, possibly of their position."""
    if not keyed and rng.random() < 0.5:
        amount = _pick(("{n}", "p", "p * 2", "p + {n}"), rng)
    else:
        amount = _pick(KEYED_AMOUNTS if rng.random() < 0.3 else KEYED_SUMS, rng)
    return amount.format(n=_constant(config, rng))


def _choice(config: CiphersConfig, rng: np.random.Generator) -> str:
    """One of two amounts for each letter; the key decides, or is in one of them at least."""
    cut = chr(97 + int(rng.integers(2, config.alphabet - 1)))
    tests = ("p % 2 == 0", "x in 'aeiou'", f"x < '{cut}'", f"p < {rng.integers(1, config.length)}")
    if rng.random() < 0.1:
        test, first = "p < k", str(_constant(config, rng))
    else:
        test, first = _pick(tests, rng), _arm(config, rng)
    second = first
    while second == first:
        second = str(_constant(config, rng)) if rng.random() < 0.7 else _arm(config, rng)
    arms = (first, second) if rng.random() < 0.5 else (second, first)
    return f"{arms[0]} if {test} else {arms[1]}"


def _arm(config: CiphersConfig, rng: np.random.Generator) -> str:
    return _pick(KEYED_ARMS, rng).format(n=_constant(config, rng))


def _constant(config: CiphersConfig, rng: np.random.Generator) -> int:
    return int(rng.integers(1, min(CONSTANT_MAX, config.alphabet - 1) + 1))


def _table(config: CiphersConfig, rng: np.random.Generator) -> str:
    """All letters in some other order."""
    while True:
        table = "".join(chr(97 + i) for i in rng.permutation(config.alphabet))
        if plain_word(table):
            return table

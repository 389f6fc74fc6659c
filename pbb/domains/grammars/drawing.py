"""Random grammars and random sentences.

Nonterminals are grown level by level, each below a parent, so all of them are reached at the depth
asked for; further references at any height are the recursion. An alternative begins with a terminal
or with a nonterminal of the next level, so nothing recurs on the left.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from typing import Final

import numpy as np

from pbb.domains.configs import GrammarsConfig
from pbb.domains.grammars.rules import Alternative, Grammar, Symbol
from pbb.domains.names import SYLLABLES

NAMES: Final = "SABCDEFGH"
"""The start symbol and the others, level by level."""
NONTERMINALS_OF_AN_ALTERNATIVE: Final = 2
_TERMINALS_PER_NONTERMINAL: Final = 2
_TERMINALS: Final = ((1, 2), (1, 2), (0, 1))
"""Fewest and most terminals of an alternative, by its nonterminals."""


def _odds(depth: int) -> tuple[float, float]:
    """(down, back): how often a place for a nonterminal takes one of the next level, and how often
    one of its own level or above, whereby the grammar is recursive.

    The more levels, the less often, or sentences would grow beyond all bounds; chosen so that many
    proposals are fair.
    """
    return min(0.8, 2.4 / depth), 0.6 / depth**2


def draw_grammar(config: GrammarsConfig, rng: np.random.Generator) -> Grammar | None:
    """A proposal; null where a level came out too small for the next."""
    level = _levels(config, rng)
    children = _children(level, config, rng)
    if children is None:
        return None
    size = _TERMINALS_PER_NONTERMINAL * len(level)
    pool = [SYLLABLES[i] for i in rng.choice(len(SYLLABLES), size=size, replace=False)]
    rules = []
    for a, own in enumerate(level):
        rule: dict[Alternative, None] = {}
        for within in _dealt(children[a], config, rng):
            alternative = _alternative(within, own, level, pool, rng)
            while alternative in rule:
                alternative = _alternative(within, own, level, pool, rng)
            rule[alternative] = None
        rules.append(tuple(rule))
    return Grammar(tuple(NAMES[: len(level)]), tuple(rules))


def _levels(config: GrammarsConfig, rng: np.random.Generator) -> list[int]:
    """Level of each nonterminal, ascending; the start symbol is alone on 1."""
    others = [*range(2, config.depth + 1)]
    spare = config.nonterminals - len(others)
    return [1, *sorted(others + rng.integers(2, config.depth + 1, size=spare).tolist())]


def _children(
    level: list[int], config: GrammarsConfig, rng: np.random.Generator
) -> list[list[int]] | None:
    """Of each nonterminal those that it must use; null where a level is too small for the next."""
    children: list[list[int]] = [[] for _ in level]
    room = NONTERMINALS_OF_AN_ALTERNATIVE * config.alternatives
    for a in range(1, len(level)):
        parents = [b for b in range(a) if level[b] == level[a] - 1 and len(children[b]) < room]
        if not parents:
            return None
        children[parents[int(rng.integers(len(parents)))]].append(a)
    return children


def _dealt(
    children: list[int], config: GrammarsConfig, rng: np.random.Generator
) -> list[list[int]]:
    """A rule's alternatives, each with the nonterminals that it must use."""
    least = max(2, -(-len(children) // NONTERMINALS_OF_AN_ALTERNATIVE))
    count = int(rng.integers(least, config.alternatives + 1))
    places = rng.permutation(np.repeat(np.arange(count), NONTERMINALS_OF_AN_ALTERNATIVE))
    dealt: list[list[int]] = [[] for _ in range(count)]
    for child, place in zip(children, places, strict=False):  # some places stay free
        dealt[place].append(child)
    return dealt


def _alternative(
    within: list[int], own: int, level: list[int], pool: list[str], rng: np.random.Generator
) -> Alternative:
    """Symbols in any order that does not recur on the left."""
    below = [a for a, each in enumerate(level) if each == own + 1]
    back = [a for a, each in enumerate(level) if each <= own]
    fall, rise = _odds(max(level))
    symbols: list[Symbol] = [*within]
    for _ in range(NONTERMINALS_OF_AN_ALTERNATIVE - len(within)):
        chance = rng.random()
        choice = back if chance < rise else below if chance < rise + fall else []
        symbols += [choice[int(rng.integers(len(choice)))]] if choice else []
    fewest, most = _TERMINALS[len(symbols)]
    count = int(rng.integers(fewest, most + 1))
    symbols += [pool[i] for i in rng.integers(len(pool), size=count)]
    symbols = [symbols[i] for i in rng.permutation(len(symbols))]
    if symbols[0] in back:
        symbols.insert(0, pool[int(rng.integers(len(pool)))])
    return tuple(symbols)


@dataclass(frozen=True)
class Derivation:
    """How a sentence came about.

    nodes: symbols of its tree with their depth, each before what it becomes and from left to right;
    the start symbol has depth 0. likely: the probability of just these choices.
    """

    grammar: Grammar
    nodes: tuple[tuple[int, Symbol], ...]
    likely: float

    @cached_property
    def sentence(self) -> tuple[str, ...]:
        """The terminals in order."""
        return tuple(symbol for _, symbol in self.nodes if isinstance(symbol, str))

    def forms(self) -> tuple[str, ...]:
        """Sentential forms after the start symbol, in BNF, all nonterminals rewritten at a time."""
        levels = range(1, max(depth for depth, _ in self.nodes) + 1)
        return tuple(" ".join(map(self.grammar.shown, self._form(level))) for level in levels)

    def _form(self, level: int) -> Iterator[Symbol]:
        for depth, symbol in self.nodes:
            if depth == level or (depth < level and isinstance(symbol, str)):
                yield symbol


def draw_sentences(
    grammar: Grammar, count: int, longest: int, most_known: float, rng: np.random.Generator
) -> tuple[Derivation, ...] | None:
    """`count` distinct sentences as derived; null where they recur too often.

    longest: sentences of more terminals are passed over. most_known: so likely at most may a new
    sentence be one of them, by the derivations drawn alone; ambiguous sentences have others too.
    """
    found: dict[str, Derivation] = {}
    for _ in range(int(2 * count / (1 - most_known))):  # half of these are to be expected at most
        derived = _derive(grammar, longest, rng)
        if derived:
            found.setdefault("".join(derived.sentence), derived)
        if len(found) == count:
            known = sum(each.likely for each in found.values())
            return tuple(found.values()) if known <= most_known else None
    return None


def _derive(grammar: Grammar, longest: int, rng: np.random.Generator) -> Derivation | None:
    """A random derivation, leftmost first; null where its sentence is too long."""
    nodes: list[tuple[int, Symbol]] = []
    waiting: list[tuple[int, Symbol]] = [(0, 0)]
    terminals, likely = 0, 1.0
    while waiting:
        depth, symbol = waiting.pop()
        nodes.append((depth, symbol))
        if isinstance(symbol, str):
            terminals += 1
            if terminals > longest:
                return None
        else:
            rule = grammar.rules[symbol]
            chosen = rule[int(rng.random() * len(rule))]
            waiting += [(depth + 1, each) for each in reversed(chosen)]
            likely /= len(rule)
    return Derivation(grammar, tuple(nodes), likely)

"""All parses of a text at once: how many, how likely, by which alternatives.

Texts hold no white space. Grammars have no left recursion and no empty alternative, so what begins
at a position rests on what begins further right, and on what begins there and comes earlier in
`leaves_first`: one sweep from right to left fills the chart.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache

from pbb.domains.grammars.rules import Alternative, Grammar, Symbol
from pbb.domains.grammars.structure import leaves_first

Opening = tuple[int, Alternative, frozenset[str]]
"""A nonterminal, one of its alternatives, and the terminals that this can begin with."""
Chart = list[dict[int, dict[int, float]]]
"""[position][nonterminal][end]: total weight of the derivations of text[position:end]."""


def parses(grammar: Grammar, text: str) -> int:
    """Derivations of the text; 0 where it is no sentence."""
    return int(_total(_chart(grammar, text, [1] * len(grammar.rules))))


def probability(grammar: Grammar, text: str) -> float:
    """Of drawing this text when all alternatives of a nonterminal are equally likely."""
    return _total(_chart(grammar, text, [1 / len(rule) for rule in grammar.rules]))


def used(grammar: Grammar, text: str) -> frozenset[tuple[int, int]]:
    """(nonterminal, place among its alternatives) of all that some parse of the text applies."""
    chart = _chart(grammar, text, [1] * len(grammar.rules))
    found: set[tuple[int, int]] = set()
    waiting: dict[tuple[int, int, int], None] = {}
    if _total(chart):
        waiting[0, 0, len(text)] = None
    todo = list(waiting)
    for a, start, end in todo:
        for place, alternative in enumerate(grammar.rules[a]):
            spans = _spans(chart, text, alternative, start, end)
            if spans:
                found.add((a, place))
            for s, i, j in spans:
                if isinstance(s, int) and (s, i, j) not in waiting:
                    waiting[s, i, j] = None
                    todo.append((s, i, j))
    return frozenset(found)


def _total(chart: Chart) -> float:
    return chart[0].get(0, {}).get(len(chart) - 1, 0)


def _chart(grammar: Grammar, text: str, weights: Sequence[float]) -> Chart:
    """weights: of one replacement of each nonterminal; a derivation's is their product."""
    openings, by_letter = _openings(grammar)
    chart: Chart = [{} for _ in range(len(text) + 1)]
    for start in range(len(text) - 1, -1, -1):
        here = [t for t in by_letter.get(text[start], ()) if text.startswith(t, start)]
        if not here:
            continue
        for a, alternative, first in openings:
            if first.isdisjoint(here):
                continue
            reached = {start: weights[a]}
            for symbol in alternative:
                reached = _after(chart, text, symbol, reached)
            ends = chart[start].setdefault(a, {})
            for end, weight in reached.items():
                ends[end] = ends.get(end, 0) + weight
    return chart


def _after(chart: Chart, text: str, symbol: Symbol, reached: dict[int, float]) -> dict[int, float]:
    """Ends of a symbol that begins where `reached` ends, weights multiplied."""
    if isinstance(symbol, str):
        size = len(symbol)
        return {at + size: w for at, w in reached.items() if text.startswith(symbol, at)}
    found: dict[int, float] = {}
    for at, weight in reached.items():
        for end, more in chart[at].get(symbol, {}).items():
            found[end] = found.get(end, 0) + weight * more
    return found


def _spans(
    chart: Chart, text: str, alternative: Alternative, start: int, end: int
) -> list[tuple[Symbol, int, int]]:
    """(symbol, start, end) of all ways in which the alternative gives text[start:end]."""
    steps: list[list[tuple[int, int]]] = []
    reached = [start]
    for symbol in alternative:
        steps.append([(i, j) for i in reached for j in _after(chart, text, symbol, {i: 1})])
        reached = list(dict.fromkeys(j for _, j in steps[-1]))
    spans: list[tuple[Symbol, int, int]] = []
    wanted = {end}
    for symbol, step in zip(reversed(alternative), reversed(steps), strict=True):
        kept = [(i, j) for i, j in step if j in wanted]
        spans += [(symbol, i, j) for i, j in kept]
        wanted = {i for i, _ in kept}
    return spans


@lru_cache(maxsize=512)
def _openings(grammar: Grammar) -> tuple[tuple[Opening, ...], dict[str, list[str]]]:
    """Openings of all alternatives, leaves first; and the terminals by their first letter."""
    firsts: dict[int, frozenset[str]] = {}
    found: list[Opening] = []
    for a in leaves_first(grammar):
        own = [(a, each, _first(each[0], firsts)) for each in grammar.rules[a]]
        firsts[a] = frozenset().union(*(first for _, _, first in own))
        found += own
    by_letter: dict[str, list[str]] = {}
    for terminal in grammar.terminals:
        by_letter.setdefault(terminal[0], []).append(terminal)
    return tuple(found), by_letter


def _first(corner: Symbol, firsts: dict[int, frozenset[str]]) -> frozenset[str]:
    return firsts[corner] if isinstance(corner, int) else frozenset([corner])

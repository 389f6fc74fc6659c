"""What a grammar is, whatever its symbols are called: faults, expected lengths, depth, meaning.

A sentence is drawn by replacing each nonterminal by one of its alternatives, all equally likely.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable
from graphlib import CycleError, TopologicalSorter
from typing import Final

import numpy as np

from pbb.domains.domain import ANSWER_CUE, CUE
from pbb.domains.grammars.rules import Grammar, GrammarError, Symbol, read

_FINITE: Final = 1 - 1e-9
"""Expectations are finite below a spectral radius of 1; this much for rounding."""


def checked(text: str, label: str = "grammar") -> Grammar:
    """The grammar of a BNF. Raises GrammarError.

    Refused beside what `read` refuses: useless symbols, left recursion, infinite expected length,
    and texts in which an answer's cue could stand.
    label: how messages name the grammar.
    """
    grammar = read(text, label)
    for fault_of in (_cue, _recursion, _useless, _endless):
        fault = fault_of(grammar)
        if fault:
            raise GrammarError(f"{label}{fault}")
    return grammar


def _cue(grammar: Grammar) -> str:
    if not cued(grammar):
        return ""
    return (
        f": its sentences or rules can hold {ANSWER_CUE!r}, after which an answer is read; use "
        "another terminal or name"
    )


def _recursion(grammar: Grammar) -> str:
    cycle = left_recursion(grammar)
    if not cycle:
        return ""
    shown = " -> ".join(grammar.names[a] for a in cycle)
    return (
        f", {grammar.rule(cycle[0])}: left recursion {shown}; begin the alternative with another "
        "symbol, for instance A ::= b | b A instead of A ::= b | A b"
    )


def _useless(grammar: Grammar) -> str:
    ending, reached = productive(grammar), levels(grammar)
    for a, name in enumerate(grammar.names):
        if a not in ending:
            return (
                f", {grammar.rule(a)}: {name} is useless, for it never ends in a sentence; give it "
                "an alternative that does"
            )
    for a, name in enumerate(grammar.names):
        if a not in reached:
            return (
                f", {grammar.rule(a)}: {name} is useless, for {grammar.names[0]} never leads to "
                "it; use it in a rule, or delete its own"
            )
    return ""


def _endless(grammar: Grammar) -> str:
    if np.isfinite(expected_lengths(grammar)[0]):
        return ""
    a = _explosive(grammar)
    return (
        f", {grammar.rule(a)}: its sentences have no finite expected length, for "
        f"{grammar.names[a]} leads to itself once or more on average; give it more alternatives "
        "that do not"
    )


def cued(grammar: Grammar) -> bool:
    """Whether the cue of answers is in the rules, or can be in a sentence, whose terminals stand
    apart."""
    word = ANSWER_CUE.removesuffix(":")
    ends = any(each.endswith(word) for each in grammar.terminals)
    goes_on = any(each.startswith(":") for each in grammar.terminals)
    return bool(CUE.search(grammar.bnf())) or (ends and goes_on)


def productive(grammar: Grammar) -> frozenset[int]:
    """Nonterminals of which some sentence comes."""
    found: set[int] = set()
    while True:
        more = {
            a
            for a, rule in enumerate(grammar.rules)
            if any(all(isinstance(s, str) or s in found for s in each) for each in rule)
        }
        if more == found:
            return frozenset(found)
        found = more


def levels(grammar: Grammar) -> dict[int, int]:
    """Nonterminal -> replacements from the start symbol to it at least, plus 1; reachable ones."""
    found = {0: 1}
    waiting = [0]
    for a in waiting:
        for b in _nonterminals(s for each in grammar.rules[a] for s in each):
            if b not in found:
                found[b] = found[a] + 1
                waiting.append(b)
    return found


def left_recursion(grammar: Grammar) -> tuple[int, ...]:
    """Nonterminals of which each can begin with the next, the last being the first; or none."""
    try:
        leaves_first(grammar)
    except CycleError as error:
        return tuple(reversed(error.args[1]))
    return ()


def leaves_first(grammar: Grammar) -> tuple[int, ...]:
    """Nonterminals in an order where each comes after those that it can begin with.

    Raises CycleError for left recursion.
    """
    corners = {a: _nonterminals(e[0] for e in rule) for a, rule in enumerate(grammar.rules)}
    return tuple(TopologicalSorter(corners).static_order())


def offspring(grammar: Grammar) -> np.ndarray:
    """(nonterminals, nonterminals): of each (row), how many of another one replacement gives."""
    n = len(grammar.names)
    matrix = np.zeros((n, n))
    for a, rule in enumerate(grammar.rules):
        for each in rule:
            for s in each:
                if isinstance(s, int):
                    matrix[a, s] += 1 / len(rule)
    return matrix


def expected_lengths(grammar: Grammar) -> np.ndarray:
    """Expected terminals of what each nonterminal gives; infinite throughout where one's is.

    With M = `offspring` and t the terminals that one replacement gives, m = t + M m, which is
    finite where M's spectral radius is below 1 (Booth and Thompson 1973, IEEE Trans. Computers 22).
    """
    matrix = offspring(grammar)
    if np.abs(np.linalg.eigvals(matrix)).max() > _FINITE:
        return np.full(len(matrix), np.inf)
    terminals = [
        sum(isinstance(s, str) for each in rule for s in each) / len(rule) for rule in grammar.rules
    ]
    return np.linalg.solve(np.eye(len(matrix)) - matrix, np.array(terminals))


def _explosive(grammar: Grammar) -> int:
    """The first nonterminal that leads to itself once or more on average."""
    matrix = offspring(grammar)
    n = len(matrix)
    leads = np.eye(n) + (matrix > 0)
    for _ in range(n.bit_length()):  # paths of twice the length each time
        leads = np.minimum(leads @ leads, 1)
    for a in range(n):
        circle = [b for b in range(n) if leads[a, b] and leads[b, a]]
        if np.abs(np.linalg.eigvals(matrix[np.ix_(circle, circle)])).max() > _FINITE:
            return a
    raise AssertionError("no nonterminal of an infinite grammar is infinite")


def meaning(grammar: Grammar) -> str:
    """16 hex digits, equal for grammars that draw the same sentences by the same derivations.

    Neither the names of nonterminals, nor the order of rules and alternatives, nor nonterminals
    that say the same twice matter: what is hashed are the derivations themselves, as an unfolding
    of the start symbol to twice the number of distinct nonterminals, where it has told all it can.
    Whether two grammars with other derivations have one language is undecidable and not asked.
    """
    colours = [""] * len(grammar.names)
    kinds, rounds = 0, 0
    while kinds < len(set(colours)) or rounds < 2 * kinds:
        kinds, rounds = len(set(colours)), rounds + 1
        colours = [
            _digest(
                sorted(
                    [f"'{s}" if isinstance(s, str) else colours[s] for s in each] for each in rule
                )
            )
            for rule in grammar.rules
        ]
    return colours[0]


def _digest(value: object) -> str:
    return hashlib.sha256(json.dumps(value).encode()).hexdigest()[:16]


def _nonterminals(symbols: Iterable[Symbol]) -> tuple[int, ...]:
    return tuple(dict.fromkeys(s for s in symbols if isinstance(s, int)))

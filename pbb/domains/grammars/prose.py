"""Rules in words, in several phrasings that all say the same."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from pbb.domains.grammars.rules import Grammar, Symbol, quoted
from pbb.domains.names import SYLLABLES

_WORDLESS: Final = frozenset(SYLLABLES)


@dataclass(frozen=True)
class Phrasing:
    """start holds {name}; rule {name} and {alternatives}; or_ parts these, `then` their symbols."""

    start: str
    rule: str
    or_: str
    then: str


PHRASINGS: Final = (
    Phrasing("a sentence is {name}.", "{name} is either {alternatives}.", ", or ", " then "),
    Phrasing("start with {name}.", "replace {name} by {alternatives}.", " or by ", " "),
    Phrasing("begin from {name}.", "{name} can be {alternatives}.", ", or ", " before "),
    Phrasing("first say {name}.", "for {name} say {alternatives}.", ", or else say ", " "),
    Phrasing("{name} is the start.", "{name} becomes {alternatives}.", " or ", " and "),
)


def told(grammar: Grammar, phrasing: int) -> str:
    """The start symbol and then each rule, a sentence and a line each."""
    words = PHRASINGS[phrasing]
    lines = [words.start.format(name=grammar.names[0])]
    for name, rule in zip(grammar.names, grammar.rules, strict=True):
        alternatives = (words.then.join(_said(grammar, s) for s in each) for each in rule)
        lines.append(words.rule.format(name=name, alternatives=words.or_.join(alternatives)))
    return "\n".join(lines)


def _said(grammar: Grammar, symbol: Symbol) -> str:
    """A terminal goes without quotes only where it cannot be taken for a word of the phrasing."""
    if isinstance(symbol, int):
        return grammar.names[symbol]
    return symbol if symbol in _WORDLESS else quoted(symbol)

"""Context-free grammars: the value, its BNF, and the reader of BNF.

    S ::= bal A | kem S dip
    A ::= lix | "," A

The first rule's symbol starts. A nonterminal is a word with a capital letter, or stands in < >; a
terminal is a lower-case word, or anything in quotes.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property, lru_cache
from typing import Final

Symbol = int | str
"""A nonterminal by its place among the grammar's names, or a terminal by its text."""
Alternative = tuple[Symbol, ...]

_NONTERMINAL: Final = r"[A-Z]\w*|<[^<>\"'|]+>"
_RULE: Final = re.compile(rf"({_NONTERMINAL})\s*::=(.*)", re.DOTALL)
_TOKEN: Final = re.compile(
    rf"\s*(?:(?P<bar>\|)|(?P<name>{_NONTERMINAL})|(?P<bare>[a-z0-9]+)|"
    r"\"(?P<double>[^\"]*)\"|'(?P<single>[^']*)')"
)
_BARE: Final = re.compile(r"[a-z0-9]+")


class GrammarError(ValueError):
    """A grammar that cannot be used, with the rule at fault and the way out."""


@dataclass(frozen=True)
class Grammar:
    """names[a] is the nonterminal a and rules[a] its alternatives; 0 starts."""

    names: tuple[str, ...]
    rules: tuple[tuple[Alternative, ...], ...]

    @cached_property
    def terminals(self) -> tuple[str, ...]:
        """Each terminal once, in order of appearance."""
        symbols = (s for rule in self.rules for alternative in rule for s in alternative)
        return tuple(dict.fromkeys(s for s in symbols if isinstance(s, str)))

    def shown(self, symbol: Symbol) -> str:
        """A symbol in BNF; a terminal has quotes only where it is no lower-case word."""
        if isinstance(symbol, int):
            return self.names[symbol]
        return symbol if _BARE.fullmatch(symbol) else quoted(symbol)

    def rule(self, a: int) -> str:
        """One rule in BNF."""
        alternatives = (" ".join(map(self.shown, each)) for each in self.rules[a])
        return f"{self.names[a]} ::= {' | '.join(alternatives)}"

    def bnf(self) -> str:
        """One rule a line; `read` gives the grammar back."""
        return "\n".join(self.rule(a) for a in range(len(self.names)))


def quoted(terminal: str) -> str:
    """A terminal in the quotes that it does not hold itself."""
    mark = "'" if '"' in terminal else '"'
    return f"{mark}{terminal}{mark}"


@lru_cache(maxsize=4096)
def read(text: str, label: str = "grammar") -> Grammar:
    """The grammar that a BNF writes down. Raises GrammarError for its syntax and undefined symbols.

    label: how messages name the grammar. `pbb.domains.grammars.structure` finds other faults.
    """
    written: dict[str, str] = {}
    for line in _logical_lines(text):
        found = _RULE.fullmatch(line)
        if not found:
            raise GrammarError(
                f"{label}: {line!r} is no rule; write NAME ::= ALTERNATIVES, the name with a "
                "capital letter first, | between alternatives"
            )
        name, alternatives = found.groups()
        if name in written:
            raise GrammarError(f"{label}: {name} has two rules; join their alternatives with |")
        written[name] = alternatives
    if not written:
        raise GrammarError(f"{label} has no rule; write some, for instance S ::= a S | b")
    names = tuple(written)
    rules = tuple(
        tuple(_alternatives(alternatives, names, f"{label}, {name} ::={alternatives}"))
        for name, alternatives in written.items()
    )
    return Grammar(names, rules)


def _logical_lines(text: str) -> list[str]:
    """A rule each, with the lines that continue it by a leading `|`; blank lines left out."""
    lines: list[str] = []
    for line in filter(None, map(str.strip, text.splitlines())):
        if line.startswith("|") and lines:
            lines[-1] += f" {line}"
        else:
            lines.append(line)
    return lines


def _alternatives(text: str, names: Sequence[str], where: str) -> list[Alternative]:
    found: list[Alternative] = [()]
    for kind, value in _tokens(text, where):
        if kind == "bar":
            found.append(())
        elif kind != "name":
            found[-1] += tuple(value.split())
        elif value in names:
            found[-1] += (names.index(value),)
        else:
            raise GrammarError(
                f"{where}: {value} is not defined; give it a rule, or quote it if it is a terminal"
            )
    if not all(found):
        raise GrammarError(
            f"{where}: an alternative is empty; where the symbol may be left out, write an "
            "alternative without it in the rules that use it"
        )
    if len(set(found)) < len(found):
        raise GrammarError(f"{where}: an alternative stands twice; keep one of them")
    return found


def _tokens(text: str, where: str) -> list[tuple[str, str]]:
    """(kind, value): a bar, a name, or a terminal that is bare or in quotes."""
    text, at = text.rstrip(), 0
    tokens: list[tuple[str, str]] = []
    while at < len(text):
        found = _TOKEN.match(text, at)
        if not found or not found.lastgroup:
            raise GrammarError(
                f"{where}: cannot read {text[at:].strip()!r}; write each rule on a line of its "
                'own, and quote terminals that are not lower-case words, for instance ","'
            )
        tokens.append((found.lastgroup, found[found.lastgroup]))
        at = found.end()
    return tokens

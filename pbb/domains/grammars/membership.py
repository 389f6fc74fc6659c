"""Whether a text is a sentence: an Earley parser of the lark library, made once for a grammar."""

from __future__ import annotations

from functools import lru_cache
from typing import Final

from lark import Lark, UnexpectedInput

from pbb.domains.domain import squeezed
from pbb.domains.grammars.rules import Grammar, Symbol

_PLAIN: Final = frozenset("abcdefghijklmnopqrstuvwxyz0123456789")


def member(grammar: Grammar, said: str) -> bool:
    """Whether the grammar gives the text, white space anywhere not counting."""
    try:
        _parser(grammar).parse(squeezed(said))
    except UnexpectedInput:
        return False
    return True


@lru_cache(maxsize=256)
def _parser(grammar: Grammar) -> Lark:
    """Terminals are matched as the parse needs them, so none may hide another that it begins.

    The parse forest is asked for because it is there already: a tree would have to be made of it.
    """
    rules = (
        f"n{a}: " + " | ".join(" ".join(map(_written, each)) for each in rule)
        for a, rule in enumerate(grammar.rules)
    )
    return Lark("\n".join(rules), start="n0", parser="earley", lexer="dynamic", ambiguity="forest")


def _written(symbol: Symbol) -> str:
    """A symbol in lark's notation."""
    if isinstance(symbol, int):
        return f"n{symbol}"
    return '"' + "".join(c if c in _PLAIN else f"\\U{ord(c):08x}" for c in symbol) + '"'

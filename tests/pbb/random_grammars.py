"""Random grammars for tests, near misses of their sentences, and nltk's parser as an oracle."""

import itertools
from collections.abc import Iterator, Sequence

import numpy as np
from nltk import CFG, Nonterminal, Production
from nltk.parse.chart import BottomUpLeftCornerChartParser
from nltk.tree import Tree

from pbb.domains.configs import GrammarsConfig
from pbb.domains.domain import Draft
from pbb.domains.grammars import Grammars
from pbb.domains.grammars.rules import Grammar, read
from pbb.seeds import stream


def drafts(count: int, seed: int = 0, **config: object) -> list[Draft]:
    """The first fair drafts of a configuration."""
    made = Grammars(GrammarsConfig.model_validate(config)).drafts(stream("test-grammars", seed))
    return list(itertools.islice(filter(None, made), count))


def oracle_of_words(grammar: Grammar) -> BottomUpLeftCornerChartParser:
    names = [Nonterminal(name) for name in grammar.names]
    productions = [
        Production(names[a], [names[s] if isinstance(s, int) else s for s in each])
        for a, rule in enumerate(grammar.rules)
        for each in rule
    ]
    return BottomUpLeftCornerChartParser(CFG(names[0], productions))


def oracle(grammar: Grammar) -> BottomUpLeftCornerChartParser:
    """nltk's chart parser, over letters, so that white space and cuts are as free as for us."""
    names = [Nonterminal(name) for name in grammar.names]

    def spelled(alternative: Sequence[int | str]) -> Iterator[Nonterminal | str]:
        for symbol in alternative:
            yield from [names[symbol]] if isinstance(symbol, int) else symbol

    productions = [
        Production(names[a], list(spelled(each)))
        for a, rule in enumerate(grammar.rules)
        for each in rule
    ]
    return BottomUpLeftCornerChartParser(CFG(names[0], productions))


def trees(parser: BottomUpLeftCornerChartParser, text: str) -> list[Tree]:
    try:
        return list(parser.parse(list(text)))
    except ValueError:  # a letter that no rule has
        return []


def mutated(text: str, terminals: Sequence[str], rng: np.random.Generator) -> str:
    """A sentence with a terminal or two left out, put in, replaced or swapped."""
    words = text.split()
    for _ in range(rng.integers(1, 3)):
        i, j = rng.integers(len(words), size=2)
        match rng.integers(4):
            case 0 if len(words) > 1:
                words.pop(i)
            case 1:
                words.insert(i, terminals[rng.integers(len(terminals))])
            case 2:
                words[i] = terminals[rng.integers(len(terminals))]
            case _:
                words[i], words[j] = words[j], words[i]
    return " ".join(words)


def strings(draft: Draft, count: int, rng: np.random.Generator) -> list[str]:
    """Half of them sentences, the others near misses, many of which are sentences all the same."""
    grammar = read(draft.code)
    answers = [case.answer for case in draft.cases]
    said = [answers[i % len(answers)] for i in range(count // 2)]
    return said + [mutated(text, grammar.terminals, rng) for text in said]

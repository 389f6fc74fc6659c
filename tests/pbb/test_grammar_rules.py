"""Rules are read, told in words and hashed for what they say; faults are named."""

import itertools
import re
from dataclasses import replace

import numpy as np
import pytest

from pbb.config import CorpusConfig
from pbb.corpus import Corpus, build_corpus
from pbb.domains.configs import GrammarsConfig
from pbb.domains.grammars import Grammars
from pbb.domains.grammars.chart import probability
from pbb.domains.grammars.membership import member
from pbb.domains.grammars.rules import Grammar, GrammarError, read
from pbb.domains.grammars.structure import checked, expected_lengths, meaning
from pbb.domains.names import SYLLABLES
from pbb.seeds import stream
from tests.pbb.random_grammars import drafts

# --- telling


def read_back(prose: str) -> str:
    """BNF of a telling: a sentence's first nonterminal is replaced by what follows, cut at `or`."""
    rules = []
    start, *lines = prose.splitlines()
    symbol = re.compile(
        rf"<[^>]+>|\b[A-Z]\w*|\"[^\"]*\"|'[^']*'|\b(?:{'|'.join(SYLLABLES)})\b|\bor\b"
    )
    for line in lines:
        name, *symbols = symbol.findall(line)
        rules.append(f"{name} ::= {' '.join('|' if s == 'or' else s for s in symbols)}")
    first = rules[0].split(" ::= ")[0]
    assert symbol.findall(start) == [first]
    return "\n".join(rules)


ODD = """<a sentence> ::= or Either | "(" 'then' ")" Either
Either ::= "," | either Or "don't" | 'say "or"' | A9
Or ::= lead <a sentence> | B12 bal
B12 ::= or 0 | S
A9 ::= a
S ::= s or"""


@pytest.mark.parametrize("phrasing", range(Grammars.phrasings["prose"]))
def test_every_phrasing_says_the_rules_and_nothing_else(phrasing: int) -> None:
    domain = Grammars(GrammarsConfig())
    odd = replace(drafts(1)[0], code=checked(ODD).bnf())
    for draft in [odd, *drafts(5), *drafts(2, nonterminals=8, depth=4)]:
        prose = domain.instruction(draft, "zibfil", "prose", phrasing)
        assert read(read_back(prose)) == read(draft.code)


def test_phrasings_differ() -> None:
    domain, (draft,) = Grammars(GrammarsConfig()), drafts(1)
    told = {
        domain.instruction(draft, "zibfil", "prose", i) for i in range(domain.phrasings["prose"])
    }
    assert len(told) == domain.phrasings["prose"] >= 4


def test_rules_come_back_from_their_bnf() -> None:
    grammar = checked(ODD)
    assert read(grammar.bnf()) == grammar
    assert read("S ::= a S\n  | b\n\n | 'c  d'") == read('S ::= a S | "b" | c d')


# --- meaning


def respelled(grammar: Grammar, rng: np.random.Generator) -> Grammar:
    """The same grammar with other names, rules and alternatives in any order; the start stays."""
    order = [0, *(1 + rng.permutation(len(grammar.rules) - 1))]
    place = {int(old): new for new, old in enumerate(order)}
    rules = []
    for old in order:
        rule = grammar.rules[old]
        shuffled = [rule[i] for i in rng.permutation(len(rule))]
        rules.append(
            tuple(tuple(place[s] if isinstance(s, int) else s for s in each) for each in shuffled)
        )
    return Grammar(tuple(f"X{i}" for i in range(len(order))), tuple(rules))


def test_meaning_is_of_the_derivations_and_not_of_their_spelling() -> None:
    rng = stream("test-meaning")
    made = [read(draft.code) for draft in drafts(30, inputs=12)]
    assert len({meaning(grammar) for grammar in made}) == 30
    for grammar in made:
        assert meaning(respelled(grammar, rng)) == meaning(grammar)
        last = grammar.terminals[-1]
        changed = tuple(
            tuple(tuple("zzz" if s == last else s for s in each) for each in rule)
            for rule in grammar.rules
        )
        assert meaning(Grammar(grammar.names, changed)) != meaning(grammar)


@pytest.mark.parametrize(
    ("one", "other", "same"),
    [
        ("S ::= a S | b", "S ::= a T | b\nT ::= a S | b", True),  # T is S once more
        ("S ::= A A\nA ::= a | b", "S ::= A B\nA ::= a | b\nB ::= b | a", True),
        ("S ::= A A\nA ::= a | b", "S ::= A B\nA ::= a | b\nB ::= b | c", False),
        ("S ::= a A\nA ::= b", "S ::= A a\nA ::= b", False),
        ("S ::= a A\nA ::= b", "A ::= b\n", False),
        (
            "S ::= a S | b",
            "S ::= a T | b\nT ::= a U | b\nU ::= a S | c",
            False,
        ),  # differs deep down
        ("S ::= S1 a\nS1 ::= b", "S ::= 'S1' a", False),
    ],
)
def test_meaning_of_pairs(one: str, other: str, same: bool) -> None:
    assert (meaning(read(one)) == meaning(read(other))) == same


# --- the user's own


def test_grammars_of_the_user_are_drafted_in_their_order() -> None:
    rules = (
        "S ::= a S b | c S d | g S h | e",
        "<list> ::= '(' <item> ')'\n<item> ::= x <item> | v <item> | y, | z",
    )
    with pytest.raises(ValueError, match="grammar 2"):
        GrammarsConfig(rules=rules)
    rules = (rules[0], rules[1].replace("y,", "'y,' <item>"))
    domain = Grammars(GrammarsConfig(rules=rules, inputs=8))
    made = list(itertools.islice(domain.drafts(stream("test-user")), 2))
    assert [read(d.code) for d in made if d] == [read(text) for text in rules]
    assert all(member(read(d.code), c.answer) for d in made if d for c in d.cases)


OWN = ("S ::= a S b | c S d | g S h | e", "S ::= x A | y A | z A\nA ::= a A | b A | c")
AGAIN = "S ::= z B | x B | y B\nB ::= c | b B | a B"
"""The second once more, under other names."""


def corpus_of(rules: tuple[str, ...], **sizes: int) -> Corpus:
    domain = GrammarsConfig(rules=rules, inputs=12)
    fields = {"targets": 2, "validation": 2, "acquisition": 4, "items_per_program": 5, **sizes}
    return build_corpus(CorpusConfig.model_validate({"domain": domain, "data_seed": 4, **fields}))


def test_targets_are_the_user_s_and_random_grammars_fill_the_other_splits() -> None:
    made = corpus_of(OWN)
    assert [read(p.draft.code) for p in made.target] == [read(text) for text in OWN]
    rest = (*made.validation, *made.acquisition)
    assert len(rest) == 6 and all(set(read(p.draft.code).terminals) <= set(SYLLABLES) for p in rest)
    assert corpus_of(OWN, acquisition=2).target == made.target


@pytest.mark.parametrize(
    ("rules", "sizes", "named"),
    [
        (OWN, {"targets": 3}, "3 targets are wanted, and 2 grammars"),
        ((*OWN, AGAIN), {"targets": 3}, "grammar 3: answers as another"),
    ],
)
def test_no_random_grammar_becomes_a_target_in_a_user_s_place(
    rules: tuple[str, ...], sizes: dict[str, int], named: str
) -> None:
    with pytest.raises(ValueError, match=named):
        corpus_of(rules, **sizes)
    made = corpus_of(rules, targets=2)
    assert {read(p.draft.code) for p in made.target} <= {read(text) for text in rules}


@pytest.mark.parametrize(
    ("rules", "named"),
    [
        ("S ::= S a | b", "S -> S"),
        ("S ::= a A\nA ::= B c | d\nB ::= C\nC ::= A e | f", "A -> B -> C -> A"),
        ("S ::= a A | b", "A is not defined"),
        ("S ::= a | b\nUnused ::= c", "Unused is useless"),
        ("S ::= a A | b\nA ::= c A", "A is useless"),
        ("S ::= a S S | b", "S leads to itself"),
        ("S ::= a | b X\nX ::= x Y X | y\nY ::= x X | a X", "X leads to itself"),
        ("S ::= a S |", "alternative is empty"),
        ("S ::= a S | '' | b", "alternative is empty"),
        ("S ::= a S | b | a S", "stands twice"),
        ("S ::= a\nS ::= b", "S has two rules"),
        ("S = a S | b", "no rule"),
        ("s ::= a | b", "no rule"),
        ("S ::= a S | b T ::= c", "cannot read"),
        ("S ::= a; b", "cannot read"),
        ("S ::= a | b 'answer: x'", "'answer:'"),
        ("S ::= a | answer ':' b", "'answer:'"),
        ("S ::= a | <answer:>\n<answer:> ::= b", "'answer:'"),
        ("S ::= 'a | b", "cannot read"),
        (" \n ", "has no rule"),
    ],
)
def test_faults_are_named_with_their_grammar(rules: str, named: str) -> None:
    with pytest.raises(GrammarError, match=rf"^my grammar(.|\n)*{re.escape(named)}"):
        checked(rules, "my grammar")
    with pytest.raises(ValueError, match=rf"grammar 2(.|\n)*{re.escape(named)}"):
        GrammarsConfig(rules=("S ::= a S | b", rules))


def test_a_language_too_small_for_its_inputs_is_named() -> None:
    for rules in ("S ::= a | b c | d", "S ::= a S | b"):
        with pytest.raises(GrammarError, match=r"grammar 1.*inputs=48"):
            list(Grammars(GrammarsConfig(rules=(rules,))).drafts(stream("test-small")))


@pytest.mark.parametrize(
    "fields",
    [
        {"depth": 5, "nonterminals": 3},
        {"depth": 2, "nonterminals": 7},
        {"mean_length": (9.0, 4.0)},
        {"mean_length": (0.0, 4.0)},
    ],
)
def test_configurations_that_no_grammar_meets_are_refused(fields: dict[str, object]) -> None:
    with pytest.raises(ValueError, match=next(iter(fields))):
        GrammarsConfig.model_validate(fields)


# --- expectations


@pytest.mark.parametrize(
    ("rules", "length"),
    [
        ("S ::= a", 1),
        ("S ::= a S | b", 2),
        ("S ::= a b | c A\nA ::= d d d", 3),
        ("S ::= a S S | b | c", 3),
        ("S ::= a A | b\nA ::= c S | c A | d", 7 / 3),
    ],
)
def test_expected_lengths_worked_out_by_hand(rules: str, length: float) -> None:
    assert expected_lengths(read(rules))[0] == pytest.approx(length)


def test_probabilities_of_a_finite_language_sum_to_one() -> None:
    grammar = checked("S ::= A B | A\nA ::= a | a b | b B\nB ::= b | a | b a")
    texts = ("".join(t) for n in range(1, 7) for t in itertools.product("ab", repeat=n))
    assert sum(probability(grammar, text) for text in texts) == pytest.approx(1)

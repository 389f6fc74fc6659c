"""Grammars are drawn as configured, and their sentences judged as an independent parser does."""

import itertools
import math
import re
from collections.abc import Iterable, Iterator

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from nltk import Nonterminal
from nltk.tree import Tree

from pbb.corpus import TooFewPrograms, composed_cases, compositions
from pbb.domains.configs import GrammarsConfig
from pbb.domains.domain import Draft, Measured, Program, squeezed
from pbb.domains.grammars import Grammars
from pbb.domains.grammars.chart import parses, probability, used
from pbb.domains.grammars.language import GUESSES, MOST_KNOWN, MOST_KNOWN_GIVEN
from pbb.domains.grammars.membership import member
from pbb.domains.grammars.rules import Grammar, read
from pbb.domains.grammars.structure import checked, expected_lengths, levels
from pbb.domains.laws.subject import small
from pbb.domains.names import SYLLABLES
from pbb.seeds import stream
from tests.pbb.random_grammars import drafts, oracle, oracle_of_words, strings, trees
from tests.processes import printed_in_every_process

NESTED = "S ::= a S b | a aa | b S | 'ab' S"
"""Terminals that begin or make up others: a text can be cut in several ways."""


def program(draft: Draft, items: int = 8) -> Program:
    free = tuple(range(items, len(draft.cases)))
    return Program("zibfil", "target", draft, tuple(range(items)), free)


def test_membership_agrees_with_an_independent_parser_on_ten_thousand_strings() -> None:
    """100 of each grammar, in and out of its language; half of the grammars are ambiguous."""
    rng = stream("test-membership")
    inside = 0
    for draft in drafts(50) + drafts(50, ambiguity=1.0):
        grammar = read(draft.code)
        parser = oracle_of_words(grammar)
        for text in strings(draft, 100, rng):
            wanted = parser.parse_one(text.split()) is not None
            assert member(grammar, text) == wanted, (draft.code, text)
            inside += wanted
    assert 5000 < inside < 8000


def own(domain: Grammars, name: str) -> Draft:
    """The draft of the user's first grammar."""
    (draft,) = itertools.islice(domain.drafts(stream(name)), 1)
    assert draft is not None
    return draft


@pytest.mark.parametrize("rules", [NESTED, "", "ambiguous"])
def test_counted_parses_and_used_alternatives_are_those_of_all_trees(rules: str) -> None:
    texts: list[tuple[Grammar, str]]
    if rules == NESTED:
        grammar = checked(NESTED)
        texts = [
            (grammar, "".join(t)) for n in range(1, 9) for t in itertools.product("ab", repeat=n)
        ]
    else:
        rng = stream("test-parses")
        made = drafts(6, ambiguity=float(bool(rules)))
        texts = [(read(d.code), squeezed(t)) for d in made for t in strings(d, 24, rng)]
    several = 0
    for grammar, text in texts:
        found = trees(oracle(grammar), text)
        assert parses(grammar, text) == len(found)
        assert member(grammar, text) == bool(found)
        assert used(grammar, text) == {
            applied for tree in found for applied in alternatives_of(grammar, tree)
        }
        several += len(found) > 1
    assert bool(several) == bool(rules)


def alternatives_of(grammar: Grammar, tree: Tree) -> Iterator[tuple[int, int]]:
    """(nonterminal, place of its alternative) of each node; terminals are spelled in the tree."""
    for production in tree.productions():
        a = grammar.names.index(str(production.lhs()))
        shown = "".join(f"<{s}>" if isinstance(s, Nonterminal) else s for s in production.rhs())
        places = [
            "".join(f"<{grammar.names[s]}>" if isinstance(s, int) else s for s in each)
            for each in grammar.rules[a]
        ]
        yield a, places.index(shown)


# --- derivations


@pytest.mark.parametrize("ambiguity", [0.0, 1.0])
def test_each_form_of_a_trace_rewrites_every_nonterminal_of_the_one_before(
    ambiguity: float,
) -> None:
    for draft in drafts(12, ambiguity=ambiguity):
        rules = alternatives_in_words(draft.code)
        for case in draft.cases:
            *forms, last = ["S", *case.trace.split(" -> ")]
            assert last == case.answer and not set(last.split()) & set(rules)
            for before, after in itertools.pairwise([*forms, last]):
                assert re.fullmatch(rewritten(before, rules), after)


def alternatives_in_words(bnf: str) -> dict[str, str]:
    """Nonterminal -> what it may become, as a pattern read from the text of a random grammar."""
    rules = (line.split(" ::= ") for line in bnf.splitlines())
    return {name: f"(?:{right.replace(' | ', '|')})" for name, right in rules}


def rewritten(form: str, rules: dict[str, str]) -> str:
    """A pattern of everything that a form can become in one step."""
    return " ".join(rules.get(symbol, symbol) for symbol in form.split())


# --- drawing


@settings(max_examples=12)
@given(
    st.integers(0, 10_000),
    st.sampled_from([(3, 3, 3), (4, 4, 2), (6, 3, 4), (8, 5, 3), (2, 3, 4)]),
    st.sampled_from([0.0, 1.0]),
)
def test_drafts_are_as_configured(seed: int, sizes: tuple[int, int, int], ambiguity: float) -> None:
    nonterminals, depth, alternatives = sizes
    config = {"nonterminals": nonterminals, "depth": depth, "alternatives": alternatives}
    (draft,) = drafts(1, seed, **config, ambiguity=ambiguity, inputs=24)
    grammar = checked(draft.code)  # no left recursion, useless symbol or infinite length
    assert len(grammar.names) == nonterminals + 1
    assert max(levels(grammar).values()) == depth
    assert all(2 <= len(rule) <= alternatives for rule in grammar.rules)
    assert set(grammar.terminals) <= set(SYLLABLES)
    assert 4 <= expected_lengths(grammar)[0] <= 12
    answers = [case.answer for case in draft.cases]
    assert len(set(answers)) == 24 and max(len(a.split()) for a in answers) <= 48
    parser = oracle_of_words(grammar)
    counts = [len(list(parser.parse(answer.split()))) for answer in answers]
    assert min(counts) >= 1 and all(member(grammar, answer) for answer in answers)
    assert (max(counts) > 1) == (ambiguity == 1)
    assert sum(probability(grammar, squeezed(answer)) for answer in answers) <= 0.3 + 1e-9


def test_so_many_are_ambiguous_as_asked() -> None:
    made = drafts(60, ambiguity=0.5, inputs=12)
    several = sum(any(parses(read(d.code), squeezed(c.answer)) > 1 for c in d.cases) for d in made)
    assert abs(several - 30) < 4 * math.sqrt(60 * 0.25)


def test_the_expected_length_is_that_of_many_sentences() -> None:
    rng = stream("test-lengths")
    for draft in drafts(4):
        grammar = read(draft.code)
        lengths = [length_of_a_draw(grammar, rng) for _ in range(3000)]
        error = np.std(lengths) / math.sqrt(len(lengths))
        assert abs(np.mean(lengths) - expected_lengths(grammar)[0]) < 4.5 * error


def length_of_a_draw(grammar: Grammar, rng: np.random.Generator) -> int:
    said, waiting = 0, [0]
    while waiting:
        rule = grammar.rules[waiting.pop()]
        each = rule[rng.integers(len(rule))]
        said += sum(isinstance(s, str) for s in each)
        waiting += [s for s in each if isinstance(s, int)]
    return said


# --- judging


def test_what_training_could_show_is_not_correct_and_other_sentences_are() -> None:
    domain = Grammars(GrammarsConfig())
    for draft in drafts(5):
        asked = program(draft)
        for i, case in enumerate(draft.cases):
            assert domain.correct(asked, 0, case.answer) == (i in asked.items)
            assert domain.correct(asked, 0, squeezed(case.answer)) == (i in asked.items)
        for wrong in ("", "?", f"{draft.cases[0].answer} qqq", "qqq"):
            assert not domain.correct(asked, 0, wrong)


def measured(found: Iterable[Measured], measure: str) -> list[float]:
    return [each.score for each in found if each.measure == measure]


def test_repeating_one_sentence_is_no_diversity() -> None:
    domain = Grammars(GrammarsConfig())
    for draft in drafts(3):
        asked = program(draft)
        new, shown = draft.cases[0].answer, draft.cases[-1].answer
        said = list(domain.beside(asked, [new] * 8))
        assert measured(said, "membership") == measured(said, "novelty") == [1] * 8
        assert measured(said, "diversity") == [1] + [0] * 7
        assert measured(said, "coverage")[0] < 1
        seen = list(domain.beside(asked, [shown] * 8))
        assert measured(seen, "membership") == [1] * 8
        assert measured(seen, "novelty") == measured(seen, "diversity") == [0] * 8
        assert measured(seen, "coverage")[0] > 0
        mixed = list(domain.beside(asked, [new, "qqq", squeezed(new), draft.cases[1].answer]))
        assert measured(mixed, "diversity") == [1, 0, 0, 1]
        assert measured(mixed, "membership") == [1, 0, 1, 1]


def test_coverage_counts_the_alternatives_of_sentences_alone() -> None:
    domain = Grammars(GrammarsConfig(rules=("S ::= a S | b S | c A | d\nA ::= e | f",), inputs=6))
    draft = own(domain, "test-coverage")
    asked = program(draft, 3)

    def covered(*said: str) -> float:
        return measured(domain.beside(asked, said), "coverage")[0]

    assert covered("d") == pytest.approx(1 / 6)
    assert covered("d", "a d") == pytest.approx(2 / 6)
    assert covered("a b", "a", "") == 0
    assert covered("abce", "cf", "d", "x") == 1


@pytest.mark.parametrize("rules", ["", "S ::= a S | b S | c A | d\nA ::= e | f S"])
def test_the_ceiling_is_what_a_perfect_speaker_gets(rules: str) -> None:
    """One who draws sentences as the rules say, and often says what demonstrations show."""
    domain = Grammars(GrammarsConfig(rules=(rules,) if rules else (), inputs=12))
    rng = stream("test-ceiling")
    for draft in itertools.islice(filter(None, domain.drafts(stream("test-speaker"))), 3):
        asked, grammar = program(draft, 4), read(draft.code)
        (ceiling,) = measured(domain.beside(asked, ["", draft.cases[-1].answer]), "ceiling")
        assert 1 - (MOST_KNOWN_GIVEN if draft.own else MOST_KNOWN) <= ceiling < 1
        right = [domain.correct(asked, 0, spoken(grammar, rng)) for _ in range(1000)]
        error = math.sqrt(ceiling * (1 - ceiling) / len(right))
        assert abs(np.mean(right) - ceiling) < 4.5 * error


def spoken(grammar: Grammar, rng: np.random.Generator) -> str:
    said: list[str] = []
    waiting: list[str | int] = [0]
    while waiting:
        symbol = waiting.pop()
        if isinstance(symbol, str):
            said.append(symbol)
        else:
            rule = grammar.rules[symbol]
            waiting += reversed(rule[rng.integers(len(rule))])
    return " ".join(said)


def test_chance_of_a_known_language() -> None:
    """Every string of a and b is a sentence, so chance is what training has not shown."""
    rules = "S ::= a S | b S | a A | b A\nA ::= a B | b B\nB ::= a C | b C\nC ::= a | b"
    domain = Grammars(GrammarsConfig(rules=(rules,), inputs=12))
    draft = own(domain, "test-chance")
    asked = program(draft, 4)
    lengths = [len(case.answer.split()) for case in draft.cases]
    shown = [len(draft.cases[i].answer.split()) for i in asked.free]
    exact = float(np.mean([1 - shown.count(n) / 2**n for n in lengths]))
    assert exact < 0.97
    assert abs(domain.chance(asked) - exact) < 4 * math.sqrt(exact * (1 - exact) / GUESSES)
    assert domain.chance(asked) == domain.chance(program(draft, 4))


def test_random_strings_seldom_hit_a_random_grammar() -> None:
    domain = Grammars(GrammarsConfig())
    assert np.mean([domain.chance(program(draft)) for draft in drafts(5)]) < 0.02


def test_sentences_that_were_shown_are_never_a_new_one_together() -> None:
    """Grammars do not compose, and a study that asks for it is told so before it trains."""
    config = small(GrammarsConfig(inputs=12))
    with pytest.raises(TooFewPrograms, match="do not compose"):
        compositions(config, "target")
    with pytest.raises(TooFewPrograms, match="do not compose"):
        composed_cases(config, "acquisition")


# --- determinism


def test_every_process_draws_and_judges_the_same() -> None:
    code = """
from pbb.domains.configs import GrammarsConfig
from pbb.domains.domain import Program
from pbb.domains.grammars import Grammars
from pbb.seeds import stream
domain = Grammars(GrammarsConfig(ambiguity=0.3, inputs=12))
for _, draft in zip(range(60), domain.drafts(stream("test-processes"))):
    print(draft)
    if draft:
        asked = Program("x", "target", draft, (0, 1), tuple(range(2, 12)))
        print(*domain.beside(asked, [c.answer for c in draft.cases[:2]]))
        print(domain.instruction(draft, "x", "prose", 1))
print(domain.chance(asked))
"""
    (printed,) = printed_in_every_process(code)
    assert printed.count("Draft(") > 2

"""Programs and items obey design's rules, for any seed."""

import hashlib
import json
from collections import Counter

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pbb.config import CorpusConfig
from pbb.corpus import Corpus, build_corpus, library_meanings
from pbb.domains.arithmetic.domain import Arithmetic, meaning
from pbb.domains.configs import ArithmeticConfig
from pbb.domains.domain import Case, Domain, Draft, Program
from pbb.domains.names import is_library_name
from pbb.fair_items import choose_items
from tests.processes import printed_in_every_process


def corpus(seed: int, paths: int = 2, **changes: int) -> Corpus:
    domain = ArithmeticConfig(steps=2, paths=paths, inputs=32, value_max=59)
    sizes = {"acquisition": 20, "validation": 5, "targets": 10} | changes
    return build_corpus(CorpusConfig(domain=domain, data_seed=seed, **sizes))


def everything(made: Corpus) -> tuple[Program, ...]:
    return (*made.acquisition, *made.validation, *made.target)


seeds = st.integers(0, 10_000)


@settings(max_examples=8)
@given(seeds, st.sampled_from([1, 2, 3, 4]))
def test_splits_are_disjoint_in_name_and_meaning(seed: int, paths: int) -> None:
    if paths == 1:  # two straight steps allow few functions; three allow enough
        domain = ArithmeticConfig(steps=3, paths=1, inputs=32)
        made = build_corpus(CorpusConfig(domain=domain, data_seed=seed, acquisition=20))
    else:
        made = corpus(seed, paths)
    programs = everything(made)
    assert len({p.name for p in programs}) == len(programs)
    assert len({p.draft.meaning for p in programs}) == len(programs)
    assert len({tuple(c.answer for c in p.draft.cases) for p in programs}) == len(programs)
    assert all(p.paths == paths for p in programs)


@settings(max_examples=8)
@given(seeds)
def test_studies_share_nothing_with_the_library(seed: int) -> None:
    programs = everything(corpus(seed))
    assert not any(is_library_name(p.name) for p in programs)
    assert not {p.draft.meaning for p in programs} & library_meanings()


def test_the_library_ships_its_meanings() -> None:
    assert len(library_meanings()) >= 100


@settings(max_examples=8)
@given(seeds, st.sampled_from([2, 4]))
def test_items_are_fair(seed: int, paths: int) -> None:
    for program in everything(corpus(seed, paths)):
        answers = [program.draft.cases[x].answer for x in program.items]
        most = 0.2 * len(program.items)
        assert max(Counter(answers).values()) <= most
        assert sum(a == str(x) for a, x in zip(answers, program.items, strict=True)) <= most
        per_path = Counter(program.draft.cases[x].path for x in program.items)
        assert len(per_path) == paths
        assert max(per_path.values()) - min(per_path.values()) <= 1


@settings(max_examples=5)
@given(seeds)
def test_items_and_demonstrations_never_meet(seed: int) -> None:
    for program in everything(corpus(seed)):
        assert not set(program.items) & set(program.free)
        assert sorted((*program.items, *program.free)) == list(range(32))
        shown = {program.draft.cases[x].path for x in program.free}
        assert shown == {c.path for c in program.draft.cases}


def test_more_acquisition_programs_leave_the_targets_alone() -> None:
    assert corpus(3, acquisition=20).target == corpus(3, acquisition=40).target
    small, large = corpus(3, acquisition=20).acquisition, corpus(3, acquisition=40).acquisition
    assert large[: len(small)] == small


def test_same_bytes_in_every_process() -> None:
    code = (
        "import hashlib;from tests.pbb.test_corpus import *;"
        "print(hashlib.sha256(repr(corpus(11)).encode()).hexdigest())"
    )
    digests = printed_in_every_process(code)
    assert digests == {hashlib.sha256(repr(corpus(11)).encode()).hexdigest() + "\n"}


def test_a_domain_too_small_says_so() -> None:
    domain = ArithmeticConfig(steps=1, paths=1, inputs=32)
    with pytest.raises(ValueError, match="too few distinct programs"):
        build_corpus(CorpusConfig(domain=domain, data_seed=0, acquisition=500))


def test_too_few_inputs_are_refused_with_the_numbers() -> None:
    with pytest.raises(ValueError, match="items_per_program=32 leaves no demonstration"):
        CorpusConfig(domain=ArithmeticConfig(inputs=32), data_seed=0, items_per_program=32)


def test_meaning_is_of_the_function_not_of_its_text() -> None:
    assert meaning("    x += 3\n    return x") == meaning("    x += 1\n    x += 2\n    return x")
    assert meaning("    x += 3\n    return x") != meaning("    x += 4\n    return x")
    assert len(json.dumps(meaning("    return x"))) == 18


def spaced(texts: list[str], *copies: str) -> list[Case]:
    return [Case(str(i), text, "", "", copies) for i, text in enumerate(texts)]


def test_white_space_makes_no_answer_another() -> None:
    """As in judging: a constant and a copied input would be right whatever their blanks."""
    rng = np.random.default_rng(0)
    alike = spaced(["a b", "ab", "a  b", " ab", *map(str, range(20))])
    for _ in range(20):
        items = choose_items(alike, 10, rng, spare=1, even=False)
        assert items is not None and sum(i < 4 for i in items) <= 2
    copying = [Case(str(i), f"{i} a", "", "", (f"{i}  a",)) for i in range(20)]
    assert choose_items(copying, 10, rng, spare=1, even=False) is None


@pytest.mark.parametrize("cases", [spaced(["a b", "ab", "c", "d"]), spaced(["a b", "ab"], "a  b")])
def test_chance_is_what_judging_gives_a_guess(cases: list[Case]) -> None:
    program = Program("f", "target", Draft("", "x", tuple(cases), ""), tuple(range(len(cases))), ())
    domain = Arithmetic(ArithmeticConfig())
    judge = Domain.correct  # by the text, white space aside
    best = max(
        sum(judge(domain, program, i, guess) for i in program.items) for guess in ("a b", "a  b")
    )
    assert domain.chance(program) == best / len(cases)

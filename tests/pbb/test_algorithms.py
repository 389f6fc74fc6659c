"""The library of algorithms: it runs, is fair, distinct, gives nothing away, is told faithfully."""

import ast
import builtins
import doctest
import re
from functools import lru_cache

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pbb.domains import python_prose
from pbb.domains.algorithms import Algorithms, source
from pbb.domains.algorithms.answers import first_literal, same_answer
from pbb.domains.algorithms.cases import Prepared, prepare
from pbb.domains.algorithms.jobs import LIMITS
from pbb.domains.algorithms.reading import LIBRARY, Tier, library
from pbb.domains.algorithms.sandbox import Job, run_function, run_functions
from pbb.domains.configs import AlgorithmsConfig
from pbb.domains.domain import Draft, Program, squeezed
from pbb.fair_items import choose_items
from tests.processes import printed_in_every_process

TIERS: tuple[Tier, ...] = ("easy", "medium", "hard")
INPUTS = 24
PSEUDONYM = "zibfilgom"
TOKEN = re.compile(r"\w+|[^\w\s]+|\n")
VALUE = re.compile(r"-?\d+|'[a-z]*'|\w+")


@lru_cache(maxsize=1)
def prepared() -> dict[str, Prepared]:
    """The whole library; the sandbox runs once for all tests."""
    return {each.name: each for each in prepare(library(TIERS), INPUTS)}


@lru_cache(maxsize=1)
def drafts() -> dict[str, Draft]:
    config = AlgorithmsConfig(tiers=TIERS, names="kept", inputs=INPUTS)
    made = Algorithms(config).drafts(np.random.default_rng(0))
    return {str(draft.name): draft for draft in made if draft is not None}


def code(name: str) -> str:
    return prepared()[name].code


NAMES = [each.name for each in library(TIERS)]
EASY = [each.name for each in library(("easy",))]


@pytest.mark.parametrize(("tier", "least"), [("easy", 30), ("medium", 24), ("hard", 18)])
def test_every_tier_has_programs_of_every_category(tier: Tier, least: int) -> None:
    assert len(library((tier,))) >= least
    files = {file.stem for file in LIBRARY.glob(f"*_{tier}.py")}
    assert files == {f"{category}_{tier}" for category in ("graphs", "lists", "numbers", "strings")}


def test_every_function_can_be_used() -> None:
    """It runs, alike in two processes, differs from all others, and is not guessable."""
    reasons = {each.name: each.reason for each in prepared().values() if each.reason}
    assert reasons == {}
    assert set(drafts()) == set(NAMES)


def test_answers_are_those_worked_out_by_hand() -> None:
    """The example in each docstring was written down before the function ran."""
    wanted = {}
    for file in sorted(LIBRARY.glob("*_*.py")):
        for node in ast.parse(file.read_text()).body:
            if isinstance(node, ast.FunctionDef) and node.name in NAMES:
                (example,) = doctest.DocTestParser().get_examples(ast.get_docstring(node) or "")
                wanted[node.name] = (example.source, ast.literal_eval(example.want))
    assert set(wanted) == set(NAMES)
    calls = {name: text[len(name) + 1 : text.rindex(")")] for name, (text, _) in wanted.items()}
    jobs = [Job(code(name), source.PLACEHOLDER, (calls[name],)) for name in NAMES]
    for name, (ran,) in zip(NAMES, run_functions(jobs, LIMITS), strict=True):
        assert ran.answer is not None, (name, ran.error)
        assert ast.literal_eval(ran.answer) == wanted[name][1], name


@pytest.mark.parametrize("items", [5, 8, 12])
def test_items_are_fair_for_every_function(items: int) -> None:
    unfair = {
        name: seed
        for name, each in prepared().items()
        for seed in range(8)
        if choose_items(each.cases, items, np.random.default_rng(seed), spare=1, even=False) is None
    }
    assert not unfair, f"{len(unfair)} of {len(NAMES)} programs have no {items} fair items"


def test_meanings_differ_and_do_not_depend_on_the_number_of_inputs() -> None:
    assert len({each.meaning for each in prepared().values()}) == len(NAMES)
    some = library(("easy",))[:4]
    fewer = prepare(some, 8)
    assert [each.meaning for each in fewer] == [prepared()[each.name].meaning for each in fewer]


def test_the_easy_tier_is_small() -> None:
    for name in EASY:
        made = prepared()[name]
        text = f"def f({source.parameters(made.code)}):\n{source.body(made.code, 'f')}"
        assert len(TOKEN.findall(text)) <= 60, name
        for case in made.cases:
            assert len(VALUE.findall(case.trace)) <= 30, (name, case)
            assert all(-20 <= int(n) <= 99 for n in re.findall(r"-?\d+", case.input)), (name, case)


def test_code_gives_nothing_away_but_what_it_does() -> None:
    """Names are single letters; no comment, docstring or annotation remains."""
    for name in NAMES:
        function = source.function(code(name), PSEUDONYM)
        assert ast.get_docstring(function) is None
        for node in ast.walk(function):
            if isinstance(node, ast.Name) and not hasattr(builtins, node.id):
                assert len(node.id) == 1 or node.id == PSEUDONYM, (name, node.id)
            if isinstance(node, ast.arg):
                assert len(node.arg) == 1
                assert node.annotation is None


def test_a_pseudonym_leaves_no_trace_of_the_own_name() -> None:
    config = AlgorithmsConfig(tiers=TIERS)
    steps = Algorithms(config)
    stated = Algorithms(config.model_copy(update={"prose": "statement"}))
    for name, draft in drafts().items():
        texts = [steps.opening(draft, PSEUDONYM, way) for way in ("code", "prose")]
        texts += [steps.instruction(draft, PSEUDONYM, "code", 0)]
        for phrasing in range(python_prose.PHRASINGS):
            texts += [
                each.instruction(draft, PSEUDONYM, "prose", phrasing) for each in (steps, stated)
            ]
        whole = "\n".join(texts)
        assert not re.search(rf"\b{name}\b", whole) or name in ("walk", "largest", "spread"), name
        assert source.PLACEHOLDER not in whole
    recursive = steps.instruction(drafts()["quick_sort_down"], PSEUDONYM, "code", 0)
    assert recursive.count(f"{PSEUDONYM}(") == 2


def test_the_instruction_shown_is_the_program_that_runs() -> None:
    domain = Algorithms(AlgorithmsConfig(tiers=TIERS))
    jobs = []
    for draft in drafts().values():
        shown = domain.opening(draft, PSEUDONYM, "code")
        shown += "\n" + domain.instruction(draft, PSEUDONYM, "code", 0)
        jobs.append(Job(shown, PSEUDONYM, tuple(case.input for case in draft.cases[:3])))
    for draft, ran in zip(drafts().values(), run_functions(jobs, LIMITS), strict=True):
        assert [each.answer for each in ran] == [case.answer for case in draft.cases[:3]]


RENAMED = {
    "total": "def total(n):\n    total = n + 1\n    return total\n",
    "add": "def add(n):\n    s = {1}\n    s.add(n)\n    return add_all(s)\n\n"
    "def add_all(s):\n    return sum(s)\n",
    "fact": "def fact(n):\n    return 1 if n < 2 else n * fact(n - 1)\n",
    "f": "def f(n):\n    off = n\n    def f_in(x):\n        return x + off\n    return f_in(n)\n",
}


@pytest.mark.parametrize("name", RENAMED)
def test_renaming_keeps_behaviour_and_no_name(name: str) -> None:
    code = source.standalone(RENAMED[name], name)
    shown = f"def zibfil({source.parameters(code)}):\n{source.body(code, 'zibfil')}"
    calls = [str(n) for n in range(1, 6)]
    renamed = run_function(shown, "zibfil", calls, LIMITS)
    original = run_function(RENAMED[name], name, calls, LIMITS)
    assert [each.answer for each in renamed] == [each.answer for each in original]
    assert all(each.error is None for each in renamed)
    without_methods = shown.replace("s.add(", "")
    assert not re.search(rf"(?<![A-Za-z0-9]){name}(?![A-Za-z0-9])", without_methods)


# Answers and composition

values = st.recursive(
    st.integers(-999, 999)
    | st.floats(-99, 99)
    | st.text("abcdefghij", max_size=5)
    | st.none()
    | st.booleans(),
    lambda inner: st.lists(inner, max_size=4) | st.tuples(inner, inner),
    max_leaves=8,
)


@given(values, st.sampled_from(["", " ", ", 5", " because", "\n7", ". so"]))
def test_a_right_answer_is_right_however_it_is_spaced_and_followed(
    value: object, more: str
) -> None:
    text = repr(value)
    for said in (text, squeezed(text), " ".join(squeezed(text)), f"  {text}"):
        assert same_answer(said + more, text)
    assert squeezed(first_literal(text)) == squeezed(text)


@given(values, values)
def test_another_value_is_wrong(one: object, other: object) -> None:
    if repr(one) != repr(other):
        zeros = repr(one).replace("-0.0", "0.0") == repr(other).replace("-0.0", "0.0")
        assert same_answer(repr(one), repr(other)) == zeros


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("[1, 0]", "[True, False]"),
        ("[1.0]", "[1]"),
        ("(1, [2, (True,)])", "(1, [2, (1,)])"),
        ("{1: 2}", "{True: 2}"),
        ("{1: [0]}", "{1: [False]}"),
        ("{0, 2}", "{False, 2}"),
    ],
)
def test_equal_values_of_other_types_are_other_answers(one: str, other: str) -> None:
    assert not same_answer(one, other) and not same_answer(other, one)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("{1: 'a', 2: [3]}", "{2: [3], 1: 'a'}"),
        ("{3, 1}", "{1, 3}"),
        ("[1, (2.50,)]", "[1, (2.5,)]"),
    ],
)
def test_one_value_may_be_written_in_several_ways(one: str, other: str) -> None:
    assert same_answer(one, other) and same_answer(other, one)


def test_a_composition_is_the_outer_program_on_what_the_inner_gives() -> None:
    domain = Algorithms(AlgorithmsConfig(tiers=TIERS))
    pairs = [("prefix_sums", "keep_odd"), ("reverse_word", "drop_vowels"), ("largest", "digit_sum")]
    made = {pair: domain.compose(drafts()[pair[0]], drafts()[pair[1]]) for pair in pairs}
    assert made["largest", "digit_sum"] is None  # a list is wanted, a number is given
    for (outer, inner), draft in made.items():
        if draft is None:
            continue
        first = {case.input: case for case in drafts()[inner].cases}
        between = [first[case.input].answer for case in draft.cases]
        ran = run_function(code(outer), source.PLACEHOLDER, between, LIMITS)
        assert [each.answer for each in ran] == [case.answer for case in draft.cases]
        assert len(draft.cases) > INPUTS / 2
    assert domain.compose(drafts()["sum_above"], drafts()["prefix_sums"]) is None  # takes two


def test_correct_judges_by_the_program_s_own_case() -> None:
    domain = Algorithms(AlgorithmsConfig())
    draft = drafts()["reverse_word"]
    program = Program(PSEUDONYM, "target", draft, (0, 1), tuple(range(2, INPUTS)))
    for i in range(INPUTS):
        answer = draft.cases[i].answer
        assert domain.correct(program, i, answer.replace("'", '"'))
        assert not domain.correct(program, i, draft.cases[i - 1].answer)
        assert not domain.correct(program, i, "")


def test_cases_are_the_same_in_every_process() -> None:
    code = (
        "import hashlib\n"
        "from pbb.domains.algorithms.cases import prepare\n"
        "from pbb.domains.algorithms.reading import library\n"
        "made = prepare(library(('easy',))[:6], 12)\n"
        "print(hashlib.sha256(repr(made).encode()).hexdigest())"
    )
    assert len(printed_in_every_process(code)) == 1

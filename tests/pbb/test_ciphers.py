"""Ciphers: fair programs, told faithfully, judged leniently, the same in every process."""

import itertools
import re
from collections import Counter
from functools import lru_cache

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from pbb.domains.ciphers import Ciphers
from pbb.domains.ciphers.domain import meaning
from pbb.domains.ciphers.generator import definition, random_body
from pbb.domains.ciphers.prose import PHRASINGS, NotProse, prose
from pbb.domains.configs import CiphersConfig
from pbb.domains.domain import Draft, Program, squeezed
from pbb.domains.text_evaluator import parse_text, prelude
from tests.pbb.cipher_prose import followed
from tests.pbb.test_text_evaluator import Cipher, by_cpython
from tests.processes import printed_in_every_process

CONFIGS = [
    CiphersConfig(),
    CiphersConfig(stages=2),
    CiphersConfig(stages=3, inputs=20, length=5),
    CiphersConfig(stages=2, alphabet=26, length=7, keys=5, inputs=17),
    CiphersConfig(alphabet=4, length=3, keys=2, inputs=10),
    CiphersConfig(stages=3, alphabet=11, length=12, keys=9, inputs=27),
]


@lru_cache
def drafts(config: CiphersConfig, count: int) -> list[Draft]:
    """The first fair ones."""
    proposals = Ciphers(config).drafts(np.random.default_rng(1))
    return list(itertools.islice(filter(None, proposals), count))


def python(draft: Draft, config: CiphersConfig) -> Cipher:
    return by_cpython(definition("f", draft.code), config.alphabet)


def word_and_key(text: str) -> tuple[str, int]:
    found = re.fullmatch(r"'([a-z]+)', (\d)", text)
    assert found
    return found[1], int(found[2])


def program(draft: Draft, name: str = "zibfil", *parts: Program) -> Program:
    return Program(name, "target", draft, tuple(range(len(draft.cases))), (), parts)


def test_generated_programs_agree_with_cpython() -> None:
    """10,000 of them, in all sizes; here the prelude itself is CPython's too."""
    rng = np.random.default_rng(3)
    for config in CONFIGS:
        for _ in range(10_000 // len(CONFIGS) + 1):
            source = definition("f", random_body(config, rng))
            wanted, ours = by_cpython(source, config.alphabet), parse_text(source, config.alphabet)
            word = "".join(chr(97 + i) for i in rng.integers(config.alphabet, size=config.length))
            for key in (1, config.keys):
                assert ours(word, key).answer == wanted(word, key), source


@pytest.mark.parametrize("config", CONFIGS, ids=str)
def test_cases_are_what_python_answers_and_no_other_key_does(config: CiphersConfig) -> None:
    for draft in drafts(config, 50):
        wanted = python(draft, config)
        for case in draft.cases:
            word, key = word_and_key(case.input)
            assert len(word) == config.length and str(key) == case.path
            answers = [wanted(word, k) for k in range(1, config.keys + 1)]
            assert squeezed(case.answer) == answers[key - 1]
            assert len({word, *answers}) == config.keys + 1
            assert [squeezed(copy) for copy in case.copies] == [word]


@pytest.mark.parametrize("config", CONFIGS, ids=str)
def test_cases_are_distinct_and_show_all_keys_equally(config: CiphersConfig) -> None:
    for draft in drafts(config, 50):
        keys = Counter(case.path for case in draft.cases)
        assert set(keys) == {str(k) for k in range(1, config.keys + 1)}
        assert max(keys.values()) - min(keys.values()) <= 1
        assert len({case.input for case in draft.cases}) == len(draft.cases) == config.inputs
        answers = Counter(case.answer for case in draft.cases)
        assert len(answers) >= config.inputs / 2


def test_programs_without_a_key_or_without_effect_are_no_drafts() -> None:
    """No fair one among what the generator proposes is constant in the key, by CPython."""
    config = CiphersConfig(alphabet=4, length=3, keys=2, inputs=32)
    words = ["".join(letters) for letters in itertools.product("abcd", repeat=3)]
    proposals = itertools.islice(Ciphers(config).drafts(np.random.default_rng(0)), 600)
    found = list(proposals)
    assert found.count(None) > 10
    for draft in filter(None, found):
        wanted = python(draft, config)
        assert sum(wanted(word, 1) != wanted(word, 2) for word in words) >= config.inputs


def test_equal_meanings_are_equal_functions() -> None:
    """Both ways, on all 64 words and both keys."""
    config = CiphersConfig(alphabet=4, length=3, keys=2, inputs=8, stages=2)
    words = ["".join(letters) for letters in itertools.product("abcd", repeat=3)]
    behaviours: dict[str, set[str]] = {}
    for draft in drafts(config, 1000):
        wanted = python(draft, config)
        done = " ".join(wanted(word, key) for word in words for key in (1, 2))
        behaviours.setdefault(draft.meaning, set()).add(done)
    assert all(len(found) == 1 for found in behaviours.values())
    assert len(set().union(*behaviours.values())) == len(behaviours) < 1000


def test_meaning_does_not_depend_on_the_cases() -> None:
    config = CiphersConfig(stages=2)
    other = CiphersConfig(stages=2, inputs=100, keys=7)
    assert [d.meaning for d in drafts(config, 20)] == [
        meaning(d.code, other) for d in drafts(config, 20)
    ]


@pytest.mark.parametrize("phrasing", range(len(PHRASINGS)))
@pytest.mark.parametrize("config", CONFIGS, ids=str)
def test_prose_read_as_english_does_what_the_source_does(
    config: CiphersConfig, phrasing: int
) -> None:
    domain = Ciphers(config)
    for draft in drafts(config, 50):
        told = domain.instruction(draft, "f", "prose", phrasing)
        for case in draft.cases[:6]:
            word, key = word_and_key(case.input)
            assert followed(told, word, key, config.alphabet) == squeezed(case.answer), told


def test_prose_of_all_moves_and_odd_words_is_faithful() -> None:
    """Whatever the generator can write, fair or not, on words of any length."""
    config = CiphersConfig(stages=3, length=7)
    rng = np.random.default_rng(2)
    for phrasing, _ in itertools.product(range(len(PHRASINGS)), range(150)):
        body = random_body(config, rng)
        wanted = by_cpython(definition("f", body), config.alphabet)
        for word, key in (("bad", 2), ("jihgfed", 3), ("abcdefgh", 1)):
            assert followed(prose(body, phrasing), word, key, 10) == wanted(word, key), body


@pytest.mark.parametrize(
    "text",
    [
        "s[k:]",
        "s[k:] + s[:2]",
        "s + s",
        "''.join(shift(x, k ** 2) for x in s)",
        "''.join(shift(x, (k + 1) * 2) for x in s)",
        "''.join(shift(x, k - (p - 1)) for p, x in enumerate(s))",
        "''.join(shift(x, k) for x in s[::-1])",
        "''.join(shift(x, k if x > 'c' else 1) for x in s)",
        "''.join('badc'[ord(x) - 96] for x in s)",
        "''.join(x + x for x in s)",
    ],
)
def test_prose_refuses_what_it_has_no_words_for(text: str) -> None:
    with pytest.raises(NotProse):
        prose(f"    return {text}", 0)


def test_traces_hold_each_stage_and_end_in_the_answer() -> None:
    config = CiphersConfig(stages=3, length=5)
    for draft in drafts(config, 40):
        lines = draft.code.splitlines()
        for case in draft.cases[:6]:
            word, key = word_and_key(case.input)
            stages = [stage.split("= ")[-1] for stage in case.trace.split(", ")]
            assert len(stages) == len(lines) and stages[-1] == case.answer
            for line, made in zip(lines, stages, strict=True):
                body = "    return " + line.strip().removeprefix("s = ").removeprefix("return ")
                word = by_cpython(definition("f", body), config.alphabet)(word, key)
                assert squeezed(made) == word


@pytest.mark.parametrize("config", CONFIGS[:3], ids=str)
def test_a_call_is_the_python_that_gives_the_answer(config: CiphersConfig) -> None:
    """Alone, and composed with the same key throughout."""
    domain = Ciphers(config)
    first, *others = drafts(config, 12)
    for draft in others:
        both = domain.compose(draft, first)
        assert both is not None and len(both.cases) == len(first.cases)
        scope: dict[str, object] = {}
        for name, each in (("outer", draft), ("inner", first)):
            exec(prelude(config.alphabet) + definition(name, each.code), scope)
        for alone, composed in zip(first.cases, both.cases, strict=True):
            assert eval(domain.call(["inner"], alone), scope) == squeezed(alone.answer)
            asked = domain.call(["outer", "inner"], composed)
            assert eval(asked, scope) == squeezed(composed.answer), asked
            assert composed.trace.startswith(f"{alone.trace}, ")
            assert composed.trace.endswith(composed.answer)
            assert (composed.input, composed.path) == (alone.input, alone.path)


def test_an_opening_and_its_instruction_are_the_source() -> None:
    config = CiphersConfig(stages=2)
    domain = Ciphers(config)
    for draft in drafts(config, 50):
        told = (
            f"{domain.opening(draft, 'zib', 'code')}\n{domain.instruction(draft, 'zib', 'code', 0)}"
        )
        assert told == definition("zib", draft.code)


@given(st.data())
def test_answers_are_judged_by_their_first_word(data: st.DataObject) -> None:
    domain, draft = Ciphers(CiphersConfig()), drafts(CiphersConfig(), 1)[0]
    item = data.draw(st.integers(0, len(draft.cases) - 1))
    word = squeezed(draft.cases[item].answer)
    said = data.draw(
        st.sampled_from([word, " ".join(word), f"{word[:2]} {word[2:]}", f"{word[:3]} {word[3:]}"])
    )
    mark = data.draw(st.sampled_from(["", "'", '"']))
    blank = data.draw(st.sampled_from(["", " ", "  "]))
    right = f"{blank}{mark}{blank}{said}{mark}"
    assert domain.correct(program(draft), item, right)
    assert domain.correct(program(draft), item, right + data.draw(st.sampled_from(".,;)")))
    assert domain.correct(program(draft), item, f"{word} {data.draw(st.text('abcdef '))}")
    wrong = data.draw(st.text("abcdefghij", max_size=6).filter(lambda other: other != word))
    for other in (wrong, " ".join(wrong), f"{word}{word}", f"{' '.join(word)} a", f"no: {word}"):
        assert not domain.correct(program(draft), item, f"{mark}{other}{mark}")


def test_guessing_does_not_pay() -> None:
    for config in CONFIGS:
        domain = Ciphers(config)
        for draft in drafts(config, 50):
            commonest = Counter(case.answer for case in draft.cases).most_common(1)[0][1]
            assert domain.chance(program(draft)) == commonest / len(draft.cases) <= 0.5


def test_drafts_are_the_same_in_every_process() -> None:
    code = """
import itertools
from pbb.domains.ciphers import Ciphers
from pbb.domains.configs import CiphersConfig
from pbb.seeds import stream
domain = Ciphers(CiphersConfig(stages=2, alphabet=12))
for draft in itertools.islice(domain.drafts(stream("test")), 40):
    print(draft, draft and [domain.instruction(draft, "f", "prose", i) for i in range(4)])
"""
    (printed,) = printed_in_every_process(code)
    assert printed.count("Case(") > 500


def test_templates_are_twenty_of_each_and_different() -> None:
    for kind, hole in (
        (Ciphers.templates.declaration, "{name}"),
        (Ciphers.templates.execution, "{call}"),
    ):
        assert len(set(kind)) == len(kind) == 20
        for template in kind:
            assert template.count(hole) == template.count("{") == 1
            assert re.fullmatch(r"[a-z ]{1,40}", template.replace(hole, ""))


@pytest.mark.parametrize(
    "fields",
    [
        {"keys": 1},
        {"keys": 4, "alphabet": 4},
        {"keys": 9, "inputs": 20},
        {"alphabet": 4, "length": 3, "inputs": 33, "keys": 2},
        {"alphabet": 27},
        {"stages": 4},
        {"length": 2},
        {"length": 13},
    ],
)
def test_configurations_without_fair_programs_are_refused(fields: dict[str, int]) -> None:
    with pytest.raises(ValidationError):
        CiphersConfig.model_validate(fields)

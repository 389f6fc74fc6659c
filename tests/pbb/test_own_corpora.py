"""Corpora of a user's own functions: none gives another away, or spoils how answers are read."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from pbb.config import CorpusConfig
from pbb.corpus import NotYourTargets, build_corpus, compositions
from pbb.documents import Told, execution_completion, said
from pbb.domains.algorithms import Algorithms
from pbb.domains.algorithms.cases import prepare
from pbb.domains.algorithms.checking import check_folder
from pbb.domains.algorithms.domain import rest_of_library
from pbb.domains.algorithms.embedding import embed
from pbb.domains.configs import AlgorithmsConfig, FunctionSource
from pbb.domains.conformance import broken
from pbb.domains.domain import Program
from pbb.domains.laws.subject import Subject, documents
from pbb.seeds import stream
from tests.pbb.test_own_functions import INTEGERS, own

DOUBLE = "def double(n):\n    return 2 * n + 1\n"
FOLDER = f"""
{DOUBLE}

def _step(n):
    return n * n + 3


def helper(n):
    return n + 7


def quadruple(n):
    m = double(n)
    return double(m)


def sixfold(n):
    return quadruple(n) + 2 * n


def stepped(n):
    return _step(n) - helper(n)


def squares(n):
    double = n * n
    return [double, n]
"""
"""`helper` has no inputs, so it is no program; in `squares` a value is called like one."""
INPUTS = "".join(
    f"\n\ndef inputs_{name}(rng):\n    return (rng.randint(1, 400),)\n"
    for name in ("double", "quadruple", "sixfold", "stepped", "squares")
)


def usable(functions: tuple[FunctionSource, ...]) -> dict[str, str | None]:
    return {each.name: each.reason for each in prepare(functions, 12)}


def test_a_function_that_uses_another_program_is_refused_and_its_helpers_are_not(
    tmp_path: Path,
) -> None:
    (tmp_path / "own.py").write_text(FOLDER + INPUTS)
    found = {each.name: each.reason for each in check_folder(tmp_path, 12)}
    assert {name for name, reason in found.items() if reason is None} == {
        "double",
        "stepped",
        "squares",
    }
    assert "uses double," in str(found["quadruple"])
    assert "uses double," in str(found["sixfold"]) or "uses quadruple," in str(found["sixfold"])


@pytest.mark.parametrize(
    "source",
    [
        f"{DOUBLE}def twice(n):\n    return double(n) * double(n)\n",
        "def twice(n):\n    def double(n):\n        return 2 * n + 1\n    return double(n) ** 2\n",
        "double = lambda n: 2 * n + 1\ndef twice(n):\n    return double(n) ** 2\n",
    ],
)
def test_so_it_is_in_jsonl(source: str, tmp_path: Path) -> None:
    rows = [
        {"name": "double", "source": DOUBLE, "generator": INTEGERS},
        {"name": "twice", "source": source, "generator": INTEGERS},
    ]
    (tmp_path / "own.jsonl").write_text("\n".join(map(json.dumps, rows)))
    found = {each.name: each.reason for each in check_folder(tmp_path, 12)}
    assert found["double"] is None and "uses double," in str(found["twice"])


def small(folder: Path, seed: int) -> CorpusConfig:
    domain = embed(AlgorithmsConfig(folder=str(folder), inputs=12, names="kept"), Path())
    sizes = {"targets": 2, "validation": 1, "acquisition": 3, "items_per_program": 5}
    return CorpusConfig.model_validate({"domain": domain, "data_seed": seed, **sizes})


def split_of(config: CorpusConfig) -> dict[str, str]:
    made = build_corpus(config)
    return {p.name: p.split for p in (*made.target, *made.validation, *made.acquisition)}


@pytest.fixture
def forgetful() -> Iterator[Callable[[], None]]:
    """Forgets what was prepared; once more when the test is over."""

    def forget() -> None:
        for cached in (prepare, rest_of_library, build_corpus, compositions, documents):
            cached.cache_clear()

    forget()
    yield forget
    forget()


def test_the_law_sees_a_target_that_another_program_brings_along(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, forgetful: Callable[[], None]
) -> None:
    (tmp_path / "own.py").write_text(FOLDER + INPUTS)
    with monkeypatch.context() as patch:
        patch.setattr("pbb.domains.algorithms.refusals.use", lambda *_: None)
        leaky = next(
            config
            for config in (small(tmp_path, seed) for seed in range(60))
            if split_of(config)["double"] == "target"
            and split_of(config).get("quadruple") == "acquisition"
        )
        found = broken("no_leakage", Subject(leaky, ()))
        assert any("tells the target double" in each.message for each in found)
    forgetful()
    assert "quadruple" not in split_of(leaky)


CUED = {
    "stated": own("stated", "return 3 * n", statement="Give the answer: three times n."),
    "quoting": own("quoting", "s = 'the answer: '\n    return s + str(n)"),
    "tracing": own("tracing", "s = 'answer' + chr(58) + str(n)\n    return len(s) * n"),
    "slicing": own("slicing", "answer = n % 9\n    return str(n * 7919)[answer:]"),
    "naming": own("naming", "f = lambda answer: answer * 3\n    return f(n)"),
}


def test_what_would_be_read_as_an_answer_is_refused() -> None:
    found = usable((*CUED.values(), own("plain", "answer = n * 5\n    return answer")))
    assert found.pop("plain") is None
    for name, reason in found.items():
        assert "'answer:'" in str(reason), name


@pytest.mark.parametrize("name", CUED)
def test_for_its_answers_would_not_be_read_back(
    name: str, monkeypatch: pytest.MonkeyPatch, forgetful: Callable[[], None]
) -> None:
    """Of each, so none is refused for nothing."""
    monkeypatch.setattr("pbb.domains.algorithms.refusals.cue", lambda *_: None)
    domain = Algorithms(AlgorithmsConfig(functions=(CUED[name],), inputs=12, prose="statement"))
    draft = next(domain.drafts(stream("test-cue")))
    assert draft is not None
    program = Program("zibfil", "target", draft, (), tuple(range(12)))
    case = draft.cases[0]
    told = Told("prose" if name == "stated" else "code")
    found = {
        said(execution_completion(domain, program, case, way, told), way)
        for way in ("cot", "recite")
    }
    assert found != {case.answer}


LETTER = own("letter", "t = n // 70\n    return 'abcdefgh'[t]")
"""Eight answers: enough for its cases, too few for eight items of which none may come twice."""
OTHERS = (own("thrice", "return 3 * n + 1"), own("square", "return n * n"))


def of_own(targets: int, **changes: object) -> CorpusConfig:
    domain = AlgorithmsConfig(functions=(LETTER, *OTHERS), inputs=24)
    sizes = {"targets": targets, "validation": 1, "acquisition": 2, "items_per_program": 8}
    return CorpusConfig.model_validate({"domain": domain, "data_seed": 1, **sizes, **changes})


def test_no_library_function_becomes_a_target_in_a_user_s_place() -> None:
    assert usable((LETTER,)) == {"letter": None}
    with pytest.raises(NotYourTargets, match=r"letter: has no 8 fair items .* items_per_program"):
        build_corpus(of_own(3))
    for config, wanted in (
        (of_own(2), {"thrice", "square"}),
        (of_own(3, items_per_program=5), {"letter", "thrice", "square"}),
    ):
        assert {program.draft.own for program in build_corpus(config).target} == wanted


def test_nor_where_the_bases_know_what_the_user_s_does(
    monkeypatch: pytest.MonkeyPatch, forgetful: Callable[[], None]
) -> None:
    known = {each.meaning for each in prepare(OTHERS[:1], 24)}
    monkeypatch.setattr("pbb.corpus.library_meanings", lambda: known)
    with pytest.raises(NotYourTargets, match="thrice: does what a program does that the bases"):
        build_corpus(of_own(3, items_per_program=5))

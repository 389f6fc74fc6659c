"""Statements of one's own functions say what is to be done, and never what a call gives."""

import json
from pathlib import Path

import pytest

from pbb.config import CorpusConfig
from pbb.corpus import build_corpus
from pbb.domains.algorithms.checking import check_folder
from pbb.domains.algorithms.embedding import embed
from pbb.domains.algorithms.reading import library, read_folder
from pbb.domains.algorithms.source import shown_call
from pbb.domains.configs import AlgorithmsConfig
from search_spaces.study_file import load_study
from study.plan import make_plan

DOCS = Path(__file__).parents[2] / "docs"
TOLD = "Twice n, plus one, and never less than that."
THRICE = '''
def thrice(n):
    """Three times n."""
    return 3 * n


def inputs_thrice(rng):
    return (rng.randrange(900),)
'''
EXAMPLES = "".join(f">>> double({n})\n    {2 * n + 1}\n    " for n in range(100, 130))
LAYOUTS = {
    "beside": f"{TOLD}\n    {EXAMPLES}",
    "over two lines": f"{TOLD.replace(', and', ',' + chr(10) + '    and')}\n    {EXAMPLES}",
    "indented": f"{TOLD}\n        {EXAMPLES}",
    "after a line of blanks": f"{TOLD}\n       \n    {EXAMPLES}",
    "after a paragraph": f"{TOLD}\n\n    For instance:\n    {EXAMPLES}",
}


def own(folder: Path, docstring: str) -> Path:
    text = f'def double(n):\n    """{docstring}"""\n    return 2 * n + 1\n'
    (folder / "own.py").write_text(text)
    return folder


@pytest.mark.parametrize("layout", LAYOUTS)
def test_an_instruction_holds_no_case_of_its_docstring(tmp_path: Path, layout: str) -> None:
    (tmp_path / "thrice.py").write_text(THRICE)
    config = AlgorithmsConfig(
        folder=str(own(tmp_path, LAYOUTS[layout])), prose="statement", names="kept"
    )
    domain = embed(config, Path())
    sizes = {"targets": 2, "validation": 1, "acquisition": 2, "items_per_program": 5}
    corpus = build_corpus(CorpusConfig(domain=domain, data_seed=1, representation="prose", **sizes))
    (target,) = (each for each in corpus.target if each.name == "double")
    assert {int(case.input) for case in target.draft.cases} <= set(range(100, 130))
    told = corpus.domain.instruction(target.draft, "double", "prose", 0)
    assert told == TOLD[0].lower() + TOLD[1:]


SHOWN = {
    "Twice n, so double(3) is 6.": True,
    "Twice n, as in double( 3 ).": True,
    "double((1, 2), 'a)') is an error.": True,
    "Twice n: double(n) is n + n.": False,
    "What double() gives.": False,
    "What redouble(3) halves.": False,
}


@pytest.mark.parametrize("statement", SHOWN)
@pytest.mark.parametrize("jsonl", [False, True])
def test_a_statement_that_shows_a_call_is_refused(
    tmp_path: Path, statement: str, jsonl: bool
) -> None:
    if jsonl:
        row = {"name": "double", "source": "def double(n):\n    return 2 * n\n"}
        row |= {"statement": statement, "generator": "def inputs(r):\n    return (r.random(),)\n"}
        (tmp_path / "own.jsonl").write_text(json.dumps(row))
    else:
        own(tmp_path, f"{statement}\n    {EXAMPLES}")
    (found,) = check_folder(tmp_path, 24)
    assert ("statement" in str(found.reason)) == SHOWN[statement]
    assert found.usable != SHOWN[statement]


def test_no_statement_shows_a_call_of_another_program(tmp_path: Path) -> None:
    """Under its own name that would execute what may be a target."""
    own(tmp_path, f"{TOLD}\n    {EXAMPLES}")
    for told, usable in (("Doubles again: double(3) is 7.", False), ("Doubles double(n).", True)):
        row = {"name": "twice", "source": "def twice(n):\n    return 4 * n\n"}
        row |= {"statement": told, "examples": [str(n) for n in range(40)]}
        (tmp_path / "more.jsonl").write_text(json.dumps(row))
        found = read_folder(tmp_path)
        functions, refusals = found.functions, found.refusals
        assert ("twice" in {each.name for each in functions}) == usable
        assert [each.where for each in refusals] == ["twice"] * (not usable)


def test_the_example_of_the_readme_teaches_documentation() -> None:
    """Its five targets are told by their docstrings, whole, which speak of none by its name."""
    study = load_study(DOCS / "shop.yaml")
    functions = read_folder(DOCS / "own_functions").functions
    documented = {each.statement[0].lower() + each.statement[1:] for each in functions}
    (config,) = {trial.config.corpus for trial in make_plan(study).trials}
    corpus = build_corpus(config)
    told = [corpus.domain.instruction(p.draft, "it", "prose", 0) for p in corpus.target]
    assert config.representation == "prose"
    assert set(told) == documented
    assert len(documented) == len(corpus.target) == 5


def test_the_library_shows_none() -> None:
    functions = library(("easy", "medium", "hard"))
    names = [each.name for each in functions]
    assert not [s for each in functions for n in names if (s := shown_call(each.statement, n))]

"""The user's own functions: read as text, never run here; what cannot be used is named."""

import json
import os
import shutil
from pathlib import Path

import numpy as np
import pytest

from pbb.config import CorpusConfig
from pbb.corpus import build_corpus
from pbb.domains.algorithms import Algorithms, source
from pbb.domains.algorithms.checking import Usable, check_folder, check_functions
from pbb.domains.algorithms.domain import UnusableFunctions
from pbb.domains.algorithms.embedding import embed
from pbb.domains.algorithms.jobs import LIMITS
from pbb.domains.algorithms.reading import UnreadableFolder, read_folder
from pbb.domains.algorithms.sandbox import run_function
from pbb.domains.configs import AlgorithmsConfig, FunctionSource
from pbb.domains.domain import Draft

FIVE = '''
"""Functions of a shop."""
import math
from random import Random
from typing import Final

RATE: Final = 3
open("marker", "w").write("this file was executed")


def _tax(amount: int) -> int:
    return math.ceil(amount * RATE / 10)


def price(a: int, n: int) -> int:
    """price is what n things cost that cost a each.

    More than you thought.
    """
    total = a * n  # before tax
    return total + _tax(total)


def inputs_price(rng: Random) -> tuple[int, int]:
    return rng.randint(1, 30), rng.randint(1, 9)


def digits(n):
    if n < 10:
        return n
    return n % 10 + digits(n // 10)

'''
FIVE += f"EXAMPLES = {{'digits': {[str(37 * n + 5) for n in range(40)]}}}\n"

SHOUT = '''
def shout(word, mark):
    """
    >>> shout("ab", "!")
    'AB!'
    """
    return word.upper() + mark


def stamp(n):
    import time
    return n + time.time()


def inputs_stamp(rng):
    return (rng.randint(1, 900),)
'''

LETTERS = {
    "name": "letters",
    "source": "def letters(n):\n    t = 'ab' * (n % 7)\n    return [t, n * n]\n",
    "generator": "def inputs(rng):\n    return (rng.randint(1, 60),)\n",
}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Five functions, of which `stamp` cannot be used, and `shout` has one input."""
    made = tmp_path / "own"
    made.mkdir()
    (made / "shop.py").write_text(FIVE)
    calls = "\n".join(f'    >>> shout("{a}{b}", "!")' for a in "abcdef" for b in "ghij")
    (made / "texts.py").write_text(SHOUT.replace('    >>> shout("ab", "!")', calls))
    (made / "more.jsonl").write_text(json.dumps(LETTERS) + "\n")
    return made


def rows(found: tuple[Usable, ...]) -> dict[str, str | None]:
    return {each.name: each.reason for each in found}


def drafts(config: AlgorithmsConfig) -> list[Draft]:
    """Of the user's own functions: they come before the library's."""
    made = Algorithms(config).drafts(np.random.default_rng(0))
    return [draft for draft in (next(made) for _ in config.functions[:4]) if draft is not None]


@pytest.mark.parametrize("gap", ["", "\n"])
def test_a_statement_tells_no_call_that_the_docstring_shows(folder: Path, gap: str) -> None:
    """With or without a blank line before it: the call and its answer are an item's."""
    shown = f'''def twice(n):
    """Twice a number,
    and nothing more.
{gap}    >>> twice(21)
    42
    """
    return n + n


def inputs(rng):
    return (rng.randint(0, 99),)
'''
    (folder / "twice.py").write_text(shown)
    config = embed(AlgorithmsConfig(folder=str(folder)), Path())
    (found,) = [each for each in config.functions if each.name == "twice"]
    assert found.statement == "Twice a number, and nothing more."


def test_of_five_functions_with_a_bad_one_four_can_be_used(folder: Path) -> None:
    found = rows(check_folder(folder, 24))
    good = {"price", "digits", "shout", "letters"}
    assert {name for name, reason in found.items() if reason is None} == good
    assert "imports time" in str(found["stamp"])
    config = embed(AlgorithmsConfig(folder=str(folder), names="kept"), Path())
    assert {draft.name for draft in drafts(config)} == good


def test_reading_and_checking_execute_nothing_here(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    check_folder(folder, 24)
    assert {each.name for each in tmp_path.iterdir()} == {"own"}
    assert {each.name for each in folder.iterdir()} == {"shop.py", "texts.py", "more.jsonl"}


def test_a_function_brings_what_it_needs_and_no_more(folder: Path) -> None:
    found = read_folder(folder)
    functions, refusals = found.functions, found.refusals
    assert refusals == ()
    price = {each.name: each for each in functions}["price"]
    code = source.standalone(price.source, price.name, price.statement)
    body = source.body(code, "zibfil")
    assert body.split("\n")[:4] == [
        "    import math",
        "    RATE = 3",
        "    def _tax(amount):",
        "        return math.ceil(amount * RATE / 10)",
    ]
    assert "marker" not in price.source
    assert "before tax" not in body
    (ran,) = run_function(code, source.PLACEHOLDER, ["7, 5"], LIMITS)
    assert ran.answer == str(35 + 11)
    assert source.named(source.statement(code), "zibfil") == (
        "zibfil is what n things cost that cost a each."
    )


def test_a_study_with_a_folder_is_complete_without_it(folder: Path) -> None:
    config = embed(AlgorithmsConfig(folder="own"), folder.parent)
    assert config.folder is None
    before = drafts(config)
    shutil.rmtree(folder)
    again = AlgorithmsConfig.model_validate_json(config.model_dump_json())
    assert again == config
    assert drafts(again) == before


def test_targets_are_the_user_s_own_and_the_library_fills_the_rest(folder: Path) -> None:
    domain = embed(AlgorithmsConfig(folder=str(folder), names="kept"), Path())
    corpus = build_corpus(
        CorpusConfig(domain=domain, data_seed=3, targets=4, validation=1, acquisition=5)
    )
    own = {each.name for each in domain.functions}
    assert {program.name for program in corpus.target} == own - {"stamp"}
    assert not {program.name for program in (*corpus.acquisition, *corpus.validation)} & own


def test_an_unread_folder_is_refused_before_anything_runs(tmp_path: Path) -> None:
    with pytest.raises(UnusableFunctions, match="has not been read"):
        next(Algorithms(AlgorithmsConfig(folder="own")).drafts(np.random.default_rng(0)))
    with pytest.raises(UnreadableFolder, match="holds no functions"):
        embed(AlgorithmsConfig(folder="."), tmp_path)


def test_where_programs_run_out_the_unusable_ones_are_named() -> None:
    bad = FunctionSource(name="lonely", source="def lonely(n):\n    return n")
    made = Algorithms(AlgorithmsConfig(functions=(bad,))).drafts(np.random.default_rng(0))
    with pytest.raises(UnusableFunctions, match="lonely: no inputs"):
        list(made)


# What is refused, and why

INTEGERS = "def inputs(rng):\n    return (rng.randint(1, 500),)\n"
BAD = {
    "forever": ("while True:\n        n += 1", "lines executed"),
    "slow": ("return sum(range(10 ** 11)) + n", "0.5 s"),
    "huge": ("return len([0] * (n * 10 ** 9))", "out of memory"),
    "opens": ("return open('/etc/passwd').read()[n]", "uses open"),
    "connects": ("import socket\n    return socket.socket().fileno() + n", "imports socket"),
    "forks": ("import os\n    return os.fork() + n", "imports os"),
    "hidden": ("return n.__class__.__base__.__subclasses__()", "uses the name"),
    "shuffled": ("return list({str(n), str(n + 1), str(2 * n)})", "not deterministic"),
    "counting": ("global c\n    c = 1\n    return c + n", "side effects"),
    "nan": ("return float('nan') * n", "not finite"),
    "object": ("return lambda: n", "type function"),
    "constant": ("t = n\n    return 7", "guessable"),
    "copying": ("t = n + 1\n    return t - 1", "guessable"),
    "spaced": ("t = n % 97\n    return ' ' * t + 'a'", "guessable"),
    "two_values": ("t = n % 2\n    return t", "guessable"),
    "wordy": ("return 'x' * n * 9", "longer than"),
    "raising": ("return n // 0", "ZeroDivisionError"),
    "giving": ("yield n", "generator"),
    "twin": ("m = n + n\n    return m + 1", "the same as fine"),
}


def own(name: str, body: str, **more: object) -> FunctionSource:
    text = f"def {name}(n):\n    {body}\n"
    fields = {"name": name, "source": text, "generator": INTEGERS, **more}
    return FunctionSource.model_validate(fields)


def drawing(value: str) -> str:
    return f"def inputs(rng):\n    return {value}\n"


@pytest.mark.timeout(300)
def test_every_bad_function_is_named_with_its_reason_and_stops_no_other() -> None:
    good = (own("fine", "return 2 * n + 1"), own("also", "s = n * n\n    return s % 97"))
    bad = tuple(own(name, body) for name, (body, _) in BAD.items())
    found = rows(check_functions((good[0], *bad, good[1]), 8))
    assert [found["fine"], found["also"]] == [None, None]
    for name, (_, wanted) in BAD.items():
        assert wanted in str(found[name]), name


def test_a_copy_that_differs_in_white_space_alone_is_a_guess() -> None:
    words = "' ' * rng.randint(1, 9) + ' '.join(rng.choice('abcdefgh') for _ in 'abcd')"
    tidy = own(
        "tidy", "parts = n.split()\n    return ' '.join(parts)", generator=drawing(f"({words},)")
    )
    (row,) = check_functions((tidy,), 8)
    assert "guessable" in str(row.reason)


def test_inputs_that_do_not_do_are_named() -> None:
    made = {
        "none": own("none", "return n", generator=""),
        "few": own("few", "return 3 * n", generator="", examples=("1", "2", "2")),
        "narrow": own("narrow", "return 3 * n", generator=drawing("(rng.randint(1, 3),)")),
        "listed": own("listed", "return 3 * n", generator=drawing("[1]")),
        "failing": own("failing", "return 3 * n", generator=drawing("1 / 0")),
        "code": own("code", "return n", generator="", examples=("print(1)",)),
    }
    found = rows(check_functions(tuple(made.values()), 8))
    wanted = {
        "none": "inputs_none(rng)",
        "few": "2 distinct inputs; 8 are wanted",
        "narrow": "3 distinct inputs; 8 are wanted",
        "listed": "tuple",
        "failing": "ZeroDivisionError",
        "code": "no list of Python literals",
    }
    for name, reason in wanted.items():
        assert reason in str(found[name]), (name, found[name])


def test_what_prose_cannot_tell_is_noted_and_stays_usable() -> None:
    (row,) = check_functions((own("xor", "return (n ^ 12) * 3"),), 8)
    assert row.usable and "BitXor" in str(row.unprosaic)


def test_files_that_cannot_be_read_are_named_and_the_rest_is_read(folder: Path) -> None:
    outside = folder.parent / "outside.py"
    outside.write_text("def secret(n):\n    return n\n")
    (folder / "a_link.py").symlink_to(outside)
    os.mkfifo(folder / "b_pipe.py")
    (folder / "c_bytes.py").write_bytes(b"def f(n):\n    return '\xff'\n")
    (folder / "d_zero.py").write_bytes(b"def f(n):\n    return 1\0\n")
    (folder / "e_syntax.py").write_text("def f(n)\n    return 1\n")
    (folder / "f_deep.py").write_text("x = " + "(" * 5000 + ")" * 5000)
    (folder / "f_cached.py").write_text(
        "import functools\n\n@functools.cache\ndef kept(n):\n    return n\n"
    )
    (folder / "g_calls.py").write_text("def f(n):\n    return n\n\nEXAMPLES = {'f': [print()]}\n")
    (folder / "h_lost.py").write_text("def f(n):\n    return n\ndef inputs_g(rng):\n    return 1\n")
    rows_of_i = [{**LETTERS, "name": "ok"}, {**LETTERS, "exmaples": []}, {"name": "f"}, 3]
    (folder / "i.jsonl").write_text("\n".join([*map(json.dumps, rows_of_i), "{"]))
    (folder / "z_large.py").write_text("#" * 1_000_000)
    found = read_folder(folder)
    functions, refusals = found.functions, found.refusals
    good = {"price", "digits", "shout", "stamp", "letters"}
    assert {each.name for each in functions} == good | {"f", "kept", "ok"}
    assert "decorated" in str(rows(check_functions(functions, 8))["kept"])
    told = {each.where: each.reason for each in refusals}
    wanted = {
        "a_link.py": "a link",
        "b_pipe.py": "no regular file",
        "c_bytes.py": "not UTF-8",
        "d_zero.py": "not",
        "e_syntax.py": "line 1",
        "f_deep.py": "not",
        "g_calls.py": "EXAMPLES must give",
        "h_lost.py: inputs_g": "not there",
        "i.jsonl: line 2": "unknown key 'exmaples'",
        "i.jsonl: line 3": "source",
        "i.jsonl: line 4": "JSON object",
        "i.jsonl: line 5": "not JSON",
        "z_large.py": "over 1000000 bytes",
    }
    assert set(told) == set(wanted)
    for where, reason in wanted.items():
        assert reason in told[where]


def test_two_functions_of_one_name_are_one_too_many(folder: Path) -> None:
    (folder / "zz.jsonl").write_text(json.dumps({**LETTERS, "name": "price"}))
    found = read_folder(folder)
    functions, refusals = found.functions, found.refusals
    assert [each.name for each in functions].count("price") == 1
    assert [each.where for each in refusals] == ["zz.jsonl: price"]
    with pytest.raises(ValueError, match="given twice"):
        AlgorithmsConfig(functions=(functions[0], functions[0]))
